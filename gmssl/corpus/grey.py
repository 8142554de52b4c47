"""From values of a scanner to the grey or colour of an image, and what is known of it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from gmssl.corpus.slices import Slice, SlicePolicy
from gmssl.errors import DataError
from gmssl.system.images.grey import grey_of
from gmssl.system.images.reading import MAX_PIXELS

if TYPE_CHECKING:
    from PIL import Image

BRIGHT = 0.05
"""Share of the window above which a pixel is no background."""
LONG_PIXEL = 1000
"""How many times as long as wide a pixel can be; nothing measures so, but damaged headers say it."""


def to_grey(piece: Slice, bounds: tuple[float, float], inverted: bool, bits: int) -> np.ndarray:
    """The image of a slice: lower bound black, upper bound white, rounded to the nearest step.

    Padding is black, and so is what is not a number.

    Returns:
        uint8 or, with 16 bits, uint16, of the shape of the values.
    """
    return grey_of(piece.values, bounds, inverted=inverted, valid=piece.valid, bits=bits)


def is_empty(grey: np.ndarray, filled: float) -> bool:
    """Whether no more than a share `filled` of the pixels is brighter than `BRIGHT` of the range."""
    limit = grey.dtype.type(BRIGHT * np.iinfo(grey.dtype).max)  # a whole number: greys are compared as they are
    bright = grey > limit if grey.ndim == 2 else (grey > limit).any(axis=2)
    return bool(np.count_nonzero(bright) / bright.size <= filled)


def size_of(shape: tuple[int, ...], spacing: tuple[float, float] | None, policy: SlicePolicy) -> tuple[int, int]:
    """Height and width that a slice is stored with.

    Raises:
        DataError: its pixels are so long that square ones would be too many.
    """
    height, width = shape[:2]
    if policy.square and spacing is not None and not 0.99 < spacing[0] / spacing[1] < 1.01:
        fine = min(spacing)
        if not max(spacing) / fine <= LONG_PIXEL:
            raise DataError(_too_long(spacing))
        height, width = round(height * spacing[0] / fine), round(width * spacing[1] / fine)
    if policy.longest is not None and max(height, width) > policy.longest:
        scale = policy.longest / max(height, width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
    if spacing is not None and height * width > max(MAX_PIXELS, shape[0] * shape[1]):
        raise DataError(_too_long(spacing))
    return height, width


def _too_long(spacing: tuple[float, float]) -> str:
    return (
        f"its pixels are {spacing[0]:.4g} × {spacing[1]:.4g} mm, and so many square ones are not written (at most "
        f"{MAX_PIXELS} an image); correct its header, or set slices.square: false."
    )


def resized(grey: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image with another height and width, by bilinear interpolation over the area that each new pixel covers."""
    if grey.shape[:2] == size:
        return grey
    from PIL import Image

    where = (size[1], size[0])
    if grey.dtype == np.uint8:
        return np.asarray(Image.fromarray(grey).resize(where, Image.Resampling.BILINEAR))
    planes = [grey] if grey.ndim == 2 else [grey[..., c] for c in range(3)]
    done = [np.asarray(Image.fromarray(p.astype(np.float32)).resize(where, Image.Resampling.BILINEAR)) for p in planes]
    return np.rint(done[0] if grey.ndim == 2 else np.stack(done, axis=2)).astype(grey.dtype)


def shown(pixels: np.ndarray) -> np.ndarray:
    """The grey that a store gives back of an image, uint8 `[H,W]`, which need not be decoded to be looked at."""
    from PIL import Image

    eight = pixels if pixels.dtype == np.uint8 else np.rint(pixels.astype(np.float32) / 257).astype(np.uint8)
    return np.ascontiguousarray(eight if eight.ndim == 2 else np.asarray(Image.fromarray(eight).convert("L")))


def encoded(grey: np.ndarray) -> bytes:
    """A PNG file of the image, without loss."""
    from imagecodecs import png_encode

    return bytes(png_encode(grey, level=_LEVEL))


_LEVEL = 4
"""Of zlib: medical slices shrink by a few per cent more at 9, in four times the time."""


def perceptual_hash(image: Image.Image) -> int:
    """64 bits that stay nearly the same when an image is saved with loss, resized or shown brighter.

    Whether each of the 8×8 lowest frequencies of a 32×32 grey thumbnail is above their median, the mean left out of it
    (Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010).
    """
    from PIL.Image import Resampling

    grey = image if image.mode == "L" else image.convert("L")
    small = np.frombuffer(grey.resize((_SIDE, _SIDE), Resampling.BOX).tobytes(), np.uint8)
    small = small.reshape(_SIDE, _SIDE).astype(np.float64)
    basis = _cosines()
    low = (basis @ small @ basis.T).ravel()
    median = np.partition(low[1:], 31)[31]  # of 63
    return int(np.packbits(low > median).view(">u8")[0])


_SIDE = 32


@functools.cache
def _cosines() -> np.ndarray:
    """The first 8 rows of the discrete cosine transform of length 32, float64 `[8,32]`."""
    k, n = np.arange(8)[:, None], np.arange(_SIDE)[None]
    return np.cos(np.pi * k * (2 * n + 1) / (2 * _SIDE))
