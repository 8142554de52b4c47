"""Views know where they come from, and come from nowhere but their four numbers."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from torchvision.transforms.v2 import functional as reference

from gmssl.errors import DataError
from gmssl.interfaces.views import Draw
from gmssl.parts.data.dataset import collate
from gmssl.parts.views.multi_crop import MultiCrop

BOTH = MultiCrop(large_size=96, small=2, small_size=48)


def blob(width: int, height: int, x: float, y: float, sigma: tuple[float, float]) -> Image.Image:
    """A Gaussian centred at (x, y) in continuous coordinates, sampled at pixel centres k + ½."""
    across = np.exp(-0.5 * ((np.arange(width) + 0.5 - x) / sigma[0]) ** 2)
    down = np.exp(-0.5 * ((np.arange(height) + 0.5 - y) / sigma[1]) ** 2)
    return Image.fromarray(np.rint(255 * np.outer(down, across)).astype(np.uint8))


def centroid(crop_KHW: np.ndarray) -> np.ndarray:
    """Homogeneous (u, v, 1) of the centre of mass."""
    mass = crop_KHW[0].astype(float)
    centres = np.arange(mass.shape[0]) + 0.5
    return np.array([mass.sum(0) @ centres, mass.sum(1) @ centres, mass.sum()]) / mass.sum()


@settings(deadline=None, max_examples=150)
@given(
    # Rounding to 8 bits moves a centroid by up to 1/200 pixel of the crop, so a crop pixel may hold four of the image.
    width=st.integers(90, 250),
    height=st.integers(90, 250),
    index=st.integers(0, 10**6),
    view=st.integers(0, 3),
    offset=st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)),
    channels=st.sampled_from(["L", "RGB"]),
)
def test_a_blob_lies_where_the_affine_says_to_a_twentieth_of_a_pixel(width, height, index, view, offset, channels):
    draw = Draw(seed=1, epoch=2, index=index)
    affine = BOTH.crop(Image.new("L", (width, height)), draw).affines[view]
    # The window, 12 standard deviations wide, holds the blob up to its tails wherever the offset moves it.
    size = BOTH.sizes[view]
    window = np.abs(affine[:, :2]).sum(1) * size
    sigma = window / 12
    x, y = affine @ [size / 2, size / 2, 1] + offset * sigma
    views = BOTH.crop(blob(width, height, x, y, sigma).convert(channels), draw)
    np.testing.assert_array_equal(views.affines[view], affine)
    found = affine @ centroid(views.crops[view])
    assert np.abs(found - [x, y]).max() < 0.05


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2000, 3), (17, 1)])
def test_any_image_gives_views(size):
    views = BOTH.crop(Image.new("RGB", size, (9, 8, 7)), Draw(0, 0, 0))
    assert [crop.shape for crop in views.crops] == [(3, 96, 96)] * 2 + [(3, 48, 48)] * 2
    assert all((crop == np.array([9, 8, 7])[:, None, None]).all() for crop in views.crops)
    assert (np.abs(views.affines[:, :, :2]).sum(2) > 0).all()


def test_parameters_depend_on_seed_epoch_index_copy_and_view_and_on_nothing_else():
    image = Image.effect_noise((64, 64), 50)
    views = {key: BOTH.crop(image, Draw(*key)) for key in itertools.product((0, 1), repeat=4)}
    parameters = {tuple(v.photometric[n]) + tuple(v.affines[n].ravel()) for v in views.values() for n in range(4)}
    assert len(parameters) == 16 * 4, "each view has a stream of its own"
    again = BOTH.crop(image, Draw(1, 0, 1))
    np.testing.assert_array_equal(again.photometric, views[1, 0, 1, 0].photometric)
    fewer = MultiCrop(large_size=32).crop(image, Draw(1, 0, 1))
    np.testing.assert_array_equal(fewer.photometric, again.photometric[:2])
    np.testing.assert_allclose(fewer.affines[:, :, 2], again.affines[:2, :, 2])


def test_parameters_follow_their_probabilities_and_ranges():
    views = MultiCrop(large_size=1, greyscale=0.3, sigma=(0.5, 1.5))
    image = Image.new("L", (64, 64))
    drawn = [views.crop(image, Draw(0, 0, index)) for index in range(2000)]
    photometric = np.concatenate([d.photometric for d in drawn])
    flipped = np.concatenate([d.affines[:, 0, 0] for d in drawn]) < 0
    brightness, contrast, saturation, hue, grey, sigma = photometric.T
    for share, expected in ((flipped, 0.5), (brightness != 1, 0.8), (grey == 1, 0.3), (sigma > 0, 0.5)):
        assert share.mean() == pytest.approx(expected, abs=0.03)
    for values, low, high in (
        (brightness, 0.6, 1.4),
        (contrast, 0.6, 1.4),
        (saturation, 0.8, 1.2),
        (hue, -0.1, 0.1),
        (sigma[sigma > 0], 0.5, 1.5),
    ):
        assert low <= values.min() + 1e-6 < low + 0.02 * (high - low) + 1e-6
        assert high - 0.02 * (high - low) - 1e-6 < values.max() - 1e-6 <= high
    assert np.abs(np.corrcoef(photometric[:, [0, 1, 2, 3, 5]].T) - np.eye(5))[~np.eye(5, dtype=bool)].max() < 0.9
    assert abs(np.corrcoef(brightness[::2], brightness[1::2])[0, 1]) < 0.06, "views of an image are independent"


def batch(views, mode, number=6):
    rng = np.random.default_rng(0)
    shape = (40, 50) if mode == "L" else (40, 50, 3)
    images = [Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)) for _ in range(number)]
    return collate([(views.crop(image, Draw(3, 0, n)), n, -1) for n, image in enumerate(images)])


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_finish_equals_torchvision_image_by_image(mode):
    views = MultiCrop(large_size=32, small=1, small_size=16, greyscale=0.3, mean=(0.4,), std=(0.2,))
    given = batch(views, mode)
    finished = views.finish(given)
    assert given.images[0].dtype == torch.uint8
    for view, image in itertools.product(range(3), range(6)):
        x = given.images[view][image].float() / 255
        brightness, contrast, saturation, hue, grey, sigma = given.photometric[view, image].tolist()
        x = reference.adjust_contrast(reference.adjust_brightness(x, brightness), contrast)
        if mode == "RGB":
            x = reference.adjust_hue(reference.adjust_saturation(x, saturation), hue)
            x = reference.rgb_to_grayscale(x, num_output_channels=3) if grey else x
        x = reference.gaussian_blur(x, kernel_size=[13, 13], sigma=[sigma, sigma]) if sigma else x
        torch.testing.assert_close(finished.images[view][image], (x - 0.4) / 0.2, atol=1e-4, rtol=0)


def test_finish_treats_each_image_alone_and_always_alike():
    views = MultiCrop(large_size=24)
    given = batch(views, "RGB")
    whole = views.finish(given).images[0]
    assert torch.equal(whole, views.finish(given).images[0])
    single = batch(views, "RGB", number=1)
    torch.testing.assert_close(views.finish(single).images[0], whole[:1], atol=1e-5, rtol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(views.finish(given).images[0], whole)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_without_photometric_changes_finish_is_plain(mode):
    views = MultiCrop(large_size=24, jitter=0, blur=0)
    given = batch(views, mode)
    assert torch.equal(views.finish(given).images[1], views.plain(given.images[1]))


def test_plain_normalises_with_imagenet_or_given_numbers():
    white = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(MultiCrop().plain(white)[0, :, 1, 1], expected)
    torch.testing.assert_close(MultiCrop().plain(white[:, :1]), torch.full((1, 1, 2, 2), (1 - 0.449) / 0.226))
    torch.testing.assert_close(MultiCrop(mean=(0.5,), std=(0.25,)).plain(white), torch.full((1, 3, 2, 2), 2.0))
    with pytest.raises(DataError, match=r"3 numbers, but images have 1 channel"):
        MultiCrop(mean=(0.1, 0.2, 0.3)).plain(white[:, :1])


@pytest.mark.parametrize(
    ("large", "small", "pairs"),
    [
        (2, 0, ((0, 1),)),
        (3, 0, ((0, 1), (0, 2), (1, 2))),
        (2, 2, ((0, 1), (0, 2), (0, 3), (1, 0), (1, 2), (1, 3))),
        (1, 1, ((0, 1),)),
    ],
)
def test_pairs(large, small, pairs):
    assert MultiCrop(large=large, small=small).pairs == pairs


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"large": 1}, "matching needs two"),
        ({"large_scale": (0.5, 0.4)}, "low ≤ high"),
        ({"small_scale": (0.5, 1.4)}, "at most 1"),
        ({"aspect": (0, 1)}, "0 < low"),
        ({"sigma": (0.1, float("inf"))}, "low ≤ high|finite"),
        ({"flip": 1.5}, "less than or equal to 1"),
        ({"hue": 0.6}, "less than or equal to 0.5"),
        ({"mean": (0.1, 0.2)}, "mean has 2 numbers"),
        ({"std": (0.0,)}, "greater than 0"),
        ({"crops": 2}, "unknown key"),
    ],
)
def test_contradictory_settings_are_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        MultiCrop(**wrong)
