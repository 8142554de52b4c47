"""Colour changes and blur of a whole batch, each image with its own parameters, on the batch's device.

Images are float `[B,K,H,W]` in [0, 1], K = 1 or 3; parameters are `[B]`. The definitions are those of torchvision's
functional transforms (tests compare image by image). All functions are deterministic and free of Python loops over
images.
"""

from __future__ import annotations

import torch

LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601, with torchvision's digits


def _per_image(factor_B: torch.Tensor) -> torch.Tensor:
    return factor_B[:, None, None, None]


def grey_of(images: torch.Tensor) -> torch.Tensor:
    """Luma `[B,1,H,W]`; a grey image is its own luma."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[:, None]


def adjust_brightness(images: torch.Tensor, factor_B: torch.Tensor) -> torch.Tensor:
    """`clip(f·x)`."""
    return (images * _per_image(factor_B)).clamp_(0, 1)


def adjust_contrast(images: torch.Tensor, factor_B: torch.Tensor) -> torch.Tensor:
    """`clip(f·x + (1−f)·m)`, where m is the image's mean luma."""
    factor = _per_image(factor_B)
    mean = grey_of(images).mean((1, 2, 3), keepdim=True)
    return (images * factor).add_((1 - factor) * mean).clamp_(0, 1)


def adjust_saturation(images: torch.Tensor, factor_B: torch.Tensor) -> torch.Tensor:
    """`clip(f·x + (1−f)·luma(x))`, for colour images."""
    factor = _per_image(factor_B)
    return (images * factor).add_((1 - factor) * grey_of(images)).clamp_(0, 1)


def adjust_hue(images: torch.Tensor, turns_B: torch.Tensor) -> torch.Tensor:
    """Turn the hue of HSV by a share of the full circle, for colour images."""
    from kornia.color import hsv_to_rgb, rgb_to_hsv

    hue, saturation, value = rgb_to_hsv(images).unbind(1)
    hue = (hue + 2 * torch.pi * turns_B[:, None, None]) % (2 * torch.pi)
    return hsv_to_rgb(torch.stack((hue, saturation, value), dim=1))


def to_grey(images: torch.Tensor, chosen_B: torch.Tensor) -> torch.Tensor:
    """Colour images with the chosen ones replaced by their luma."""
    return torch.where(_per_image(chosen_B), grey_of(images), images)


def gaussian_blur(images: torch.Tensor, sigma_B: torch.Tensor, radius: int) -> torch.Tensor:
    """Separable Gaussian blur with one standard deviation an image, in pixels; σ = 0 leaves an image as it is.

    Each pass is one batched product with a banded matrix an image, `rows · x · columnsᵀ`: a single deterministic kernel
    on every device, without a padded copy.
    """
    batch, channels, height, width = images.shape
    columns = blur_matrices(width, sigma_B, radius)
    rows = columns if height == width else blur_matrices(height, sigma_B, radius)
    across = torch.bmm(images.reshape(batch, channels * height, width), columns.mT).view(images.shape)
    return torch.where(_per_image(sigma_B > 0), rows[:, None] @ across, images)


def blur_matrices(size: int, sigma_B: torch.Tensor, radius: int) -> torch.Tensor:
    """Matrices `[B,size,size]` that blur one axis; row i holds the weights of output pixel i.

    Weights are `exp(−t²/2σ²)` over |t| ≤ radius, normalised; borders are reflected without repeating the edge.
    """
    taps = torch.arange(-radius, radius + 1, device=sigma_B.device)
    weights = torch.exp(-0.5 * (taps / sigma_B.clamp(min=1e-3)[:, None]) ** 2)
    weights = weights / weights.sum(1, keepdim=True)
    under = (torch.arange(size, device=taps.device) + taps[:, None]).remainder(max(2 * (size - 1), 1))
    under = torch.minimum(under, 2 * (size - 1) - under).clamp(min=0)  # [taps, size]: the pixel under each tap
    spread = torch.nn.functional.one_hot(under, size).float()
    return (weights @ spread.flatten(1)).unflatten(1, (size, size))
