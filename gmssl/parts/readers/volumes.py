"""What readers of volumes share: the order of axes, placement in space, scaled values, and sizes that can be true."""

from __future__ import annotations

from collections.abc import Sequence

from gmssl.lazy import numpy
from gmssl.parts.readers.files import RefusedError

RAS_TO_LPS = (-1.0, -1.0, 1.0, 1.0)
MOST_COMPRESSED = 1032
"""Deflate makes at most so many bytes of one (zlib's documentation); no file holds more values than that."""

_FLOAT32 = 3.4e38


def placed(affine: numpy.ndarray, shape: Sequence[int]) -> numpy.ndarray | None:
    """An affine of (k, row, column), or None where it says no place in space: not finite, or flat.

    A single slice without a thickness is given one of 1 mm along its normal, so that its pixels have a place.

    Args:
        affine: float64 `[4,4]` in LPS.
        shape: number of slices, rows and columns.
    """
    affine = numpy.array(affine, dtype=numpy.float64)
    if not numpy.isfinite(affine).all():
        return None
    if shape[0] == 1 and not affine[:3, 0].any():
        normal = numpy.cross(affine[:3, 2], affine[:3, 1])
        length = numpy.linalg.norm(normal)
        affine[:3, 0] = normal / length if length > 0 else 0.0
    sizes = numpy.linalg.norm(affine[:3, :3], axis=0)
    if not sizes.all() or abs(numpy.linalg.det(affine[:3, :3] / sizes)) < 1e-6:
        return None
    return affine


def is_real(type_: numpy.dtype) -> bool:
    """Whether values are whole numbers, fractions, or true and false."""
    return any(numpy.issubdtype(type_, of) for of in (numpy.integer, numpy.floating, numpy.bool_))


def finite(values: numpy.ndarray) -> numpy.ndarray | None:
    """Where values are finite, None where all are.

    Args:
        values: `[K,H,W]`, or whole numbers of any shape.

    Raises:
        RefusedError: none is.
    """
    if not numpy.issubdtype(values.dtype, numpy.floating):
        return None
    valid = numpy.isfinite(values)
    if valid.all():
        return None
    if not valid.any():
        raise RefusedError("none of its values is finite")
    return valid


def scaled(raw: numpy.ndarray, slope: float, intercept: float) -> numpy.ndarray:
    """slope · raw + intercept in the smallest type that holds it.

    Without a scale the type stays. Whole numbers under a scale of whole numbers stay whole, in 16 or 32 bits where they
    fit; other types of up to 16 bits, and float32, become float32, rounded once; the rest float64.
    """
    type_ = raw.dtype.newbyteorder("=") if raw.dtype.itemsize <= 8 else numpy.dtype(numpy.float64)
    raw = raw.astype(type_, copy=False)
    if (slope, intercept) == (1, 0) or not raw.size:
        return raw
    given = raw if numpy.issubdtype(type_, numpy.integer) else raw[numpy.isfinite(raw)]
    ends = [float(end) * slope + intercept for end in (given.min(initial=0), given.max(initial=0))]
    values = numpy.empty(raw.shape, _type_of(type_, slope, intercept, ends))
    for plane, out in zip(raw, values, strict=True):  # float64 for one plane at a time
        out[...] = plane.astype(numpy.float64) * slope + intercept
    return values


def _type_of(type_: numpy.dtype, slope: float, intercept: float, ends: list[float]) -> type[numpy.generic]:
    """Of scaled values between these ends."""
    small = type_.itemsize <= 2 or type_ == numpy.float32
    if numpy.issubdtype(type_, numpy.integer) and float(slope).is_integer() and float(intercept).is_integer():
        for whole in (numpy.int16, numpy.int32):
            if numpy.iinfo(whole).min <= min(ends) and max(ends) <= numpy.iinfo(whole).max:
                return whole
    return numpy.float32 if small and max(map(abs, ends)) < _FLOAT32 else numpy.float64


def check_size(expected: int, size: int, compressed: bool) -> None:
    """Refuse files that cannot hold what their header says, before memory is asked for.

    Args:
        expected: bytes of the values.
        size: bytes of the file that holds them.
        compressed: whether it is compressed.
    """
    if expected > (size * MOST_COMPRESSED if compressed else size):
        raise RefusedError(f"it is truncated: its header speaks of {expected} bytes, the file has {size}")
