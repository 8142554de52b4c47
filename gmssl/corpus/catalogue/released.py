"""The lists of names that the authors of LVM-Med released: what each is, and which of its names are on disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gmssl.corpus.catalogue.entry import Entry, Published
from gmssl.errors import DataError
from gmssl.system.files import what_is_wrong


@dataclass(frozen=True)
class Listed:
    """A released list beside the entry and the disk.

    Attributes:
        name: what the list is called.
        differences: how the file differs from what the entry says of it; none where it is the released one.
        names: lines of this dataset, different ones; 0 where the list names no files.
        missing: those that are not on disk, as the list writes them.
        unlisted: number of images on disk that are not in the list.
    """

    name: str
    differences: tuple[str, ...]
    names: int
    missing: tuple[str, ...]
    unlisted: int


def compare(entry: Entry, path: Path, files: Sequence[str], images: Sequence[str], own: str) -> Listed:
    """Compare a list with its entry, and with what lies on disk.

    Args:
        entry: the dataset.
        path: the list, a text file with a name in each line.
        files, images: paths of all files and of those that hold images, below the folder of the archive.
        own: name of that folder, which listed paths may begin with.

    Raises:
        DataError: the list cannot be read, is empty, or the entry knows of none.
    """
    try:
        raw = path.read_bytes()
        lines = lines_of(raw)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the list {path} cannot be read as text: {what_is_wrong(error)}. Give a list that the authors released."
        ) from None
    if not entry.published or not lines:
        what = f"there is no published list of {entry.name}" if lines else f"the list {path} is empty"
        raise DataError(f"{what}; leave out --list.")
    published = _which(entry.published, raw, lines)
    differences = tuple(differences_of(published, raw))
    if published.compares is None:
        return Listed(published.name, differences, 0, (), 0)
    keys = {line: _key(published, line) for line in dict.fromkeys(own_lines(published, lines))}
    depths = {key.count("/") + 1 for key in keys.values()}
    there = {key for file in files for key in _keys_of(published, f"{own}/{file}", depths)}
    wanted = set(keys.values())
    unlisted = sum(not wanted & set(_keys_of(published, f"{own}/{image}", depths)) for image in images)
    return Listed(
        published.name, differences, len(keys), tuple(line for line, key in keys.items() if key not in there), unlisted
    )


def lines_of(raw: bytes) -> list[str]:
    """The lines of a list that are not blank, without their ends.

    Raises:
        UnicodeDecodeError: the bytes are no text in UTF-8.
    """
    return [line for line in (text.rstrip("\r") for text in raw.decode("utf-8").split("\n")) if line.strip()]


def own_lines(published: Published, lines: Sequence[str]) -> list[str]:
    """The lines of one dataset in a list of several."""
    only = published.only
    return list(lines) if only is None else [line for line in lines if re.search(only, line)]


def differences_of(published: Published, raw: bytes) -> Iterator[str]:
    """How a file differs from what an entry says of its list, each in words."""
    lines = lines_of(raw)
    folders = len({line.partition("/")[0] for line in lines}) if any("/" in line for line in lines) else None
    facts = [
        ("lines", len(lines), published.entries),
        ("different lines", len(set(lines)), published.unique),
        ("first folders", folders, published.groups),
        ("beginning of the first line", lines[0][:80] if lines else None, published.first[:80]),
        ("first digits of the SHA-256", hashlib.sha256(raw).hexdigest()[:16], published.sha256),
    ]
    if published.own is not None:
        facts.append(("lines of this dataset", len(own_lines(published, lines)), published.own))
    return (f"{what}: {has}, not {should}" for what, has, should in facts if has != should)


def _which(lists: Sequence[Published], raw: bytes, lines: Sequence[str]) -> Published:
    """The list that a file is: by its bytes, else by its first line, else the first of the entry."""
    digest = hashlib.sha256(raw).hexdigest()[:16]
    return min(lists, key=lambda each: (each.sha256 != digest, each.first[:80] != lines[0][:80]))


def _key(published: Published, line: str) -> str:
    name = line if published.adds is None else re.sub(published.adds, "", line)
    return _stem(name) if published.compares == "stem" else name


def _keys_of(published: Published, path: str, depths: set[int]) -> list[str]:
    """What a file on disk may be called in the list; its path begins with the archive's own folder."""
    parts = path.split("/")
    if published.compares == "path":
        return ["/".join(parts[-depth:]) for depth in depths]
    if published.compares == "folder":
        return parts[:-1]
    return [parts[-1] if published.compares == "name" else _stem(parts[-1])]


def _stem(name: str) -> str:
    """A file's name without its extension, two of them for .nii.gz."""
    return PurePosixPath(name.removesuffix(".gz")).stem
