"""From samples of any depth to 8 bits: the one rule of this package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, eq=False)
class Deep:
    """An image whose samples have more than 8 bits, a sign or a fraction, as its file holds them.

    Attributes:
        values: `[H,W]` grey or `[H,W,3]` colour.
        alpha: `[H,W]`, opacity relative to its own greatest value; None for an opaque image.
        inverted: small values are bright.
    """

    values: numpy.ndarray
    alpha: numpy.ndarray | None = None
    inverted: bool = False

    def image(self) -> Image.Image:
        """8 bits on black, stretched from the least to the greatest value."""
        from PIL import Image

        pixels = stretched(-self.values.astype(numpy.float64) if self.inverted else self.values)
        if self.alpha is not None:
            share = numpy.nan_to_num(self.alpha.astype(numpy.float64), posinf=0.0, neginf=0.0).clip(0)
            share = share / max(float(share.max()), numpy.finfo(numpy.float64).tiny)
            pixels = numpy.rint(pixels * (share if pixels.ndim == 2 else share[..., None])).astype(numpy.uint8)
        return Image.fromarray(pixels)

    def turned(self, orientation: int) -> Deep:
        """Upright, see `upright`."""
        turn = _TURNS.get(orientation, lambda seen: seen)
        return replace(self, values=turn(self.values), alpha=None if self.alpha is None else turn(self.alpha))


_TURNS: dict[int, Callable[[numpy.ndarray], numpy.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: numpy.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: numpy.rot90(a, 1),
}


def upright(image: Image.Image | Deep, orientation: int) -> Image.Image | Deep:
    """As EXIF and TIFF mean it by their orientation 1…8; other numbers mean nothing."""
    from PIL.Image import Transpose

    if isinstance(image, Deep):
        return image.turned(orientation)
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image
