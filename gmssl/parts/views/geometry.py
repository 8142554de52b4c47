"""Where a crop lies in its image, and the affine map back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gmssl.lazy import numpy, torch

Box = tuple[int, int, int, int]

ATTEMPTS = 10
UNIFORMS = 2 * ATTEMPTS + 2


def random_box(
    width: int, height: int, scale: tuple[float, float], aspect: tuple[float, float], uniforms: Sequence[float]
) -> Box:
    """A random-resized-crop window (left, top, right, bottom) in whole pixels, never empty, inside the image.

    The rule of Inception (Szegedy et al. 2015), as in torchvision: the share of the area is uniform in `scale`, the
    logarithm of width / height uniform in log `aspect`; the first of ten attempts that fits is taken, at a uniform
    position. Where none fits, the largest window of the nearest allowed aspect is; torchvision centres that one, here
    its position stays random, so that a long and narrow image does not give the same crop every time.

    Args:
        uniforms: `UNIFORMS` numbers from [0, 1): the position, then area and aspect of each attempt.
    """
    low, high = math.log(aspect[0]), math.log(aspect[1])
    for attempt in range(ATTEMPTS):
        area = width * height * (scale[0] + (scale[1] - scale[0]) * uniforms[2 + 2 * attempt])
        ratio = math.exp(low + (high - low) * uniforms[3 + 2 * attempt])
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            break
    else:
        ratio = min(max(width / height, aspect[0]), aspect[1])
        w, h = max(min(width, round(height * ratio)), 1), max(min(height, round(width / ratio)), 1)
    left, top = int(uniforms[0] * (width - w + 1)), int(uniforms[1] * (height - h + 1))
    return left, top, left + w, top + h


def crop_affine(box: Box, size: int, flip: bool) -> list[list[float]]:
    """The 2×3 matrix from pixels (u, v) of a `size`×`size` crop of `box` to pixels (x, y) of the image.

    In continuous coordinates, where pixel k covers [k, k+1) and its centre is k + ½:
    `x = left + w·u/size`, or `x = right − w·u/size` when flipped, and `y = top + h·v/size`.
    """
    left, top, right, bottom = box
    across, down = (right - left) / size, (bottom - top) / size
    return [[-across, 0.0, float(right)] if flip else [across, 0.0, float(left)], [0.0, down, float(top)]]


def cut(pixels_HWK: torch.Tensor, box: Box, size: int, flip: bool) -> numpy.ndarray:
    """The window as a uint8 `[K,size,size]` array, by antialiased bilinear interpolation.

    torch's uint8 kernel takes 0.08 ms for 224×224×3 where Pillow's takes 0.7 ms, if the channels of a pixel lie side by
    side in memory, and leaves them so. Both weight pixels by a triangle in continuous coordinates, so the centre of the
    crop is the centre of the window.
    """
    left, top, right, bottom = box
    window = pixels_HWK[top:bottom, left:right]
    window = window.flip(1) if flip else window.contiguous()
    crop = torch.nn.functional.interpolate(
        window[None].permute(0, 3, 1, 2), size=(size, size), mode="bilinear", antialias=True
    )
    return crop[0].numpy()
