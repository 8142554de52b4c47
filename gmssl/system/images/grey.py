"""From values of a scanner to grey or colour."""

from __future__ import annotations

from gmssl.lazy import numpy


def grey_of(
    values: numpy.ndarray,
    bounds: tuple[float, float],
    *,
    inverted: bool = False,
    valid: numpy.ndarray | None = None,
    bits: int = 8,
) -> numpy.ndarray:
    """Values as an image: lower bound black, upper bound white, rounded to the nearest step.

    Args:
        values: `[H,W]` or `[H,W,3]`.
        bounds: lower below upper.
        inverted: the lower bound is white.
        valid: bool `[H,W]`; what is not valid becomes black, and so does what is not a number.
        bits: 8 or 16.

    Returns:
        uint8 or, with 16 bits, uint16, of the shape of the values; the values themselves where nothing changes.
    """
    top = 2**bits - 1
    unsigned = numpy.uint8 if bits == 8 else numpy.uint16
    if values.dtype == unsigned and bounds == (0, top):
        grey = values
    else:
        lower, upper = bounds
        if upper - lower == numpy.inf:
            values, lower, upper = values / 2, lower / 2, upper / 2
        scaled = values.astype(numpy.float64)
        with numpy.errstate(over="ignore", invalid="ignore"):  # far outside of the window
            scaled -= lower
            scaled *= top / (upper - lower)
        numpy.clip(scaled, 0, top, out=scaled)
        if numpy.issubdtype(values.dtype, numpy.inexact):
            scaled[numpy.isnan(scaled)] = 0
        grey = numpy.rint(scaled, out=scaled).astype(unsigned)
    if inverted:
        grey = top - grey
    if valid is not None:
        grey = numpy.where(valid if grey.ndim == 2 else valid[..., None], grey, unsigned(0))
    return numpy.ascontiguousarray(grey)
