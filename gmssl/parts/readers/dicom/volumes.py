"""From the headers of a source to its acquisitions: a file for itself, or a volume of the frames of a series."""

from __future__ import annotations

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gmssl.interfaces.reader import Acquisition, LeftOut
from gmssl.parts.readers.dicom.classes import modality
from gmssl.parts.readers.dicom.geometry import even_parts, told
from gmssl.parts.readers.dicom.headers import FaultError, Header, text
from gmssl.parts.readers.dicom.planes import Plane, planes_of
from gmssl.parts.readers.dicom.stacks import Stack, stacks_of, unique

Gaps = Literal["keep", "split", "refuse"]


@dataclass(frozen=True, eq=False)
class Volume:
    """An acquisition, and its frames in the order of space; no frames where it is a file for itself."""

    acquisition: Acquisition
    stack: Stack


def volumes_of(headers: Iterable[Header], gaps: Gaps) -> tuple[list[Volume], list[LeftOut]]:
    """All acquisitions that the headers describe, sorted by name, and what is left out of them or should be known."""
    found: list[Volume] = []
    left_out: list[LeftOut] = []
    series: dict[tuple[str, ...], list[Plane]] = defaultdict(list)
    for header in headers:
        try:
            planes = planes_of(header)
            if planes:
                series[_series(header)] += planes
            else:
                found.append(Volume(_picture(header), []))
        except FaultError as fault:
            left_out.append(LeftOut(header.name, f"{fault}."))
    taken: set[str] = set()
    for key in sorted(series):
        for stack in stacks_of(series[key]):
            volumes, told_of = _volumes(stack, key, gaps, taken)
            found += volumes
            left_out += told_of
    return sorted(found, key=lambda v: v.acquisition.name), sorted(left_out, key=lambda left: (left.name, left.reason))


def _series(header: Header) -> tuple[str, ...]:
    """What belongs to one series; files that name none belong to their folder."""
    fields = header.fields
    uid = text(fields, "SeriesInstanceUID")
    return (
        text(fields, "PatientID"),
        text(fields, "StudyInstanceUID"),
        uid,
        "" if uid else posixpath.dirname(header.name),
    )


def _picture(header: Header) -> Acquisition:
    return _acquisition(header, header.name, (header.name,), header.frames)


def _acquisition(header: Header, name: str, files: tuple[str, ...], frames: int) -> Acquisition:
    patient, study, series = (
        text(header.fields, word) or None for word in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
    )
    return Acquisition(name, files, patient, study, series, modality(header), frames)


def _volumes(stack: Stack, series: tuple[str, ...], gaps: Gaps, taken: set[str]) -> tuple[list[Volume], list[LeftOut]]:
    kept, doubled = unique(stack)
    left_out = _doubled(doubled, {plane.header.name for plane in kept})
    parts = even_parts(kept)
    name = _name(kept, series, taken)
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
    return [_volume(part, _name(part, series, taken)) for part in parts], left_out


def _volume(stack: Stack, name: str) -> Volume:
    files = tuple(dict.fromkeys(plane.header.name for plane in stack))
    return Volume(_acquisition(stack[0].header, name, files, len(stack)), stack)


def _name(stack: Stack, series: Sequence[str], taken: set[str]) -> str:
    """Path of the file whose frames are this volume; of a series its folder and a hash that does not depend on how
    files are called."""
    files = {plane.header.name for plane in stack}
    if len(files) == 1 and len(stack) == stack[0].header.frames:
        return files.pop()
    first = min(stack, key=lambda plane: plane.order)
    key = "\n".join((series[2], first.uid, str(first.frame)))
    folder = posixpath.commonpath([posixpath.dirname(file) or "." for file in files]) if files else "."
    short = hashlib.sha256(key.encode()).hexdigest()[:12]
    name = short if folder in ("", ".") else f"{folder}/{short}"
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


def _doubled(doubled: list[tuple[Plane, Plane]], kept: set[str]) -> list[LeftOut]:
    """Files of which no frame is kept, and files that lose some of theirs."""
    found: dict[str, tuple[int, str]] = {}
    for plane, other in doubled:
        count, by = found.get(plane.header.name, (0, other.header.name))
        found[plane.header.name] = count + 1, by
    return [
        LeftOut(
            name,
            f"{'its slice lies' if name not in kept else f'{count} of its slices lie'} at the place of another one "
            "of the same kind; the first by SOPInstanceUID is kept.",
            fault=False,
        )
        for name, (count, _) in found.items()
    ]
