"""From samples of any depth to 8 bits: the one rule of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmssl.lazy import numpy

if TYPE_CHECKING:
    from PIL import Image


def stretched(values: numpy.ndarray) -> numpy.ndarray:
    """uint8 between the least and the greatest finite value of all channels together; a constant image is black.

    One range for all channels, so that hues stay. Values that are not finite count as the least.
    """
    values = values.astype(numpy.float64)  # 32-bit integers differ by less than float32 can tell
    finite = numpy.isfinite(values)
    if not finite.all():
        values = numpy.where(finite, values, values[finite].min() if finite.any() else 0.0)
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return numpy.zeros(values.shape, dtype=numpy.uint8)
    # halves first: high − low of float64 may overflow
    return numpy.rint((values / 2 - low / 2) / (high / 2 - low / 2) * 255).astype(numpy.uint8)


def deep_image(values: numpy.ndarray, alpha: numpy.ndarray | None = None) -> Image.Image:
    """Samples of more than 8 bits as an 8-bit image on black.

    Args:
        values: `[H,W]` grey or `[H,W,3]` colour.
        alpha: `[H,W]`, opacity relative to its own greatest value; None for an opaque image.
    """
    from PIL import Image

    pixels = stretched(values)
    if alpha is not None:
        share = numpy.nan_to_num(alpha.astype(numpy.float64), posinf=0.0, neginf=0.0).clip(0)
        share = share / max(float(share.max()), numpy.finfo(numpy.float64).tiny)
        pixels = numpy.rint(pixels * (share if values.ndim == 2 else share[..., None])).astype(numpy.uint8)
    return Image.fromarray(pixels)
