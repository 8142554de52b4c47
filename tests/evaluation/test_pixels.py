import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gmssl.errors import DataError
from gmssl.evaluation.pixels import read, thumbnail
from gmssl.system.images.stored import pixel_digest


def picture(seed: int, height: int = 40, width: int = 48) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8))


def saved(image: Image.Image, kind: str) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind)
    return Image.open(file)


def test_lossless_copies_are_equal_and_a_recoded_jpeg_is_not():
    image = picture(0)
    assert pixel_digest(saved(image, "PNG")) == pixel_digest(saved(image, "TIFF")) == pixel_digest(image)
    assert pixel_digest(saved(image, "JPEG")) != pixel_digest(image)


def test_the_same_bytes_in_another_shape_are_another_image():
    assert pixel_digest(picture(0, 40, 48)) != pixel_digest(picture(0, 48, 40))


@given(st.integers(0, 99), st.integers(0, 39), st.integers(0, 47))
def test_one_pixel_makes_another_image(seed, y, x):
    pixels = np.asarray(picture(seed)).copy()
    pixels[y, x] ^= 1
    assert pixel_digest(Image.fromarray(pixels)) != pixel_digest(picture(seed))


def test_a_thumbnail_is_the_mean_of_each_cell():
    pixels = np.asarray(picture(1, 32, 64)).astype(float)
    expected = pixels.reshape(16, 2, 16, 4).mean(axis=(1, 3)).ravel() / 255
    assert np.abs(thumbnail(picture(1, 32, 64)) - expected).max() < 1.1 / 255  # two passes, each rounded to 8 bits


def test_reading_marks_unreadable_images_and_draws_no_random_numbers(squares):
    images = squares(5)
    images.pixels[2] = None
    state = torch.get_rng_state()
    found = read(images)
    assert torch.equal(torch.get_rng_state(), state)
    assert [name is None for name in found.digests] == [False, False, True, False, False]
    assert found.features.shape == (5, 256)
    torch.testing.assert_close(found.features[4], torch.from_numpy(thumbnail(images.load(4, 1))))
    assert found.digests[4] == pixel_digest(images.load(4, 1))


def test_a_worker_that_cannot_hand_over_its_batch_ends_the_reading(squares, starved, within):
    with within(20), pytest.raises(DataError, match=r"too many open files.*--workers 0"):
        read(starved(squares(70)), workers=1)
