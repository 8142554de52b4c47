"""Balances: counts are exact, nothing is lost, everybody takes turns, and only (seed, epoch) decides."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.balance import Balance, Groups, Order
from gmssl.interfaces.registry import part
from gmssl.interfaces.views import Draw
from gmssl.parts.data.balances import apportioned, stratified

seeds = st.integers(0, 2**32 - 1)


@st.composite
def grouped(draw: st.DrawFn) -> Groups:
    """Up to five groups of one to thirty images, in any order."""
    sizes = draw(st.lists(st.integers(1, 30), min_size=1, max_size=5))
    of = draw(st.permutations([group for group, size in enumerate(sizes) for _ in range(size)]))
    return Groups(tuple("abcde"[: len(sizes)]), np.array(of, dtype=np.int32))


def weights(groups: Groups) -> st.SearchStrategy[Balance]:
    given_ones = st.lists(st.integers(0, 9), min_size=len(groups.names), max_size=len(groups.names)).filter(any)
    named = given_ones.map(lambda numbers: {"rule": "given", "given": dict(zip(groups.names, numbers, strict=True))})
    return st.builds(
        lambda rule, images: part("balance", "weights", **rule, images=images),
        st.sampled_from([{"rule": "equal"}, {"rule": "square_root"}]) | named,
        st.none() | st.integers(1, 90),
    )


duplicates = st.builds(
    lambda to, most: part("balance", "duplicates", to=to, most=most),
    st.floats(0.01, 1),
    st.none() | st.integers(1, 4),
)


def balances(groups: Groups) -> st.SearchStrategy[Balance]:
    return st.just(part("balance", "none")) | weights(groups) | duplicates


def counted(order: Order, groups: Groups) -> list[int]:
    return np.bincount(groups.of[order.index], minlength=len(groups.names)).tolist()


@given(st.data(), grouped(), seeds, st.integers(0, 200))
def test_an_epoch_is_a_function_of_seed_and_epoch(data: st.DataObject, groups: Groups, seed: int, epoch: int) -> None:
    balance = data.draw(balances(groups))
    length = data.draw(st.integers(1, balance.length(groups)))
    order, again = (pickle.loads(pickle.dumps(balance)).epoch(groups, length, seed, epoch) for _ in range(2))
    assert np.array_equal(order.index, again.index)
    assert np.array_equal(order.copy, again.copy)
    assert len(order.index) == len(order.copy) == length
    assert order.index.dtype == order.copy.dtype == np.int64
    assert set(order.index.tolist()) <= set(range(len(groups.of)))


@given(st.data(), grouped(), seeds, st.integers(0, 200))
def test_copies_are_numbered_as_they_come(data: st.DataObject, groups: Groups, seed: int, epoch: int) -> None:
    balance = data.draw(balances(groups))
    order = balance.epoch(groups, data.draw(st.integers(1, balance.length(groups))), seed, epoch)
    seen: Counter[int] = Counter()
    for index, copy in zip(order.index.tolist(), order.copy.tolist(), strict=True):
        assert copy == seen[index]
        seen[index] += 1


@given(grouped(), st.just(part("balance", "none")) | duplicates, seeds, st.integers(0, 9))
def test_no_image_is_lost(groups: Groups, balance: Balance, seed: int, epoch: int) -> None:
    order = balance.epoch(groups, balance.length(groups), seed, epoch)
    assert sorted(order.index[order.copy == 0].tolist()) == list(range(len(groups.of)))


@given(grouped(), st.fractions(Fraction(1, 50), 1), st.none() | st.integers(1, 4), seeds)
def test_duplicates_bring_groups_to_a_size(groups: Groups, to: Fraction, most: int | None, seed: int) -> None:
    balance = part("balance", "duplicates", to=float(to), most=most)
    found = counted(balance.epoch(groups, balance.length(groups), seed, 0), groups)
    largest = max(groups.sizes)
    for size, number in zip(groups.sizes.tolist(), found, strict=True):
        allowed = math.inf if most is None else size * (1 + most)
        wanted = min(max(Fraction(size), to * int(largest)), allowed)
        assert abs(number - wanted) <= Fraction(1, 2) + Fraction(1, 10**6)
        assert number >= size


@given(st.data(), grouped(), seeds, st.integers(0, 9))
def test_shares_are_exact_up_to_rounding(data: st.DataObject, groups: Groups, seed: int, epoch: int) -> None:
    balance = data.draw(weights(groups))
    length = data.draw(st.integers(1, balance.length(groups)))  # as cut to whole steps
    sizes = groups.sizes.tolist()
    wanted = {
        "equal": [1.0] * len(sizes),
        "square_root": [math.sqrt(size) for size in sizes],
    }.get(balance.rule) or [balance.given[name] for name in groups.names]
    found = counted(balance.epoch(groups, length, seed, epoch), groups)
    assert sum(found) == length
    for number, share in zip(found, wanted, strict=True):
        assert abs(number - length * share / sum(wanted)) < 1 + 1e-9
        assert share or not number


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any), st.integers(0, 500))
def test_apportioned_numbers_are_within_one_of_their_shares(shares: list[int], total: int) -> None:
    counts = apportioned(np.array(shares, dtype=np.float64), total)
    assert counts.sum() == total
    assert all(abs(c - Fraction(total * s, sum(shares))) < 1 for c, s in zip(counts.tolist(), shares, strict=True))
    assert all(c == 0 for c, s in zip(counts.tolist(), shares, strict=True) if s == 0)


@given(st.data(), grouped(), seeds, st.integers(1, 6))
def test_every_image_comes_once_before_any_comes_twice(
    data: st.DataObject, groups: Groups, seed: int, epochs: int
) -> None:
    """In an epoch, and over the run: within a group, images have come equally often, or one of them once more."""
    balance = data.draw(weights(groups) | duplicates)
    seen: Counter[int] = Counter()
    for epoch in range(epochs):
        order = balance.epoch(groups, balance.length(groups), seed, epoch)
        for now in (Counter(order.index.tolist()), seen := seen + Counter(order.index.tolist())):
            for group in range(len(groups.names)):
                times = [now[index] for index in np.flatnonzero(groups.of == group).tolist()]
                assert max(times) - min(times) <= 1


@given(grouped(), seeds, st.integers(0, 9), st.data())
def test_groups_are_spread_over_an_epoch(groups: Groups, seed: int, epoch: int, data: st.DataObject) -> None:
    """Each beginning of an epoch has its share of each group, up to about one image of each other group."""
    counts = np.array([data.draw(st.integers(0, 40)) for _ in groups.names])
    order = stratified(groups, counts, seed, epoch)
    assert counted(order, groups) == counts.tolist()
    for stop in range(len(order.index) + 1):
        found = np.bincount(groups.of[order.index[:stop]], minlength=len(counts))
        assert np.all(np.abs(found - counts * stop / max(counts.sum(), 1)) <= max(1, len(counts) - 1) + 1e-9)


def test_epochs_and_seeds_differ() -> None:
    groups = Groups(("a", "b"), np.arange(60, dtype=np.int32) // 45)
    for kind in ("none", "weights", "duplicates"):
        balance = part("balance", kind)
        orders = {
            tuple(balance.epoch(groups, balance.length(groups), seed, epoch).index)
            for seed in range(3)
            for epoch in range(3)
        }
        # Without a balance, epoch e of seed s has been that of seed s + e before there were balances.
        assert len(orders) == (5 if kind == "none" else 9)


def test_neighbours_in_one_epoch_are_not_those_in_the_next() -> None:
    groups = Groups(("a", "b"), np.zeros(400, dtype=np.int32) + (np.arange(400) >= 200))
    balance = part("balance", "weights")
    pairs = []
    for epoch in range(2):
        index = balance.epoch(groups, 400, 0, epoch).index
        index = index[index < 200].tolist()
        pairs.append({frozenset(pair) for pair in pairwise(index)})
    assert len(pairs[0] & pairs[1]) < 10  # 2 of 199 by chance


def test_copies_of_an_image_are_rarely_in_one_batch() -> None:
    groups = Groups(("large", "small"), (np.arange(1000) >= 900).astype(np.int32))
    order = part("balance", "duplicates").epoch(groups, 1800, 0, 0)
    twice = [len(batch) - len(set(batch)) for batch in order.index[:1792].reshape(-1, 32).tolist()]
    assert sum(twice) < 25  # 67 if the epoch were shuffled as a whole: 16 of 100 images in a batch, in 56 batches


@pytest.mark.parametrize(
    ("given_ones", "said"),
    [
        ({"ct": 1, "mrt": 1}, r"no image has the modality 'mrt' \(did you mean 'mri'\?\); there are ct, mri"),
        ({"ct": 1}, "says nothing of the modality mri; give each a number, 0 to leave it out"),
    ],
)
def test_numbers_that_do_not_fit_the_groups(given_ones: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=rf"^balance\.given: .*{said}"):
        part("balance", "weights", rule="given", given=given_ones).length(Groups(("ct", "mri"), np.array([0, 1])))


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("weights", {"rule": "given", "given": {"ct": -1}}, "given.ct: .* greater than or equal to 0"),
        ("weights", {"rule": "given", "given": {"ct": math.nan}}, "given.ct: .* finite"),
        ("weights", {"rule": "given", "given": {"ct": 0}}, "rule `given` needs a number above 0"),
        ("weights", {"rule": "given"}, "rule `given` needs a number above 0"),
        ("weights", {"given": {"ct": 2}}, "rule 'equal' does not read `given`; set rule: given"),
        ("weights", {"rule": "cube_root"}, "'equal', 'square_root' or 'given'"),
        ("weights", {"by": "label"}, "'modality' or 'dataset'"),
        ("duplicates", {"to": 1.5}, "less than or equal to 1"),
        ("duplicates", {"crop": (0.95, 0.85)}, "a range of shares is"),
        ("duplicates", {"crop": (0.9, 1.1)}, "a range of shares is"),
    ],
)
def test_settings_are_checked(kind: str, settings: dict, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        part("balance", kind, **settings)


def test_a_copy_is_a_window_of_85_to_95_percent_of_the_area() -> None:
    """The corners of a picture that shows its coordinates tell which window of it a copy shows."""
    width, height = 240, 160
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    image = Image.fromarray(np.stack([across, down, 0 * down], axis=2).astype(np.uint8))
    balance = part("balance", "duplicates")
    shares, corners = [], set()
    for index in range(60):
        copy = balance.copied(image, Draw(1, 2, index, 1 + index % 3))
        assert (copy.size, copy.mode) == (image.size, image.mode)
        pixels = np.array(copy).astype(float)
        # The middles of two pixels far from the borders, where rounding to whole grey values matters little.
        x = (pixels[80, 220, 0] - pixels[80, 20, 0]) / 200
        y = (pixels[140, 100, 1] - pixels[20, 100, 1]) / 120
        assert x == pytest.approx(y, abs=0.015)
        shares.append(x * y)
        corners.add(tuple(pixels[0, 0]))
    assert 0.83 < min(shares) < 0.88
    assert 0.92 < max(shares) < 0.97
    assert len(corners) > 20


def test_copies_differ_and_are_drawn_from_all_four_numbers() -> None:
    image = Image.effect_noise((64, 48), 80)
    draws = [Draw(s, e, i, c) for s in range(2) for e in range(2) for i in range(2) for c in (1, 2)]
    copied = part("balance", "duplicates").copied
    assert len({copied(image, draw).tobytes() for draw in draws}) == 16
    assert copied(image, draws[5]).tobytes() == copied(image, draws[5]).tobytes()
    for kind in ("none", "weights"):
        assert part("balance", kind).copied(image, draws[0]) is image


@given(st.integers(1, 40), st.integers(1, 40), seeds, st.sampled_from(["L", "RGB"]))
def test_images_of_any_size_are_copied(width: int, height: int, seed: int, mode: str) -> None:
    grey = Image.new(mode, (width, height), 7 if mode == "L" else (7, 7, 7))
    copy = part("balance", "duplicates", crop=(0.01, 1.0)).copied(grey, Draw(seed, 0, 0, 1))
    assert copy.tobytes() == grey.tobytes()
