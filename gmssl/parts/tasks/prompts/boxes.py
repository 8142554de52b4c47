"""Boxes that prompt: tight ones around what is annotated, on the grid of the network, grown by noise.

Coordinates are x1, y1, x2, y2 in pixels of the network's image; whole numbers are centres of pixels, as SAM has them,
so that the tight box of a single pixel has no extent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeAlias

from gmssl.lazy import numpy
from gmssl.parts.tasks.masks.fitting import Fitted

Box: TypeAlias = tuple[float, float, float, float]
By: TypeAlias = Literal["class", "component"]

PUBLISHED_SIDE = 1024
"""Side of the images whose pixels noise is told in, whatever the side of the network's images."""


def regions(mask: numpy.ndarray, by: By) -> list[numpy.ndarray]:
    """What gets a box of its own in the mask `[h,w]` of a class: all of it, or each piece that hangs together.

    Pixels that touch at a corner hang together. The mask of a class that is not there has no region.
    """
    if not mask.any():
        return []
    if by == "class":
        return [mask]
    from scipy import ndimage

    labels, count = ndimage.label(mask, structure=numpy.ones((3, 3), dtype=int))
    return [labels == number for number in range(1, count + 1)]


def tight(region: numpy.ndarray, place: Fitted) -> Box:
    """The smallest box around a region `[h,w]` of an image, on the grid of the network."""
    columns, rows = (numpy.flatnonzero(region.any(axis)) for axis in (0, 1))
    (height, width), (inner_height, inner_width), (top, left) = place.own, place.inner, place.corner
    x1, x2 = _scaled(columns[0], columns[-1], inner_width / width)
    y1, y2 = _scaled(rows[0], rows[-1], inner_height / height)
    return left + x1, top + y1, left + x2, top + y2


def _scaled(first: int, last: int, scale: float) -> tuple[float, float]:
    """Centres of the outermost pixels on the new grid: edges are scaled, and centres lie half a pixel within."""
    low, high = float(first) * scale, (float(last) + 1) * scale - 1
    middle = (low + high) / 2
    return min(low, middle), max(high, middle)  # what is narrower than a new pixel has no extent


def sampled(region: numpy.ndarray, place: Fitted, side: int) -> numpy.ndarray:
    """A region `[h,w]` at the centres of the cells of a coarser grid `[side,side]` over the network's image."""
    chosen = []
    for own, inner, corner in zip(place.own, place.inner, place.corner, strict=True):
        centres = (numpy.arange(side) + 0.5) * (place.side / side)
        chosen.append(numpy.floor((centres - corner) * (own / inner)).astype(int))
    rows, columns = chosen
    inside = numpy.outer((rows >= 0) & (rows < place.own[0]), (columns >= 0) & (columns < place.own[1]))
    rows, columns = (at.clip(0, length - 1) for at, length in zip(chosen, place.own, strict=True))
    return region[rows][:, columns] & inside


def grown(box: Box, side: int, jitter: int, generator: numpy.random.Generator) -> Box:
    """The box with each side moved outwards by a number of pixels of its own, and cut off at the image's border.

    The numbers are whole and uniform in 0 … jitter, in pixels of an image of 1024 × 1024 (MedSAM: 20); they are
    scaled with the side of the image.
    """
    left, top, right, bottom = generator.integers(0, jitter, size=4, endpoint=True) * (side / PUBLISHED_SIDE)
    x1, y1, x2, y2 = box
    most = side - 1.0
    return max(0.0, x1 - left), max(0.0, y1 - top), min(most, x2 + right), min(most, y2 + bottom)


def of_case(name: str) -> numpy.random.Generator:
    """Randomness that belongs to a case: the same in every run, split and order of cases."""
    return numpy.random.default_rng(numpy.frombuffer(hashlib.sha256(name.encode()).digest(), dtype=numpy.uint32))


def for_tests(boxes: Sequence[Box], name: str, side: int, jitter: int) -> list[Box]:
    """The boxes of a case as they are in every test."""
    generator = of_case(name)
    return [grown(box, side, jitter, generator) for box in boxes]
