"""The audit: exact copies by their digests, near ones by hashes and descriptors and a close look, shared ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmssl.corpus.audit.candidates import candidates, judged
from gmssl.corpus.audit.descriptors import Described, describe
from gmssl.corpus.audit.encoded import Encoded
from gmssl.corpus.audit.findings import (
    EXACT,
    NEAR,
    Audit,
    Comparison,
    Pair,
    comparable,
    shared_ids,
    sorted_pairs,
)
from gmssl.corpus.audit.hashes import compare_hashes
from gmssl.corpus.audit.neighbours import Nearest, compare, nothing_yet
from gmssl.corpus.audit.sides import UNKNOWN, Side
from gmssl.corpus.audit.squares import Squares, squares_of
from gmssl.evaluation.encoders import FrozenEncoder
from gmssl.evaluation.progress import Stages

THRESHOLD = 0.75
"""Least score of a near copy: hardly any two images of different patients come as far, see docs/audit.md."""
NEIGHBOURS = 8
"""How many stored images are looked at for each test image and way to find them; by greys and by hash, half as many."""
_TESTS, _STORED = 8192, 2048


@dataclass(frozen=True, eq=False)
class Looked:
    """A side, its squares, and which of its images are looked at: the first of each digest, unless it is of one grey.

    Attributes:
        side: the images.
        squares: of all of them.
        rows: `[U]` int64, images that are looked at.
        copies: images of each digest.
        blank: images that are of one grey.
    """

    side: Side
    squares: Squares
    rows: np.ndarray
    copies: dict[bytes, list[int]]
    blank: int


def audit(
    store: Side,
    tests: Sequence[Side],
    folder: Path,
    stages: Stages | None = None,
    encoder: FrozenEncoder | None = None,
    threshold: float = THRESHOLD,
    neighbours: int = NEIGHBOURS,
) -> Audit:
    """Search a store, or any list of images, for copies of test images.

    Args:
        store: what is searched.
        tests: what is searched for; without any, the store is searched for copies of its own images.
        folder: where files of some gigabytes may lie for a while.
        stages: shows the progress; None shows nothing.
        encoder: its nearest neighbours are looked at, too.
        threshold: least score of a near copy.
        neighbours: how many stored images are looked at for each test image and way to find them.
    """
    stages = stages or Stages()
    with ExitStack() as stack:
        searched = _look(store, not tests, folder, stages, stack)
        comparisons = []
        for test in tests or (store,):
            within = test is store
            looked = searched if within else _look(test, True, folder, stages, stack)
            pairs = [*_exact(searched, looked, within)]
            pairs += _near(searched, looked, within, stages, encoder, threshold, neighbours)
            shared = shared_ids(store, test, within)
            ids = comparable(store, test)
            unreadable = looked.squares.unreadable
            comparisons.append(Comparison(test, within, sorted_pairs(pairs), shared, ids, unreadable, looked.blank))
        digests = searched.squares.digests
        return Audit(store, digests, searched.squares.unreadable, tuple(comparisons), threshold)


def _look(side: Side, orientations: bool, folder: Path, stages: Stages, stack: ExitStack) -> Looked:
    with stages.stage(f"open {side.name}", len(side), "images") as advance:
        squares = stack.enter_context(squares_of(side, orientations, folder, advance))
    blank = {squares.digests[row] for row in squares.unique if np.ptp(squares.squares[row]) == 0}
    rows = np.array([row for row in squares.unique if squares.digests[row] not in blank], dtype=np.int64)
    copies: defaultdict[bytes, list[int]] = defaultdict(list)
    blanks = 0
    for image, digest in enumerate(squares.digests.tolist()):
        if digest in blank:
            blanks += 1
        elif digest:
            copies[digest].append(image)
    return Looked(side, squares, rows, dict(copies), blanks)


def _exact(searched: Looked, looked: Looked, within: bool) -> Iterator[Pair]:
    """Images with the same pixels; within a store, all but the first of each, unless they are of one volume."""
    volume = searched.side.volume.numbers
    for digest, images in looked.copies.items():
        stored = searched.copies.get(digest)
        if stored is None:
            continue
        for image in images:
            if within and (image == stored[0] or volume[image] == volume[stored[0]] != UNKNOWN):
                continue
            yield Pair(EXACT, 1.0, stored[0], len(stored), image, digest.decode(), digest.decode())


def _near(
    searched: Looked,
    looked: Looked,
    within: bool,
    stages: Stages,
    encoder: FrozenEncoder | None,
    threshold: float,
    neighbours: int,
) -> Iterator[Pair]:
    """Images that are copies but for their bytes."""
    if not len(searched.rows) or not len(looked.rows):
        return
    groups = _volumes(looked) if within else _digests(looked, searched)
    lists = _nearest(searched, looked, groups, stages, neighbours)
    if encoder is not None:
        with Encoded(encoder, searched.side.images, searched.rows, stages) as encoded:
            lists.append(encoded.nearest(looked.side.images, looked.rows, groups, neighbours))
    pairs = candidates(lists)
    with stages.stage("look closely", len(pairs.test), "pairs") as advance:
        both = (looked.squares.squares, searched.squares.squares)
        tests, stored, scores = judged(pairs, *both, (looked.rows, searched.rows), threshold, advance)
    best: dict[tuple[int, int], float] = {}
    for test, row, score in zip(
        looked.rows[tests].tolist(), searched.rows[stored].tolist(), scores.tolist(), strict=True
    ):
        both_ways = (max(test, row), min(test, row)) if within else (test, row)
        best[both_ways] = max(best.get(both_ways, 0.0), score)
    for (test, row), score in best.items():
        yield from _pairs(searched, looked, row, test, score)


def _pairs(searched: Looked, looked: Looked, row: int, test: int, score: float) -> Iterable[Pair]:
    digest, test_digest = searched.squares.digests[row], looked.squares.digests[test]
    copies = len(searched.copies[digest])
    for image in looked.copies[test_digest]:
        yield Pair(NEAR, score, row, copies, image, digest.decode(), test_digest.decode())


def _nearest(
    searched: Looked, looked: Looked, groups: tuple[np.ndarray, np.ndarray], stages: Stages, neighbours: int
) -> list[Nearest]:
    """Stored images that look like each test image; numbers count the images that are looked at."""
    few = max(1, neighbours // 2)
    count, total = len(looked.rows), len(searched.rows)
    with stages.stage("compare hashes", count, "images"):
        hashes = looked.squares.hashes[looked.rows], searched.squares.hashes[searched.rows, 0]
        lists = [compare_hashes(*hashes, groups, few)]
    fine, coarse = nothing_yet(count, few), nothing_yet(count, neighbours)
    with stages.stage("compare shapes", -(-count // _TESTS) * total, "images") as advance:
        for begin in range(0, count, _TESTS):
            part = slice(begin, begin + _TESTS)
            test = _described(looked, part)
            for first in range(0, total, _STORED):
                block = slice(first, first + _STORED)
                stored = _described(searched, block)
                compare(test, stored, first, (groups[0][part], groups[1][block]), fine.part(part), coarse.part(part))
                advance(len(stored.whole))
    return [*lists, fine, coarse]


def _described(looked: Looked, part: slice) -> Described:
    return describe(np.asarray(looked.squares.squares[looked.rows[part]]))


def _volumes(looked: Looked) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of volumes; an image of no volume is one of its own."""
    numbers = looked.side.volume.numbers[looked.rows]
    alone = numbers == UNKNOWN
    numbers = np.where(alone, -2 - np.arange(len(numbers)), numbers)
    return numbers, numbers


def _digests(looked: Looked, searched: Looked) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of digests, the same on both sides."""
    both = np.concatenate([looked.squares.digests[looked.rows], searched.squares.digests[searched.rows]])
    numbers = np.unique(both, return_inverse=True)[1].astype(np.int64)
    return numbers[: len(looked.rows)], numbers[len(looked.rows) :]
