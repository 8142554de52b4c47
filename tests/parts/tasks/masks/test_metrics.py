"""Scores of masks against distance transforms of scipy, and means against numbers added up by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from gmssl.parts.tasks.masks.metrics import (
    COUNTS,
    MEASURES,
    beside_observer,
    by_class,
    measured,
    resampled,
    summary,
)

pytest.importorskip("monai")

flat = st.tuples(st.integers(1, 12), st.integers(1, 12))
solid = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))

shapes = st.one_of(flat, solid)


@st.composite
def pairs(draw, shapes=shapes):
    """Two masks of one shape, dense, sparse, empty and full ones, and the spacing of their cells."""
    shape = draw(shapes)
    masks = [
        draw(
            st.one_of(
                arrays.arrays(bool, shape, fill=st.just(False)),
                arrays.arrays(bool, shape),
                st.just(np.ones(shape, bool)),
            )
        )
        for _ in range(2)
    ]
    spacing = draw(st.one_of(st.none(), st.tuples(*[st.sampled_from([0.5, 0.7, 1.0, 3.0])] * len(shape))))
    return masks[0], masks[1], spacing


def edge(mask: np.ndarray) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask, border_value=0)


def distances(start: np.ndarray, end: np.ndarray, spacing) -> np.ndarray:
    return ndimage.distance_transform_edt(~edge(end), sampling=spacing)[edge(start)]


def slowly(predicted, truth, tolerance, spacing):
    """The definitions, by distance transforms of the whole image."""
    if not predicted.any() and not truth.any():
        return dict.fromkeys(MEASURES)
    both, either = (predicted & truth).sum(), (predicted | truth).sum()
    found = {"dice": 2 * both / (predicted.sum() + truth.sum()), "iou": both / either}
    if not predicted.any() or not truth.any():
        far = np.array(truth.shape) - 1
        return {**found, "hd95": float(np.linalg.norm(far * np.array(spacing or 1.0))), "surface_dice": 0.0}
    there, back = distances(predicted, truth, spacing), distances(truth, predicted, spacing)
    near = (there <= tolerance + 1e-6).sum() + (back <= tolerance + 1e-6).sum()
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return {**found, "hd95": hd95, "surface_dice": near / (len(there) + len(back))}


@given(pairs(), st.sampled_from([0.0, 1.0, 1.5, math.sqrt(2), 2.1]))
def test_measures_are_their_definitions(pair, tolerance) -> None:
    predicted, truth, spacing = pair
    found = measured(predicted, truth, tolerance, spacing)
    for name, value in slowly(predicted, truth, tolerance, spacing).items():
        assert found[name] == (None if value is None else pytest.approx(value, abs=1e-6, rel=1e-6)), name


@given(pairs())
def test_measures_do_not_depend_on_what_is_called_truth(pair) -> None:
    one, other, spacing = pair
    there, back = measured(one, other, 1.0, spacing), measured(other, one, 1.0, spacing)
    assert [there[name] for name in MEASURES] == [back[name] for name in MEASURES]


@given(pairs())
def test_overlap_alone_is_the_same_overlap(pair) -> None:
    predicted, truth, spacing = pair
    every, some = (measured(predicted, truth, 1.0, spacing, overlap=overlap) for overlap in (False, True))
    assert {name: some[name] for name in ("dice", "iou", *COUNTS)} == {
        name: every[name] for name in ("dice", "iou", *COUNTS)
    }
    assert some["hd95"] is some["surface_dice"] is None


@given(pairs(flat))
def test_libraries_agree_where_they_have_a_value(pair) -> None:
    """MONAI's own metrics, of which only the parts are used; its percentile is taken in float32."""
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    predicted, truth, spacing = pair
    if not predicted.any() or not truth.any():
        return
    ours, theirs = (torch.from_numpy(mask)[None, None] for mask in (predicted, truth))
    steps = [1.0, 1.0] if spacing is None else list(spacing)
    found = measured(predicted, truth, 1.0, spacing)
    hd95 = compute_hausdorff_distance(ours, theirs, include_background=True, percentile=95, spacing=steps)
    surface = compute_surface_dice(ours, theirs, [1.0], include_background=True, spacing=steps)
    assert found["hd95"] == pytest.approx(float(hd95), abs=1e-6, rel=1e-6)
    assert found["surface_dice"] == pytest.approx(float(surface), rel=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (9, 7), (3, 4, 5)])
