"""For each test image the stored images that look most like it, whichever way round and however they are cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numba
import numpy as np

from gmssl.corpus.audit.descriptors import PLACES, Described, turned
from gmssl.corpus.audit.threads import in_threads

TURNED = 4
"""Added to an orientation: rows and columns are exchanged before they are mirrored."""


@dataclass(eq=False)
class Nearest:
    """The K most alike of the stored images seen so far, for each of M test images, in no order.

    Attributes:
        values: `[M,K]` float32, absolute cosines; 0 where there is none yet.
        rows: `[M,K]` int64, which stored image; -1 where there is none yet.
        ways: `[M,K]` int64, how: orientation + 8 · negative + 16 · crop, see `gmssl.corpus.audit.candidates`.
    """

    values: np.ndarray
    rows: np.ndarray
    ways: np.ndarray

    def part(self, tests: slice) -> Nearest:
        """The lists of some of the test images, which share their memory."""
        return Nearest(self.values[tests], self.rows[tests], self.ways[tests])


def nothing_yet(images: int, neighbours: int) -> Nearest:
    """Lists for M test images to which nothing was compared."""
    shape = (images, neighbours)
    return Nearest(np.zeros(shape, np.float32), np.full(shape, -1, np.int64), np.zeros(shape, np.int64))


def compare(
    test: Described,
    stored: Described,
    first: int,
    groups: tuple[np.ndarray, np.ndarray],
    fine: Nearest,
    coarse: Nearest,
) -> None:
    """Take the stored images of a block into the lists.

    Args:
        test: all M test images.
        stored: N stored images, of which the first has the row `first`.
        first: its row.
        groups: int64 numbers of the test images `[M]` and of the block `[N]`; equal ones are not compared.
        fine: lists by greys.
        coarse: lists by equalised greys, crops included.
    """
    for left, right, way, lists in _passes(test, stored, fine, coarse):
        parts = left.shape[1] // 4
        right4 = np.ascontiguousarray(right.reshape(len(right), 4, parts).transpose(1, 2, 0))
        in_threads(partial(_some, left, right4, first, way, groups, lists), range(0, len(left), _ROWS))


def _some(
    left: np.ndarray,
    right4: np.ndarray,
    first: int,
    way: int,
    groups: tuple[np.ndarray, np.ndarray],
    lists: Nearest,
    begin: int,
) -> None:
    """What `compare` does for the test images from `begin` on."""
    rows = slice(begin, begin + _ROWS)
    left4 = np.ascontiguousarray(left[rows].reshape(-1, 4, right4.shape[1]).transpose(1, 0, 2))
    found = lists.values[rows], lists.rows[rows], lists.ways[rows]
    _take(np.matmul(left4, right4), first, way, groups[0][rows], groups[1], *found)


_ROWS = 256


def _passes(
    test: Described, stored: Described, fine: Nearest, coarse: Nearest
) -> Iterator[tuple[np.ndarray, np.ndarray, int, Nearest]]:
    """Descriptors of test and stored images that are compared, how these look alike, and the lists they go to."""
    yield test.fine, stored.fine, 0, fine
    yield turned(test.fine), stored.fine, TURNED, fine
    yield test.whole, stored.whole, 0, coarse
    yield turned(test.whole), stored.whole, TURNED, coarse
    for number in range(len(PLACES)):
        yield test.whole, stored.crops[number], 16 * (1 + number), coarse
        yield test.crops[number], stored.whole, 16 * (1 + number + len(PLACES)), coarse


@numba.njit(cache=True, fastmath=True, nogil=True)
def _take(
    products: np.ndarray,
    first: int,
    way: int,
    test_groups: np.ndarray,
    stored_groups: np.ndarray,
    values: np.ndarray,
    rows: np.ndarray,
    ways: np.ndarray,
) -> None:
    """Take products `[4,M,N]` of the four parities into lists `[M,K]`."""
    count = products.shape[2]
    for i in range(products.shape[1]):
        best = np.empty(count, np.float32)
        for j in range(count):
            a, b, c, d = products[0, i, j], products[1, i, j], products[2, i, j], products[3, i, j]
            best[j] = max(abs(a + d) + abs(b + c), abs(a - d) + abs(b - c))
        worst = values[i].argmin()
        for j in range(count):
            if best[j] <= values[i, worst] or test_groups[i] == stored_groups[j]:
                continue
            a, b, c, d = products[0, i, j], products[1, i, j], products[2, i, j], products[3, i, j]
            worst = insert(values[i], rows[i], ways[i], best[j], first + j, way + _orientation(a, b, c, d))


@numba.njit(cache=True, nogil=True)
def insert(
    values: np.ndarray, rows: np.ndarray, ways: np.ndarray, value: float | np.floating, row: int, way: int
) -> int:
    """Take a stored image into a list `[K]` whose least value is below its own, and say which place is the least then.

    It takes the place of what the list holds of the same image, if that is less, or else of the least.
    """
    place = int(values.argmin())
    for k in range(len(values)):
        if rows[k] == row:
            place = k
    if value > values[place]:
        values[place], rows[place], ways[place] = value, row, way
    return int(values.argmin())


@numba.njit(cache=True)
def _orientation(a: float, b: float, c: float, d: float) -> int:
    """Which of the four orientations, + 8 for a negative, has the largest product."""
    sums = (a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d)
    best = 0
    for k in range(1, 4):
        if abs(sums[k]) > abs(sums[best]):
            best = k
    return best + (8 if sums[best] < 0 else 0)
