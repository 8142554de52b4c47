"""Work that leaves Python's lock alone, in as many threads as there are cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gmssl.system.machine import cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What `work` gives for each item, in their order.

    Threads of a compiled loop wait for each other at its end, which takes ten times as long as the loop where other
    programs run; these do not, and libraries of linear algebra keep to one thread each meanwhile.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(work, items))
