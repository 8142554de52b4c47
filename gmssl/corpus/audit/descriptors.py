"""Numbers that are alike for copies: low frequencies of small squares, whole and cut, whichever way round they are.

The cosine transform makes mirroring cheap. Frequencies that are odd along an axis change their sign, so that the
inner products of a test image in four orientations are sums and differences of the same four partial ones.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from gmssl.corpus.audit.alignment import SIDE, equalised_all

CUT = 0.9
"""Side of the crops that are looked for, as a share of the image; others are near enough to one of them."""
PLACES = tuple((y, x) for y in (0.0, 0.5, 1.0) for x in (0.0, 0.5, 1.0))
"""Where the crops lie in the room that is left, from top and left (0) to bottom and right (1)."""
WHOLE, FINE = 8, 12
"""Frequencies along each axis: of equalised greys, which survive crops, and of greys as they are, which tell more."""


@dataclass(frozen=True)
class Described:
    """Descriptors of N images; each is of length 1 and has its four parities of frequencies one after the other.

    Attributes:
        fine: `[N,144]` float32 of the greys.
        whole: `[N,64]` float32 of the equalised greys.
        crops: `[9,N,64]` float32 of the crops at `PLACES`.
    """

    fine: np.ndarray
    whole: np.ndarray
    crops: np.ndarray


def describe(squares: np.ndarray) -> Described:
    """Descriptors of uint8 squares `[N,64,64]`."""
    greys = squares.reshape(len(squares), -1).astype(np.float32)
    fine = _directions(greys, _transform(FINE, None))
    equal = equalised_all(squares).reshape(len(squares), -1)
    whole = _directions(equal, _transform(WHOLE, None))
    return Described(fine, whole, np.stack([_directions(equal, _transform(WHOLE, place)) for place in PLACES]))


def turned(descriptors: np.ndarray) -> np.ndarray:
    """Descriptors `[...,F²]` of the same images with rows and columns exchanged."""
    frequencies = round(descriptors.shape[-1] ** 0.5)
    order = _order(frequencies)
    rows, columns = np.divmod(order, frequencies)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return np.ascontiguousarray(descriptors[..., place[columns * frequencies + rows]])


def _directions(images: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Images `[N,P]` transformed and scaled to length 1; one without content stays near 0."""
    found = images @ transform
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-3)


@functools.cache
def _transform(frequencies: int, place: tuple[float, float] | None) -> np.ndarray:
    """Columns take one frequency each out of a square, or out of a crop of it, `[4096,F²]` float32.

    Frequencies are weighted by their height, as those of pictures fall about so; the mean does not count.
    """
    k, n = np.arange(frequencies)[:, None], np.arange(SIDE)[None]
    cosines = np.cos(np.pi * k * (2 * n + 1) / (2 * SIDE)) * np.sqrt(np.where(k == 0, 1, 2) / SIDE)
    rows, columns = (cosines, cosines) if place is None else (cosines @ _cut(part) for part in place)
    weight = np.hypot(k, k.T)
    found = np.einsum("ui,vj,uv->ijuv", rows, columns, weight).reshape(SIDE * SIDE, -1)
    return np.ascontiguousarray(found[:, _order(frequencies)], dtype=np.float32)


def _cut(part: float) -> np.ndarray:
    """Takes `SIDE` evenly spread values out of a stretch of the share `CUT` of a row of them, `[64,64]`."""
    at = np.clip(part * (1 - CUT) * SIDE + (np.arange(SIDE) + 0.5) * CUT - 0.5, 0, SIDE - 1)
    left = np.minimum(at.astype(int), SIDE - 2)
    found = np.zeros((SIDE, SIDE))
    found[np.arange(SIDE), left] = left + 1 - at
    found[np.arange(SIDE), left + 1] = at - left
    return found


@functools.cache
def _order(frequencies: int) -> np.ndarray:
    """Numbers of the frequencies (row · F + column), by parity: even even, even odd, odd even, odd odd."""
    rows, columns = np.divmod(np.arange(frequencies**2), frequencies)
    return np.argsort((rows % 2) * 2 + columns % 2, kind="stable")
