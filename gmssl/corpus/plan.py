"""The plan of a store: which pieces of which acquisitions go into which of its files.

It is made once, before any is read. A store does not depend on how many workers build it, or how often they are killed,
because only the plan says what a file of it holds.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gmssl.corpus.files import Facts, Files, NothingFoundError, files_of
from gmssl.corpus.pseudonyms import Pseudonyms
from gmssl.corpus.recipe import Corpus, Source
from gmssl.errors import DataError
from gmssl.interfaces.reader import Acquisition, LeftOut
from gmssl.system.json_text import json_text

LONG = 4096
"""Acquisitions of more frames are divided; whole slides and files of many images."""
SMALL, MANY = 4 << 20, 64
"""A store has at least `MANY` files, unless they would be smaller than `SMALL` bytes: so many workers have work."""
MOST = 4096
"""Pieces in one file at most."""

Told = Callable[[str], None]


@dataclass(frozen=True)
class Piece:
    """Frames of an acquisition, and what is known of them.

    Attributes:
        source: its number in the corpus.
        acquisition: with names of patient, study and series hashed.
        called: what the store calls the acquisition.
        facts: label and split, where known.
        start, stop: frames of the acquired axis; stop is None for all that follow.
    """

    source: int
    acquisition: Acquisition
    called: str
    facts: Facts
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True)
class Found:
    """What was found of a source.

    Attributes:
        name: of the source.
        files: how many it has.
        acquisitions: how many its files are.
        left_out: files and series that are not taken, with the reason.
        missing: the folder does not exist, and the source is optional.
    """

    name: str
    files: int
    acquisitions: int
    left_out: tuple[LeftOut, ...]
    missing: bool = False


@dataclass(frozen=True)
class Plan:
    """Units of work, one for each file of the store, and what was found of each source.

    Attributes:
        digest: fingerprint of the settings that decide what the store holds.
        mark: of the salt of hashed names.
    """

    digest: str
    mark: str
    units: tuple[tuple[Piece, ...], ...]
    found: tuple[Found, ...]

    def write(self, path: Path) -> None:
        """Write the plan to a file that appears complete."""
        from gmssl.system.files import replacing

        with replacing(path) as file:
            head = {"digest": self.digest, "mark": self.mark, "found": [asdict(found) for found in self.found]}
            for line in (head, *([asdict(piece) for piece in unit] for unit in self.units)):
                file.write(as_bytes(line) + b"\n")


def as_bytes(value: object) -> bytes:
    """JSON in one line; bytes of file names that are no UTF-8 become escapes, from which they are read back."""
    return json_text(value, indent=None).encode("utf-8", "backslashreplace")


def read_plan(path: Path) -> Plan:
    """The plan that `Plan.write` wrote.

    Raises:
        DataError: the file is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        head = json.loads(lines[0])
        units = tuple(tuple(_piece(piece) for piece in json.loads(line)) for line in lines[1:])
        found = tuple(_found(one) for one in head["found"])
        return Plan(head["digest"], head["mark"], units, found)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path} cannot be read ({error}). Delete the unfinished store, and build it again.") from None


def _piece(piece: dict[str, Any]) -> Piece:
    acquisition = {**piece["acquisition"], "files": tuple(piece["acquisition"]["files"])}
    return Piece(**{**piece, "acquisition": Acquisition(**acquisition)})


def _found(found: dict[str, Any]) -> Found:
    return Found(**{**found, "left_out": tuple(LeftOut(**one) for one in found["left_out"])})


def digest_of(corpus: Corpus) -> str:
    """Fingerprint of all that decides what a store holds, but for the files."""
    return hashlib.sha256(json.dumps(corpus.deciding(), sort_keys=True).encode()).hexdigest()[:16]


def make_plan(corpus: Corpus, hashed: Pseudonyms, tell: Told) -> Plan:
    """List all sources, and divide their acquisitions.

    Raises:
        DataError: a source that is not optional is missing or has no file, or no source has an acquisition.
    """
    pieces: list[Piece] = []
    sizes: list[int] = []
    found: list[Found] = []
    claimed: dict[str, str] = {}
    for number, source in enumerate(corpus.sources):
        tell(source.name)
        try:
            files = files_of(source, corpus.folder_of(source))
        except NothingFoundError as error:
            if not source.optional:
                raise DataError(f"source {source.name}: {error}") from None
            found.append(Found(source.name, 0, 0, (), missing=True))
            continue
        except DataError as error:
            raise DataError(f"source {source.name}: {error}") from None
        taken, one = _listed(corpus, number, files, hashed, claimed)
        found.append(one)
        for piece in taken:
            for part in _divided(piece, corpus.slices_of(source).axis == "acquired"):
                pieces.append(part)
                sizes.append(_size(corpus.folder_of(source), part))
    if not pieces:
        raise DataError(_nothing(corpus, found))
    return Plan(digest_of(corpus), hashed.mark, tuple(_grouped(pieces, sizes, corpus.shard << 20)), tuple(found))


