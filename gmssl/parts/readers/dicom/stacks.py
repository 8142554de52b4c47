"""Split the frames of a series into volumes: in each, frames are parallel, of one kind, and at places of their own."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise

from gmssl.parts.readers.dicom.planes import MARKS, Mark, Plane, Vector

SAME_PLACE = 0.01
"""Share of the pixels' spacing within which two slices lie at the same place."""
SAME_DIRECTION = 1e-3
SAME_ORIGIN = 0.5
_ACQUISITION = MARKS.index("AcquisitionNumber")

Stack = list[Plane]


def stacks_of(planes: Iterable[Plane]) -> list[Stack]:
    """Volumes of one series, each in the order of its places along the normal; where two of one volume share a place,
    they follow each other. The same for every order of the frames."""
    kinds: dict[tuple[Hashable, ...], Stack] = defaultdict(list)
    given = sorted(planes, key=lambda plane: plane.order)
    orientations = _clusters([plane.orientation for plane in given], SAME_DIRECTION)
    spacings = _clusters([_relative(plane.spacing) for plane in given], SAME_DIRECTION)
    for plane, orientation, spacing in zip(given, orientations, spacings, strict=True):
        kinds[(*plane.kind, orientation, spacing)].append(plane)
    found: list[Stack] = []
    for key in sorted(kinds, key=str):
        for acquisition in _by_acquisition(kinds[key]):
            found += _by_marks(acquisition)
    return [sorted(stack, key=_along) for stack in found]


def unique(stack: Stack) -> tuple[Stack, Stack]:
    """The first frame at each place by SOPInstanceUID, and the others."""
    kept: list[Plane] = []
    doubled: list[Plane] = []
    for _, there in sorted(_places(stack).items()):
        first, *others = sorted(there, key=lambda plane: plane.order)
        kept.append(first)
        doubled += others
    return kept, doubled


def heights(stack: Stack) -> list[float]:
    """Places along the normal of the first frame, in mm."""
    normal = stack[0].normal
    return [_dot(normal, plane.position) for plane in stack]


def _along(plane: Plane) -> tuple[float, tuple[str, int, int, int, str]]:
    return _dot(plane.normal, plane.position), plane.order


def _dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _relative(spacing: Vector | None) -> Vector:
    """Spacing as numbers of which a small difference is a small part."""
    return tuple(map(math.log, spacing)) if spacing else (-1e3, -1e3)


def _clusters(vectors: Sequence[Vector], tolerance: float) -> list[int]:
    """For each vector the number of the first one that it is near to in every coordinate."""
    firsts: list[tuple[int, Vector]] = []
    labels = []
    for index, vector in enumerate(vectors):
        near = (n for n, first in firsts if all(abs(a - b) <= tolerance for a, b in zip(vector, first, strict=True)))
        label = next(near, index)
        if label == index:
            firsts.append((index, vector))
        labels.append(label)
    return labels


def _tolerance(stack: Stack) -> float:
    return SAME_PLACE * min(stack[0].spacing or (1.0,))


def _places(stack: Stack) -> dict[int, Stack]:
    """Frames by the number of their place along the normal."""
    tolerance, found = _tolerance(stack), defaultdict(list)
    last, number = -float("inf"), -1
    for height, plane in sorted(zip(heights(stack), stack, strict=True), key=lambda pair: (pair[0], pair[1].order)):
        if height - last > tolerance:
            last, number = height, number + 1
        found[number].append(plane)
    return found


def _by_acquisition(stack: Stack) -> list[Stack]:
    """Acquisitions that overlap in space are volumes of their own; those that lie beside each other are one, as where
    each slice counts as an acquisition."""
    parts = _parts(stack, lambda plane: plane.marks[_ACQUISITION])
    if len(parts) < 2 or max(map(len, parts)) < 2:
        return [stack]
    normal = stack[0].normal
    ranges = sorted((min(h), max(h)) for h in ([_dot(normal, p.position) for p in part] for part in parts))
    tolerance = _tolerance(stack)
    overlap = any(after[0] < before[1] + tolerance for before, after in pairwise(ranges))
    return parts if overlap else [stack]


def _by_marks(stack: Stack) -> list[Stack]:
    """Split where places are shared, by the first mark that tells the frames at one place apart."""
    places = _places(stack)
    if len(places) == len(stack):
        return [stack]
    origins = dict(zip(map(id, stack), _origins(stack), strict=True))
    asked: list[Callable[[Plane], Mark]] = [lambda plane: origins[id(plane)]]
    asked += [_asking(index) for index in range(len(MARKS))]
    for ask in asked:
        if any(len({ask(plane) for plane in there}) > 1 for there in places.values()):
            return [part for split in _split(stack, places, ask) for part in _by_marks(split)]
    counts = Counter(map(len, places.values()))
    numbered = all(len({plane.number for plane in there}) == len(there) for there in places.values())
    if len(counts) == 1 and len(places) > 1 and numbered:  # repeated as a whole, and counted on
        return _by_rank(places, lambda plane: plane.number)
    return [stack]


def _asking(index: int) -> Callable[[Plane], Mark]:
    return lambda plane: plane.marks[index]


def _origins(stack: Stack) -> list[float]:
    """Which frames begin at the same point of their plane; a number for each such group."""
    first = stack[0]
    scale = SAME_ORIGIN * min(first.spacing or (1.0,))
    across, down = first.orientation[:3], first.orientation[3:]
    at = [(_dot(across, plane.position), _dot(down, plane.position)) for plane in stack]
    return [float(label) for label in _clusters(at, scale)]


def _split(stack: Stack, places: dict[int, Stack], ask: Callable[[Plane], Mark]) -> list[Stack]:
    """By value; by its rank at each place, where values are not shared by places (times of a trigger)."""
    parts = _parts(stack, ask)
    most = max(len({ask(plane) for plane in there}) for there in places.values())
    return parts if len(parts) <= most else _by_rank(places, ask)


def _parts(stack: Stack, ask: Callable[[Plane], Hashable]) -> list[Stack]:
    found: dict[Hashable, Stack] = defaultdict(list)
    for plane in stack:
        found[ask(plane)].append(plane)
    return [found[key] for key in sorted(found, key=_comparable)]


def _by_rank(places: dict[int, Stack], ask: Callable[[Plane], Hashable]) -> list[Stack]:
    found: dict[int, Stack] = defaultdict(list)
    for there in places.values():
        for rank, part in enumerate(_parts(there, ask)):
            found[rank] += part
    return [found[rank] for rank in sorted(found)]


def _comparable(value: object) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))
