"""Several runs of a sweep at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from gmssl.sweeping.process import stop_all, stoppable

Result = TypeVar("Result")


def in_order_of_ending(
    do: Callable[[int], Result], number: int, jobs: int
) -> Generator[tuple[int, Result], None, None]:
    """`(i, do(i))` for i in 0..number−1, started in this order, `jobs` at a time, as soon as each has ended.

    One at a time stays in the calling thread. When the caller is interrupted, or closes the iterator, no further one is
    started, and the commands in progress are stopped as `run_command` stops its own.
    """
    if jobs == 1:
        for at in range(number):
            yield at, do(at)
        return
    # A run is bound to the thread that started it (`parentage`): threads live as long as the pool.
    with stoppable(), ThreadPoolExecutor(jobs) as pool:
        try:
            waiting: dict[Future[Result], int] = {}
            following = 0
            while waiting or following < number:
                while following < number and len(waiting) < jobs:
                    waiting[pool.submit(do, following)] = following
                    following += 1
                # Without a timeout, a signal would not be seen before a run ends.
                for future in wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
        except BaseException:
            for future in waiting:
                future.cancel()
            stop_all()
            raise
