"""Perceptual hashes: for each test image the stored images whose 64 bits differ least, in eight orientations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numba
import numpy as np

from gmssl.corpus.audit.neighbours import Nearest, insert
from gmssl.corpus.audit.threads import in_threads
from gmssl.corpus.grey import perceptual_hash

if TYPE_CHECKING:
    from PIL import Image

BITS = 10
"""Hashes that differ in more bits belong to different images: a copy differs in fewer, if it is not cut."""
ORIENTATIONS = 8
_ROWS = 64


def hashes_of(image: Image.Image) -> np.ndarray:
    """Perceptual hashes of a grey image in each orientation of `alignment.oriented`, `[8]` uint64."""
    from PIL import Image

    small = np.asarray(image.resize((32, 32), Image.Resampling.BOX))
    found = []
    for turned in (small, small.T):
        for way in range(4):
            rows = turned[::-1] if way & 2 else turned
            found.append(perceptual_hash(Image.fromarray(np.ascontiguousarray(rows[:, ::-1] if way & 1 else rows))))
    return np.array(found, dtype=np.uint64)


def compare_hashes(
    test: np.ndarray, stored: np.ndarray, groups: tuple[np.ndarray, np.ndarray], neighbours: int
) -> Nearest:
    """The stored images whose hashes differ in `BITS` bits at most, the nearest of them.

    Args:
        test: `[M,8]` uint64.
        stored: `[N]` uint64.
        groups: int64 numbers of the images `[M]` and `[N]`; images of the same number are not compared.
        neighbours: K, how many are kept for a test image.

    Returns:
        lists whose values are 1 - bits / 64.
    """
    shape = (len(test), neighbours)
    found = Nearest(
        np.full(shape, 1 - (BITS + 1) / 64, np.float32), np.full(shape, -1, np.int64), np.zeros(shape, np.int64)
    )
    in_threads(partial(_some, test, stored, groups, found), range(0, len(test), _ROWS))
    return found


def _some(
    test: np.ndarray, stored: np.ndarray, groups: tuple[np.ndarray, np.ndarray], found: Nearest, begin: int
) -> None:
    rows = slice(begin, begin + _ROWS)
    _take(test[rows], stored, groups[0][rows], groups[1], found.values[rows], found.rows[rows], found.ways[rows])


@numba.njit(cache=True, nogil=True)
def _take(
    test: np.ndarray,
    stored: np.ndarray,
    test_groups: np.ndarray,
    stored_groups: np.ndarray,
    values: np.ndarray,
    rows: np.ndarray,
    ways: np.ndarray,
) -> None:
    for i in range(len(test)):
        for way in range(test.shape[1]):
            asked = test[i, way]
            worst = values[i].argmin()
            for j in range(len(stored)):
                value = np.float32(1 - _bits(asked ^ stored[j]) / 64)
                if value <= values[i, worst] or test_groups[i] == stored_groups[j]:
                    continue
                worst = insert(values[i], rows[i], ways[i], value, j, way)


@numba.njit(cache=True, nogil=True, inline="always")
def _bits(word: np.uint64) -> np.uint64:
    """How many bits of a word are set: pairs, fours and eights of bits are summed side by side."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)
