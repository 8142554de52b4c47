"""Batched colour changes against torchvision's, image by image."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as reference

from gmssl.parts.views import photometric

cases = given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 4),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
)


def random_images(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator), torch.rand(shape[0], generator=generator)


def each(function, images, parameters):
    return torch.stack([function(x, p) for x, p in zip(images, parameters.tolist(), strict=True)])


@pytest.mark.parametrize("name", ["adjust_brightness", "adjust_contrast", "adjust_saturation"])
@settings(deadline=None, max_examples=30)
@cases
def test_factors(name, seed, batch, channels, height, width):
    channels = 3 if name == "adjust_saturation" else channels
    images, uniforms = random_images(seed, batch, channels, height, width)
    factors = 2 * uniforms
    expected = each(getattr(reference, name), images, factors)
    torch.testing.assert_close(getattr(photometric, name)(images, factors), expected, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=30)
@cases
def test_hue(seed, batch, channels, height, width):
    images, uniforms = random_images(seed, batch, 3, height, width)
    turns = uniforms - 0.5
    torch.testing.assert_close(
        photometric.adjust_hue(images, turns), each(reference.adjust_hue, images, turns), atol=1e-4, rtol=0
    )


def test_grey_takes_the_chosen_images_only():
    images, _ = random_images(0, 4, 3, 5, 6)
    chosen = torch.tensor([True, False, True, False])
    got = photometric.to_grey(images, chosen)
    torch.testing.assert_close(got[::2], reference.rgb_to_grayscale(images[::2], num_output_channels=3))
    assert torch.equal(got[1::2], images[1::2])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 4), st.sampled_from([1, 3]), st.integers(8, 30), st.integers(8, 30))
def test_blur(seed, batch, channels, height, width):
    images, uniforms = random_images(seed, batch, channels, height, width)
    sigmas = 0.1 + 2 * uniforms
    expected = each(lambda x, s: reference.gaussian_blur(x, [15, 15], [s, s]), images, sigmas)
    torch.testing.assert_close(photometric.gaussian_blur(images, sigmas, radius=7), expected, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9), st.integers(1, 20))
def test_blur_keeps_constants_and_zero_sigma_keeps_everything(seed, height, width, radius):
    images, uniforms = random_images(seed, 3, 1, height, width)
    assert torch.equal(photometric.gaussian_blur(images, torch.zeros(3), radius), images)
    flat = uniforms[:, None, None, None].expand(3, 1, height, width)
    torch.testing.assert_close(photometric.gaussian_blur(flat, 3 * uniforms + 0.1, radius), flat, atol=1e-6, rtol=0)
