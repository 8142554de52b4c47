"""Python's search for reference cycles, put off while much is made that stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No cyclic garbage is collected inside.

    Each full collection walks every object of the imported libraries, half a million of them: a third of a second.
    Imports and drawings make many small objects, so that they bring about several, and nearly nothing is freed.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
