"""Boxes are tight, lie where the resized image shows the mask, and grow by noise that belongs to the case."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gmssl.parts.tasks.masks.fitting import Fitted
from gmssl.parts.tasks.prompts.boxes import for_tests, grown, regions, sampled, tight
from gmssl.parts.tasks.prompts.pictures import box_on


def mask_of(height: int, width: int, share: float, seed: int) -> numpy.ndarray:
    return numpy.random.default_rng(seed).random((height, width)) < share


MASKS = st.builds(
    mask_of, st.integers(1, 40), st.integers(1, 40), st.sampled_from([0, 0.002, 0.02, 0.5, 1]), st.integers(0, 99)
)
FITS = st.sampled_from(["stretch", "pad"])


@given(mask=MASKS, by=st.sampled_from(["class", "component"]))
def test_regions_divide_the_mask(mask: numpy.ndarray, by: str) -> None:
    found = regions(mask, by)
    assert (sum(region.astype(int) for region in found) == mask).all() if found else not mask.any()
    assert all(region.any() for region in found)
    assert by == "component" or len(found) <= 1


def test_pixels_that_touch_at_a_corner_hang_together() -> None:
    mask = numpy.array([[1, 0, 0, 0], [0, 1, 0, 1]], bool)
    assert len(regions(mask, "component")) == 2


@given(mask=MASKS, factor=st.integers(1, 4))
def test_a_tight_box_is_the_first_and_last_pixel_of_the_enlarged_mask(mask: numpy.ndarray, factor: int) -> None:
    """As MedSAM finds it, on a mask that was enlarged without interpolation."""
    side = factor * 40
    mask = numpy.pad(mask, [(0, 40 - mask.shape[0]), (0, 40 - mask.shape[1])])
    if not mask.any():
        return
    rows, columns = numpy.nonzero(mask.repeat(factor, 0).repeat(factor, 1))
    place = Fitted.of((40, 40), side, "stretch")
    assert tight(mask, place) == pytest.approx((columns.min(), rows.min(), columns.max(), rows.max()))


@settings(max_examples=60)
@given(mask=MASKS, fit=FITS, side=st.sampled_from([32, 64, 96]))
def test_a_tight_box_goes_back_to_the_pixels_it_came_from(mask: numpy.ndarray, fit: str, side: int) -> None:
    if not mask.any():
        return
    height, width = mask.shape
    place = Fitted.of((height, width), side, fit)
    if min(place.inner[0] / height, place.inner[1] / width) < 1:
        return  # what is narrower than a pixel of the grid has no extent there
    rows, columns = numpy.nonzero(mask)
    back = box_on(place, tight(mask, place))
    assert back == pytest.approx((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))


@given(mask=MASKS, fit=FITS, side=st.sampled_from([16, 32, 64]))
def test_tight_boxes_are_ordered_and_within_the_image(mask: numpy.ndarray, fit: str, side: int) -> None:
    if mask.any():
        x1, y1, x2, y2 = tight(mask, Fitted.of(mask.shape, side, fit))
        assert -0.5 <= x1 <= x2 <= side - 0.5
        assert -0.5 <= y1 <= y2 <= side - 0.5


@given(
    corners=st.lists(st.floats(0, 255), min_size=4, max_size=4),
    jitter=st.integers(0, 200),
    seed=st.integers(0, 9),
    scale=st.sampled_from([1, 2, 4]),
)
def test_grown_boxes_contain_the_tight_one_and_grow_by_no_more_than_the_noise(
    corners: list[float], jitter: int, seed: int, scale: int
) -> None:
    side = 1024 // scale
    x1, x2, y1, y2 = *sorted(corners[:2]), *sorted(corners[2:])
    box = grown((x1, y1, x2, y2), side, jitter, numpy.random.default_rng(seed))
    most = jitter / scale
    assert max(0, x1 - most) <= box[0] <= x1
    assert max(0, y1 - most) <= box[1] <= y1
    assert x2 <= box[2] <= min(side - 1, x2 + most)
    assert y2 <= box[3] <= min(side - 1, y2 + most)


def test_noise_is_uniform_over_whole_pixels_and_sides_have_their_own() -> None:
    generator = numpy.random.default_rng(0)
    boxes = numpy.array([grown((500, 500, 510, 510), 1024, 20, generator) for _ in range(4000)])
    moved = numpy.stack([500 - boxes[:, 0], 500 - boxes[:, 1], boxes[:, 2] - 510, boxes[:, 3] - 510])
    assert set(moved.ravel()) == set(range(21))
    assert moved.mean(axis=1) == pytest.approx([10] * 4, abs=0.5)
    assert numpy.abs(numpy.corrcoef(moved) - numpy.eye(4)).max() < 0.1


def test_boxes_of_tests_belong_to_the_case() -> None:
    boxes = [(10.0, 10.0, 20.0, 20.0)] * 3
    once, again, other = (for_tests(boxes, name, 64, 100) for name in ("a", "a", "b"))
    assert once == again != other
    assert len(set(once)) > 1
    assert for_tests(boxes, "a", 64, 0) == boxes


@given(mask=MASKS, side=st.sampled_from([16, 32]))
def test_sampling_a_stretched_mask_is_pillows_nearest(mask: numpy.ndarray, side: int) -> None:
    place = Fitted.of(mask.shape, 4 * side, "stretch")
    oracle = numpy.asarray(Image.fromarray(mask).resize((side, side), Image.Resampling.NEAREST))
    found = sampled(mask, place, side)
    exact = [
        numpy.abs((numpy.arange(side) + 0.5) * length / side % 1 - 0.5) < 0.499
        for length in mask.shape  # centres that lie on an edge may go either way
    ]
    certain = numpy.outer(*exact)
    assert (found == oracle)[certain].all()


def test_sampling_a_padded_mask_leaves_the_border_empty() -> None:
    place = Fitted.of((20, 40), 64, "pad")
    found = sampled(numpy.ones((20, 40), bool), place, 16)
    assert found.sum() == 16 * 8
    assert not found[:4].any()
    assert not found[-4:].any()
