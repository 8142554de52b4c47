"""The fast ways to find neighbours, against plain ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.corpus.audit.alignment import SIDE, equalised, oriented, score
from gmssl.corpus.audit.descriptors import Described, describe
from gmssl.corpus.audit.hashes import BITS, compare_hashes, hashes_of
from gmssl.corpus.audit.neighbours import compare, nothing_yet
from gmssl.corpus.audit.squares import square
from tests.corpus.audit.copies import drawn

SQUARES = np.stack([square(drawn(seed)) for seed in range(40)])


@given(st.integers(0, 2**32))
def test_hashes_are_those_of_plain_counting(seed: int) -> None:
    generator = np.random.default_rng(seed)
    stored = generator.integers(0, 2**64, 30, dtype=np.uint64)
    flips = generator.integers(0, 64, (5, 8, 12), dtype=np.uint64)
    test = stored[generator.integers(0, 30, (5, 8))]
    for k in range(generator.integers(0, 12)):
        test = test ^ (np.uint64(1) << flips[..., k])
    groups = generator.integers(0, 4, 5), generator.integers(0, 4, 30)
    found = compare_hashes(test, stored, groups, 30)
    bits = np.bitwise_count(test[:, :, None] ^ stored[None, None]).min(axis=1)
    expected = (bits <= BITS) & (groups[0][:, None] != groups[1])
    for i in range(5):
        kept = found.rows[i] >= 0
        assert set(found.rows[i][kept].tolist()) == set(np.flatnonzero(expected[i]).tolist())
        assert np.allclose(found.values[i][kept], 1 - bits[i, found.rows[i][kept]] / 64)
        ways = found.ways[i][kept]
        assert (np.bitwise_count(test[i, ways] ^ stored[found.rows[i][kept]]) == bits[i, found.rows[i][kept]]).all()


@pytest.mark.parametrize("orientation", range(8))
def test_each_orientation_is_found_and_named(orientation: int) -> None:
    """`ways` says how the test image has to be turned to lie as the stored one does."""
    stored = np.stack([oriented(one, orientation) for one in SQUARES])
    fine, coarse = nothing_yet(40, 2), nothing_yet(40, 2)
    groups = np.arange(40), np.arange(40, 80)
    for first in (0, 20):  # in two blocks
        part = describe(stored[first : first + 20])
        compare(describe(SQUARES), part, first, (groups[0], groups[1][first : first + 20]), fine, coarse)
    for lists in (fine, coarse):
        best = lists.values.argmax(axis=1)
        at = np.arange(40), best
        assert lists.rows[at].tolist() == list(range(40))
        assert set(lists.ways[at].tolist()) == {orientation}
        assert np.allclose(lists.values[at], 1, atol=1e-4)


def test_cosines_are_those_of_images_that_were_turned() -> None:
    described = describe(SQUARES)
    lists = nothing_yet(40, 40)
    zeros = np.zeros(40, np.int64)
    compare(described, described, 0, (zeros, zeros + 1), lists, nothing_yet(40, 1))
    turned = [describe(np.stack([oriented(one, way) for one in SQUARES])).fine for way in range(8)]
    expected = np.max([abs(one @ described.fine.T) for one in turned], axis=0)
    found = np.zeros((40, 40), np.float32)
    np.put_along_axis(found, lists.rows, lists.values, axis=1)
    assert np.allclose(found, expected, atol=1e-4)


def test_images_of_one_group_are_not_compared() -> None:
    described = describe(SQUARES)
    lists = nothing_yet(40, 3), nothing_yet(40, 3)
    groups = np.arange(40) // 2
    compare(described, described, 0, (groups, groups), *lists)
    for one in lists:
        assert (groups[one.rows] != groups[:, None]).all()


def test_hashes_of_orientations_are_those_of_turned_images() -> None:
    from PIL import Image

    image = drawn(5)
    hashes = hashes_of(image)
    for way in range(8):
        turned = Image.fromarray(oriented(np.asarray(image), way))
        assert int(hashes_of(turned)[0]) == int(hashes[way])


@given(st.integers(0, 39), st.floats(0.5, 2), st.integers(0, 60))
def test_greys_hardly_count(number: int, gamma: float, lift: int) -> None:
    image = SQUARES[number]
    changed = (lift + (255 - lift) * (image / 255) ** gamma).astype(np.uint8)
    assert abs(equalised(image) - equalised(changed)).mean() < 0.15
    assert score(changed, image, np.array([0.5, 1, 0.5, 1])) > 0.75


@given(st.integers(0, 39), st.integers(0, 39))
def test_strangers_score_low_and_copies_high(one: int, other: int) -> None:
    start = np.array([0.5, 1.0, 0.5, 1.0])
    found = score(SQUARES[one], SQUARES[other], start)
    assert (found > 0.9) if one == other else (found < 0.72)


def test_a_shift_is_found() -> None:
    wide = np.asarray(drawn(3, 160).resize((80, 80)))
    one, other = wide[4 : 4 + SIDE, 6 : 6 + SIDE], wide[6 : 6 + SIDE, 3 : 3 + SIDE]
    start = np.array([0.5, 1.0, 0.5, 1.0])
    assert score(np.ascontiguousarray(one), np.ascontiguousarray(other), start) > 0.9
    assert np.allclose(start, [0.5 - 2 / SIDE, 1, 0.5 + 3 / SIDE, 1], atol=0.01)


def test_images_without_content_are_like_none() -> None:
    flat = np.full((SIDE, SIDE), 7, np.uint8)
    assert score(flat, flat, np.array([0.5, 1.0, 0.5, 1.0])) == 0
    assert score(SQUARES[0], flat, np.array([0.5, 1.0, 0.5, 1.0])) == 0
    assert np.isfinite(describe(flat[None]).whole).all()
    assert isinstance(describe(SQUARES[:1]), Described)
