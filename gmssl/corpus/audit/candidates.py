"""Pairs that may be copies, and how each lies on the other; they are judged here, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmssl.corpus.audit.alignment import scores
from gmssl.corpus.audit.descriptors import CUT, PLACES
from gmssl.corpus.audit.neighbours import Nearest
from gmssl.corpus.audit.threads import in_threads
from gmssl.evaluation.progress import Advance

ORIENTATIONS, NEGATIVE, CROPS = 8, 8, 16
"""A way of looking alike is an orientation 0…7, + 8 for a negative, + 16 · crop."""
_EACH = 256


@dataclass(frozen=True, eq=False)
class Candidates:
    """P pairs, sorted by test image and stored image; a pair may stand there in several ways.

    Attributes:
        test, stored: numbers of the images `[P]` int64.
        ways: `[P]` int64.
    """

    test: np.ndarray
    stored: np.ndarray
    ways: np.ndarray


def candidates(lists: Sequence[Nearest]) -> Candidates:
    """The pairs of lists of neighbours, each way once."""
    found = []
    for one in lists:
        test, place = np.nonzero(one.rows >= 0)
        found.append(np.stack([test, one.rows[test, place], one.ways[test, place]], axis=1))
    distinct = np.unique(np.concatenate(found), axis=0)
    return Candidates(distinct[:, 0], distinct[:, 1], distinct[:, 2])


def judged(
    pairs: Candidates,
    test: np.ndarray,
    stored: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    threshold: float,
    advance: Advance,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs that are copies.

    Args:
        pairs: numbers that `rows` translate to those of squares.
        test, stored: squares of all images, `[M,64,64]` and `[N,64,64]` uint8.
        rows: which squares the numbers of test and stored images are.
        threshold: the least score of a copy.
        advance: called for every block.

    Returns:
        numbers of test images and of stored images, int64, and their scores, float32; each pair once.
    """
    found = np.zeros(len(pairs.test), np.float32)

    def some(begin: int) -> None:
        part = slice(begin, begin + _EACH)
        ways = pairs.ways[part]
        starts = np.stack([_start(int(way)) for way in ways])
        lying = test[rows[0][pairs.test[part]]], stored[rows[1][pairs.stored[part]]]
        found[part] = scores(*lying, ways % CROPS, starts)

    for begin in range(0, len(found), 16 * _EACH):
        end = min(begin + 16 * _EACH, len(found))
        in_threads(some, range(begin, end, _EACH))
        advance(end - begin)
    return _best(pairs, found, threshold)


def _best(pairs: Candidates, found: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each pair once, with the score of its best way."""
    order = np.lexsort((-found, pairs.stored, pairs.test))
    test, stored, found = pairs.test[order], pairs.stored[order], found[order]
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(test) != 0) | (np.diff(stored) != 0)
    kept = first & (found >= threshold)
    return test[kept], stored[kept], found[kept]


def _start(way: int) -> np.ndarray:
    """Where a test image lies in a stored one, see `alignment.score`, as far as the way tells it; `[4]` float64."""
    crop, orientation = way // CROPS, way % ORIENTATIONS
    if crop == 0:
        return np.array([0.5, 1.0, 0.5, 1.0])
    if crop <= len(PLACES):  # the test image is a crop of the stored one
        return np.array([part for at in PLACES[crop - 1] for part in (at * (1 - CUT) + CUT / 2, CUT)])
    # The stored image is a crop of the test image as it was before it was turned.
    y, x = PLACES[crop - 1 - len(PLACES)]
    if orientation & 4:
        y, x = x, y
    y, x = (1 - y if orientation & 2 else y), (1 - x if orientation & 1 else x)
    return np.array([part for at in (y, x) for part in ((0.5 - at * (1 - CUT)) / CUT, 1 / CUT)])
