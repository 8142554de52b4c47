"""From the headers of a source to its acquisitions: a file for itself, or a volume of the frames of a series."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gmssl.interfaces.reader import Acquisition, LeftOut
from gmssl.parts.readers.dicom.geometry import even_parts, told
from gmssl.parts.readers.dicom.headers import FaultError, Header
from gmssl.parts.readers.dicom.planes import File, Plane, file_of, planes_of
from gmssl.parts.readers.dicom.stacks import Stack, stacks_of, unique

Gaps = Literal["keep", "split", "refuse"]


@dataclass(frozen=True, eq=False)
class Volume:
    """An acquisition, and its frames in the order of space; no frames where it is a file for itself."""

    acquisition: Acquisition
    stack: Stack


def volumes_of(headers: Iterable[Header], gaps: Gaps) -> tuple[list[Volume], list[LeftOut]]:
    """All acquisitions that the headers describe, sorted by name, and what is left out of them or should be known.

    Headers are taken one by one, and not kept.
    """
    found: list[Volume] = []
    left_out: list[LeftOut] = []
    series: dict[tuple[str, ...], list[Plane]] = defaultdict(list)
    for header in headers:
        try:
            file = file_of(header)
            planes = planes_of(header, file)
        except FaultError as fault:
            left_out.append(LeftOut(header.name, f"{fault}."))
            continue
        if planes:
            series[_series(file)] += planes
        else:
            found.append(Volume(_acquisition(file, file.name, (file.name,), file.frames), []))
    taken: set[str] = set()
    for key in sorted(series):
        for stack in stacks_of(series.pop(key)):
            volumes, told_of = _volumes(stack, gaps, taken)
            found += volumes
            left_out += told_of
    return sorted(found, key=lambda v: v.acquisition.name), sorted(left_out, key=lambda left: (left.name, left.reason))


def _series(file: File) -> tuple[str, ...]:
    """What belongs to one series; files that name none belong to their folder."""
    return file.patient, file.study, file.series, "" if file.series else posixpath.dirname(file.name)


def _acquisition(file: File, name: str, files: tuple[str, ...], frames: int) -> Acquisition:
    return Acquisition(
        name, files, file.patient or None, file.study or None, file.series or None, file.modality, frames
    )


def _volumes(stack: Stack, gaps: Gaps, taken: set[str]) -> tuple[list[Volume], list[LeftOut]]:
    kept, doubled = unique(stack)
    left_out = _doubled(doubled, {plane.file.name for plane in kept})
    parts = even_parts(kept)
    name = _name(kept, taken)
    if len(parts) > 1:
        done = {
            "keep": "all are kept as one volume",
            "split": f"they are kept as {len(parts)} volumes",
            "refuse": "refused",
        }
        reason = f"{told(parts)}; {done[gaps]} (gaps: {gaps})."
        left_out.append(LeftOut(name, reason, fault=gaps == "refuse"))
    if kept[0].spacing is None:
        reason = "its PixelSpacing is missing or not above 0; it is read without positions in mm."
        left_out.append(LeftOut(name, reason, fault=False))
    if len(parts) == 1 or gaps == "keep":
        return [_volume(kept, name)], left_out
    if gaps == "refuse":
        return [], left_out
    return [_volume(part, _name(part, taken)) for part in parts], left_out


def _volume(stack: Stack, name: str) -> Volume:
    files = tuple(dict.fromkeys(plane.file.name for plane in stack))
    return Volume(_acquisition(stack[0].file, name, files, len(stack)), stack)


def _name(stack: Stack, taken: set[str]) -> str:
    """Path of the file whose frames are this volume; of a series its folder and a hash that does not depend on how
    files are called."""
    files = {plane.file.name for plane in stack}
    if len(files) == 1 and len(stack) == stack[0].file.frames:
        return files.pop()
    first = min(stack, key=lambda plane: plane.order)
    key = "\n".join((first.file.series, first.file.uid, str(first.frame)))
    folder = posixpath.commonpath([posixpath.dirname(file) or "." for file in files]) if files else "."
    short = hashlib.sha256(key.encode()).hexdigest()[:12]
    name = short if folder in ("", ".") else f"{folder}/{short}"
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


def _doubled(doubled: Stack, kept: set[str]) -> list[LeftOut]:
    """Files of which no frame is kept, and files that lose some of theirs."""
    found = Counter(plane.file.name for plane in doubled)
    return [
        LeftOut(
            name,
            f"{f'{count} of its slices lie' if name in kept else 'it lies'} at the place of another slice of the same "
            "kind; the first by SOPInstanceUID is kept.",
            fault=False,
        )
        for name, count in found.items()
    ]
