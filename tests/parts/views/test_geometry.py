"""Laws of crop windows, with torchvision and Pillow as oracles."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from torchvision.transforms import v2

from gmssl.parts.views.geometry import UNIFORMS, crop_affine, cut, random_box

sides = st.integers(1, 3000)
shares = st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)).map(lambda pair: tuple(sorted(pair)))
ratios = st.tuples(st.floats(0.05, 20), st.floats(0.05, 20)).map(lambda pair: tuple(sorted(pair)))
uniforms = st.lists(st.floats(0, 1, exclude_max=True), min_size=UNIFORMS, max_size=UNIFORMS)


@given(sides, sides, shares, ratios, uniforms)
def test_the_window_is_never_empty_and_lies_inside_the_image(width, height, scale, aspect, numbers):
    left, top, right, bottom = random_box(width, height, scale, aspect, numbers)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@given(st.integers(200, 3000), st.integers(200, 3000), uniforms)
def test_area_and_aspect_are_those_asked_for_where_they_fit(width, height, numbers):
    left, top, right, bottom = random_box(width, height, (0.1, 0.2), (3 / 4, 4 / 3), numbers)
    w, h = right - left, bottom - top
    if max(width, height) < 2 * min(width, height):
        assert 0.1 * width * height <= (w + 1) * (h + 1)
        assert (w - 1) * (h - 1) <= 0.2 * width * height
        assert (w + 1) / (h - 1) >= 3 / 4
        assert (w - 1) / (h + 1) <= 4 / 3


def test_area_aspect_and_position_are_uniform():
    rng = np.random.default_rng(0)
    boxes = np.array([random_box(4000, 4000, (0.1, 0.5), (3 / 4, 4 / 3), u) for u in rng.random((2000, UNIFORMS))])
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, ratio = w * h / 4000**2, np.log(w / h) / np.log(4 / 3)
    assert stats.kstest(area, stats.uniform(0.1, 0.4).cdf).pvalue > 0.01
    assert stats.kstest(ratio, stats.uniform(-1, 2).cdf).pvalue > 0.01
    assert stats.kstest(boxes[:, 0] / (4000 - w), stats.uniform.cdf).pvalue > 0.01
    assert stats.kstest(boxes[:, 1] / (4000 - h), stats.uniform.cdf).pvalue > 0.01


@pytest.mark.parametrize(("width", "height"), [(1000, 10), (10, 1000), (1, 50), (50, 1)])
def test_where_nothing_fits_the_window_has_the_size_that_torchvision_takes(width, height):
    image = torch.zeros(1, height, width)
    _, _, h, w = v2.RandomResizedCrop.make_params(
        v2.RandomResizedCrop(8, scale=(0.9, 1.0), antialias=True), [image]
    ).values()
    rng = np.random.default_rng(0)
    boxes = [random_box(width, height, (0.9, 1.0), (3 / 4, 4 / 3), u) for u in rng.random((20, UNIFORMS))]
    assert {(right - left, bottom - top) for left, top, right, bottom in boxes} == {(w, h)}
    assert len(set(boxes)) > 5, "the position stays random"


boxes = st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(1, 500), st.integers(1, 500)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(boxes, st.integers(1, 300), st.booleans())
def test_corners_of_the_crop_map_to_corners_of_the_window(box, size, flip):
    left, top, right, bottom = box
    corners = np.array(crop_affine(box, size, flip)) @ [[0, size], [0, size], [1, 1]]
    across = [right, left] if flip else [left, right]
    np.testing.assert_allclose(corners, [across, [top, bottom]], atol=1e-9)


@settings(deadline=None, max_examples=50)
@given(boxes, st.integers(1, 300), st.booleans(), st.sampled_from([1, 3]))
def test_pixels_are_those_of_pillow(box, size, flip, channels):
    shape = (1000, 1000) if channels == 1 else (1000, 1000, 3)
    smooth = np.add.outer(np.arange(1000), np.arange(1000)) // 9
    pixels = np.broadcast_to(smooth.reshape(1000, 1000, *[1] * (channels > 1)), shape).astype(np.uint8)
    pixels_HWK = torch.from_numpy(pixels.reshape(1000, 1000, channels).copy())
    expected = Image.fromarray(pixels).crop(box).resize((size, size), Image.Resampling.BILINEAR)
    if flip:
        expected = expected.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    expected_KHW = np.asarray(expected).reshape(size, size, channels).transpose(2, 0, 1)
    got = cut(pixels_HWK, box, size, flip)
    assert got.dtype == np.uint8
    assert got.shape == (channels, size, size)
    assert np.abs(got.astype(int) - expected_KHW).max() <= 2