def test_perfect_masks_are_perfect_and_empty_ones_are_none(shape) -> None:
    full, empty = np.ones(shape, bool), np.zeros(shape, bool)
    point = empty.copy()
    point[tuple(length // 2 for length in shape)] = True
    for mask in (full, point):
        found = measured(mask, mask, 0.0)
        assert [found[name] for name in MEASURES] == [1.0, 1.0, 0.0, 1.0]
    assert measured(empty, empty, 0.0) == {**dict.fromkeys(MEASURES), "both": 0, "predicted": 0, "true": 0}
    missed = measured(empty, point, 0.0)
    assert missed["dice"] == missed["iou"] == missed["surface_dice"] == 0.0
    assert missed["hd95"] == pytest.approx(math.dist(shape, [1] * len(shape)))


def test_cells_that_do_not_count_change_nothing() -> None:
    generator = np.random.default_rng(0)
    truth, predicted, other = (generator.integers(0, 3, (20, 20)) for _ in range(3))
    counted = generator.random((20, 20)) < 0.6
    found = by_class(predicted, truth, ["a", "b"], 1.0, counted=counted)
    changed = np.where(counted, predicted, other)
    assert by_class(changed, np.where(counted, truth, other), ["a", "b"], 1.0, counted=counted) == found


def test_means_go_over_classes_that_are_there_and_then_over_cases() -> None:
    empty, left, right = np.zeros((4, 4), int), np.zeros((4, 4), int), np.zeros((4, 4), int)
    left[:, :2], right[:, 2:] = 1, 2
    names = ["left", "right"]
    rows = [
        {"case": "both", "scores": by_class(left, left + right, names, 0.0)},  # left 1, right missed: 0
        {"case": "one", "scores": by_class(left, left, names, 0.0)},  # left 1, right in neither
        {"case": "none", "scores": by_class(empty, empty, names, 0.0)},  # no class in either
        {"case": "without scores"},
    ]
    found = summary(rows, names)
    assert found["dice"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["dice.left"] == 1.0
    assert found["dice.right"] == 0.0
    assert found["dice_pooled"] == pytest.approx((1.0 + 0.0) / 2)
    assert found["hd95_px"] == pytest.approx((math.hypot(3, 3) / 2 + 0.0) / 2)
    assert (found["empty.both"], found["empty.one"]) == (3.0, 1.0)
    assert summary([rows[2]], names)["dice"] is None
    assert summary([], names)["dice_pooled"] is None


def test_pooled_dice_is_the_dice_of_all_cells_together() -> None:
    generator = np.random.default_rng(1)
    pairs = [(generator.random((8, 8)) < p, generator.random((8, 8)) < q) for p, q in [(0.1, 0.2), (0.9, 0.4), (0, 0)]]
    rows = [{"scores": by_class(ours.astype(int), theirs.astype(int), ["x"], 1.0)} for ours, theirs in pairs]
    ours, theirs = (np.concatenate(masks) for masks in zip(*pairs, strict=True))
    whole = 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum())
    assert summary(rows, ["x"])["dice_pooled"] == pytest.approx(whole)


@given(st.data())
def test_resampled_scores_are_those_of_the_chosen_rows(data) -> None:
    """Of masks with and without a second observer, whose scores some rows lack."""
    value = st.none() | st.sampled_from([0.0, 0.25, 1.0])
    cell = st.fixed_dictionaries(dict.fromkeys(MEASURES, value) | dict.fromkeys(COUNTS, st.integers(0, 9)))
    table = st.fixed_dictionaries({"a": cell, "b": cell})
    rows = data.draw(st.lists(st.fixed_dictionaries({"scores": table}, optional={"observer": table}), min_size=1))
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9))
    wanted = beside_observer([rows[index] for index in chosen], ("a", "b"))
    assert resampled(rows, ("a", "b"))(chosen) == wanted


def test_without_monai_a_sentence_names_the_extra(monkeypatch) -> None:
    import sys

    from gmssl.errors import DataError

    monkeypatch.setitem(sys.modules, "monai.metrics.utils", None)
    with pytest.raises(DataError, match=r"pip install 'gmssl\[seg\]'"):
        measured(np.ones((2, 2), bool), np.ones((2, 2), bool), 1.0)
