"""From a scanner's values to the grey of an image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from scipy.fft import dctn

from gmssl.corpus.grey import encoded, is_empty, perceptual_hash, resized, shown, size_of, to_grey
from gmssl.corpus.slices import Slice, SlicePolicy
from gmssl.errors import DataError
from gmssl.system.images.stored import digest_of_pixels, pixel_digest, read_stored

VALUES = arrays.arrays(
    st.sampled_from([np.int16, np.uint16, np.float32, np.float64]),
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.integers(0, 30_000),
)


@given(VALUES, st.floats(-1e4, 1e4), st.floats(1, 1e5), st.booleans(), st.sampled_from([8, 16]))
def test_grey_is_the_rounded_share_of_the_window(
    values: np.ndarray, lower: float, width: float, inverted: bool, bits: int
) -> None:
    top = 2**bits - 1
    grey = to_grey(Slice(0, values), (lower, lower + width), inverted, bits)
    assert grey.dtype == (np.uint8 if bits == 8 else np.uint16)
    share = np.clip((values.astype(np.longdouble) - lower) / width, 0, 1)
    exact = top * (1 - share if inverted else share)
    assert (abs(grey - exact) <= 0.5 + 1e-6).all()


@pytest.mark.parametrize("inverted", [False, True])
def test_a_window_that_is_wider_than_numbers_go(inverted: bool) -> None:
    values = np.array([[-1.6e308, -8e307], [8e307, 1.6e308]])
    grey = to_grey(Slice(0, values), (-1.6e308, 1.6e308), inverted, 8)
    assert grey.tolist() == ([[255, 191], [64, 0]] if inverted else [[0, 64], [191, 255]])


def test_values_far_outside_of_a_window_are_black_and_white() -> None:
    values = np.array([[-1e308, 0.0], [1e-308, 1e308]])
    assert to_grey(Slice(0, values), (0, 1e-300), False, 8).tolist() == [[0, 0], [0, 255]]


def test_padding_and_what_is_no_number_are_black() -> None:
    values = np.array([[5.0, np.nan, np.inf], [10.0, -np.inf, 4.0]])
    valid = np.array([[True, True, True], [False, True, True]])
    assert to_grey(Slice(0, values, valid), (0, 10), False, 8).tolist() == [[128, 0, 255], [0, 0, 102]]
    assert to_grey(Slice(0, values, valid), (0, 10), True, 8)[1, 0] == 0  # padding stays black in inverted images


def test_pictures_of_8_bits_are_taken_as_they_are() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert to_grey(Slice(0, picture), (0, 255), False, 8) is picture


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.one_of(arrays.array_shapes(min_dims=2, max_dims=2, max_side=9), st.just((4, 5, 3))),
    )
)
def test_images_are_stored_without_loss(grey: np.ndarray) -> None:
    bits = 8 * grey.dtype.itemsize
    stored, looked = read_stored(encoded(grey), "x", 1, bits), shown(grey)
    assert looked.tobytes() == stored.tobytes()
    assert digest_of_pixels("L", stored.width, stored.height, looked.data) == pixel_digest(stored)
    image = np.asarray(read_stored(encoded(grey), "x", 1 if grey.ndim == 2 else 3, bits))
    expected = grey if bits == 8 else np.rint(grey.astype(np.float64) / 257)
    assert np.array_equal(image, expected)


def test_slices_of_long_voxels_are_enlarged_and_large_ones_shrunk() -> None:
    assert size_of((20, 100), (5.0, 1.0), SlicePolicy()) == (100, 100)
    assert size_of((20, 100), (5.0, 1.0), SlicePolicy(square=False)) == (20, 100)
    assert size_of((20, 100), (1.0, 1.005), SlicePolicy()) == (20, 100)
    assert size_of((20, 100), None, SlicePolicy(longest=50)) == (10, 50)
    assert resized(np.zeros((3, 3, 3), dtype=np.uint16), (6, 5)).shape == (6, 5, 3)


@pytest.mark.parametrize("spacing", [(1.0, 1e-6), (1e-20, 1.0), (1e-300, 1e300)])
def test_pixels_that_nothing_measures_so_are_refused(spacing: tuple[float, float]) -> None:
    for policy in (SlicePolicy(), SlicePolicy(longest=50)):
        with pytest.raises(DataError, match=r"its pixels are .* mm, .* or set slices\.square: false"):
            size_of((20, 100), spacing, policy)
    assert size_of((20, 100), spacing, SlicePolicy(square=False)) == (20, 100)


def test_slices_are_not_enlarged_to_more_pixels_than_are_read() -> None:
    with pytest.raises(DataError, match=r"at most \d+ an image"):
        size_of((1000, 1000), (100.0, 1.0), SlicePolicy())
    assert size_of((1000, 1000), (100.0, 1.0), SlicePolicy(longest=1000)) == (1000, 10)
    assert size_of((10_000, 10_000), (1.0, 1.0), SlicePolicy()) == (10_000, 10_000)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_empty_means_few_bright_pixels(dtype: type) -> None:
    grey = np.zeros((10, 10), dtype=dtype)
    assert is_empty(grey, 0.01)
    grey[0, 0] = np.iinfo(dtype).max
    assert is_empty(grey, 0.01)
    grey[0, 1] = np.iinfo(dtype).max
    assert not is_empty(grey, 0.01)


def test_near_copies_have_near_hashes() -> None:
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 255, (9, 9), dtype=np.uint8))
    image = coarse.resize((200, 180), Image.Resampling.BICUBIC)
    copies = [image.resize((97, 90)), image.point(lambda v: v * 0.7 + 20), image.convert("RGB")]
    other = Image.fromarray(generator.integers(0, 255, (9, 9), dtype=np.uint8)).resize((200, 180))
    for copy in copies:
        assert (perceptual_hash(image) ^ perceptual_hash(copy)).bit_count() <= 4
    assert (perceptual_hash(image) ^ perceptual_hash(other)).bit_count() > 16


@given(st.integers(0, 2**32 - 1), st.integers(33, 90), st.integers(33, 90))
def test_hashes_say_which_frequencies_are_above_their_median(seed: int, height: int, width: int) -> None:
    image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8))
    low = dctn(np.asarray(image.resize((32, 32), Image.Resampling.BOX), dtype=np.float64))[:8, :8].ravel()
    bits = "".join("1" if value > np.median(low[1:]) else "0" for value in low)
    assert perceptual_hash(image) == int(bits, 2)