def _nothing(corpus: Corpus, found: Sequence[Found]) -> str:
    if all(one.missing for one in found):
        first = corpus.folder_of(corpus.sources[0])
        return f"none of the {len(found)} sources is there; the first would lie in {first}. Correct root or the paths."
    left = [left for one in found for left in one.left_out]
    why = f"; the first of {len(left)} files left out: {left[0].name}: {left[0].reason}" if left else ""
    return f"no source has an image{why}. Correct the paths of the sources."


def _listed(
    corpus: Corpus, number: int, files: Files, hashed: Pseudonyms, claimed: dict[str, str]
) -> tuple[list[Piece], Found]:
    """The acquisitions of a source, whole; those whose files an earlier source has are left out."""
    source = corpus.sources[number]
    root = corpus.folder_of(source)
    listing = source.reader.listing(root, files.names)
    left_out = [*files.left_out, *listing.left_out]
    pieces = []
    for acquisition in _taken(source, listing.acquisitions, files.facts):
        owners = {claimed.setdefault(str((root / name).resolve()), source.name) for name in acquisition.files}
        if owners != {source.name}:
            owner = min(owners - {source.name})
            left_out.append(LeftOut(acquisition.name, f"source {owner} has the same file"))
            continue
        facts = files.facts.get(acquisition.files[0], {})
        patient = facts.get("patient") or acquisition.patient
        study = facts.get("study") or acquisition.study
        called = acquisition.name if corpus.names == "kept" else hashed("name", f"{source.name}\0{acquisition.name}")
        secret = replace(
            acquisition,
            patient=hashed("patient", patient) if patient else None,
            study=hashed("study", study) if study else None,
            series=hashed("series", acquisition.series) if acquisition.series else None,
        )
        told: Facts = {key: facts[key] for key in facts if key in _KEPT}
        pieces.append(Piece(number, secret, f"{source.name}/{called}", told))
    return pieces, Found(source.name, len(files.names), len(pieces), tuple(left_out))


_KEPT = ("label", "split")
"""Facts that a store holds as they are."""


def _taken(source: Source, found: Sequence[Acquisition], facts: dict[str, Facts]) -> Sequence[Acquisition]:
    """Acquisitions of the share of patients that is asked for; one without a patient counts as its own."""
    if source.take is None:
        return found
    seed = source.take.seed
    patients = [facts.get(one.files[0], {}).get("patient") or one.patient or one.name for one in found]
    drawn = sorted(set(patients), key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())
    kept = set(drawn[: math.ceil(source.take.share * len(drawn))])
    return [one for one, patient in zip(found, patients, strict=True) if patient in kept]


def _divided(piece: Piece, by_frames: bool) -> Iterable[Piece]:
    frames = piece.acquisition.frames
    if not by_frames or frames <= LONG:
        return [piece]
    return [replace(piece, start=first, stop=min(first + LONG, frames)) for first in range(0, frames, LONG)]


def _size(root: Path, piece: Piece) -> int:
    total = 0
    for name in piece.acquisition.files:
        try:
            total += (root / name).stat().st_size
        except OSError:  # gone since it was listed; reading it says so
            continue
    if piece.stop is not None:
        total = total * (piece.stop - piece.start) // piece.acquisition.frames
    return total


def _grouped(pieces: list[Piece], sizes: list[int], shard: int) -> Iterable[tuple[Piece, ...]]:
    """Neighbouring pieces together until they reach the size of a file of the store."""
    limit = min(shard, max(SMALL, sum(sizes) // MANY))
    group: list[Piece] = []
    weight = 0
    for piece, size in zip(pieces, sizes, strict=True):
        if group and (weight + size > limit or len(group) >= MOST):
            yield tuple(group)
            group, weight = [], 0
        group.append(piece)
        weight += size
    if group:
        yield tuple(group)
