"""Tables of a large problem are refused before they are allocated, if the machine has no room for them."""

from __future__ import annotations

from gmssl.errors import ProblemError
from gmssl.system.machine import available_memory

_NEGLIGIBLE = 2**28
"""Bytes that are not worth asking the system about, once for each step of a training."""


def refuse_without_room(size: int, what: str, remedy: str) -> None:
    """Refuse tables that this process cannot hold in main memory.

    Args:
        size: bytes, of all of them together.
        what: the tables, in the plural, with the numbers that make them so large.
        remedy: what to do instead, the end of a sentence.

    Raises:
        ProblemError: there is less memory available than `size`.
    """
    if size < _NEGLIGIBLE:
        return
    available = available_memory()
    if available is not None and size > available:
        raise ProblemError(
            f"{what} need {size / 2**30:.1f} GiB of memory, and {available / 2**30:.1f} GiB are available; {remedy}."
        )
