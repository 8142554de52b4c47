"""A time limit for kernels, which cannot read a clock: they look at a number that a timer changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from gmssl.lazy import numpy


@contextmanager
def stopping_after(seconds: float | None) -> Iterator[numpy.ndarray]:
    """An int64 array `[1]` that is 0 until `seconds` have passed, then 1; None: always 0."""
    stop = numpy.zeros(1, numpy.int64)
    if seconds is None:
        yield stop
        return
    timer = Timer(seconds, stop.fill, (1,))
    timer.daemon = True
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()
