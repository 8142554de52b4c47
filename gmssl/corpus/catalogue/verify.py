"""What lies in the folder of an archive, compared with its entry and with the list that the authors released."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmssl.corpus.catalogue.entry import Entry, Place
from gmssl.corpus.catalogue.patterns import matches
from gmssl.corpus.catalogue.released import Listed, compare
from gmssl.errors import DataError

_HEAD = 65_536
"""Bytes that decide for most files of equal size that they differ."""
_PACKED = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")


@dataclass(frozen=True)
class Found:
    """A place of the layout, and the number of files in it."""

    place: Place
    files: int


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        entry: name of the dataset.
        files: number of files below the folder; hidden ones do not count.
        images: number of those that hold images.
        patients: number of patients that the paths of images tell; None where they tell none.
        found: each place with its number of files.
        missing: what an archive of this dataset has and this folder has not, in words.
        extra: files that belong to no place.
        doubled: groups of files with the same name, where names are unique, or with the same content.
        listed: the comparison with a list, if one was given.
    """

    entry: str
    files: int
    images: int
    patients: int | None
    found: tuple[Found, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    doubled: tuple[tuple[str, ...], ...]
    listed: Listed | None

    @property
    def complete(self) -> bool:
        """Whether nothing is missing or doubled and the list agrees; extra files do no harm."""
        agrees = self.listed is None or not (self.listed.differences or self.listed.missing)
        return not self.missing and not self.doubled and agrees


def verify(entry: Entry, root: Path, listed: Path | None = None, contents: bool = False) -> Verification:
    """Compare a folder with an entry.

    Args:
        entry: the dataset.
        root: the unpacked archive, or the folder around it.
        listed: the list that the authors released, a text file with a name in each line.
        contents: whether to look for images with the same content, too, which reads all of equal size.

    Raises:
        DataError: there is no such folder, it is empty, or the list cannot be read or belongs to no list of this entry.
    """
    if not root.is_dir():
        what = "is a file; unpack it, and" if root.is_file() else "does not exist;"
        raise DataError(f"the archive {root} {what} name the folder that it was unpacked to.")
    paths = sorted(_walk(root))
    if not paths:
        raise DataError(f"the archive {root} holds no files; name the folder that the archive was unpacked to.")
    own = root.resolve().name
    by_place: dict[int, list[str]] = defaultdict(list)
    for path in paths:
        by_place[place_of(entry.layout, path, own)].append(path)
    images = [p for number, place in enumerate(entry.layout) if place.holds == "images" for p in by_place[number]]
    found = tuple(Found(place, len(by_place[number])) for number, place in enumerate(entry.layout))
    tells = entry.split.patient_of
    told = {tells(path) or tells(f"{own}/{path}") for path in images} - {None}
    doubled = [group for number, place in enumerate(entry.layout) if place.unique for group in _same(by_place[number])]
    if contents:
        doubled += _same_content(root, images)
    return Verification(
        entry=entry.name,
        files=len(paths),
        images=len(images),
        patients=len(told) or None,
        found=found,
        missing=tuple(_missing(entry, found, len(told), by_place[-1])),
        extra=tuple(by_place[-1]),
        doubled=tuple(dict.fromkeys(doubled)),
        listed=None if listed is None else compare(entry, listed, paths, images, own),
    )


def place_of(layout: Sequence[Place], path: str, own: str) -> int:
    """Index of the first place that a file fits, or -1.

    Args:
        layout: places of the entry.
        path: below the folder of the archive, with forward slashes.
        own: name of that folder, which counts as one of the path, so that a folder within an archive can be given, too.
    """
    whole = f"{own}/{path}"
    fits = (n for n, place in enumerate(layout) if matches(place.pattern, path) or matches(place.pattern, whole))
    return next(fits, -1)


def _walk(root: Path) -> Iterator[str]:
    """Paths of files below a folder, but for hidden ones; links are followed, each folder once."""
    seen, waiting = set(), [""]
    while waiting:
        below = waiting.pop()
        folder = os.path.join(root, below)
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        with os.scandir(folder) as inside:
            for each in inside:
                if each.name.startswith(".") or each.name == "__MACOSX":
                    continue
                if each.is_dir():
                    waiting.append(f"{below}{each.name}/")
                elif each.is_file():  # a link that leads nowhere is none
                    yield f"{below}{each.name}"


def _missing(entry: Entry, found: Sequence[Found], patients: int, extra: Sequence[str]) -> Iterator[str]:
    packed = sum(path.lower().endswith(_PACKED) and not path.lower().endswith(".nii.gz") for path in extra)
    hint = f"; {packed} packed archives lie there, unpack them" if packed else ""
    if not any(each.files for each in found if each.place.holds == "images"):
        where = " or ".join(place.pattern for place in entry.layout if place.holds == "images")
        yield f"all images: no file fits {where}{hint}"
    for place, files in ((each.place, each.files) for each in found):
        if files == 0:
            if place.required:
                yield f"all {place.holds} of {place.pattern}{hint}"
        elif place.count is not None and files < place.count[0]:
            yield f"{place.count[0] - files} of {place.count[0]} {place.holds} of {place.pattern}{hint}"
    if entry.patients is not None and 0 < patients < entry.patients:
        yield f"{entry.patients - patients} of {entry.patients} patients"


def _same(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    by_name = defaultdict(list)
    for path in paths:
        by_name[path.rpartition("/")[2]].append(path)
    return (tuple(group) for group in by_name.values() if len(group) > 1)


def _same_content(root: Path, paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Groups of files with equal bytes: of equal size first, then of an equal beginning, then of an equal whole."""
    groups: list[list[str]] = [list(paths)]
    for key in (lambda p: p.stat().st_size, lambda p: _digest(p, _HEAD), lambda p: _digest(p, None)):
        parted: list[list[str]] = []
        for group in groups:
            by_key = defaultdict(list)
            for path in group:
                by_key[key(root / path)].append(path)
            parted += [same for same in by_key.values() if len(same) > 1]
        groups = parted
    return (tuple(group) for group in groups)


def _digest(path: Path, length: int | None) -> bytes:
    with path.open("rb") as file:
        if length is not None:
            return hashlib.sha256(file.read(length)).digest()
        return hashlib.file_digest(file, "sha256").digest()
