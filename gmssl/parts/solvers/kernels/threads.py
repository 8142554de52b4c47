"""Parallel work over a batch with threads of our own, and a time limit that kernels can see.

Not numba's `parallel=True`: its OpenMP layer ends the process when a forked DataLoader worker uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Timer

from gmssl.lazy import numpy, torch


def in_slices(run: Callable[[int, int], None], count: int, threads: int) -> None:
    """Call `run(lo, hi)` for slices that cover `range(count)`, about sixteen per thread as instances differ in effort.

    The calling thread is one of them; all take the next slice that nobody has taken.
    """
    if threads == 1 or count <= 1:
        run(0, count)
        return
    step = max(1, -(-count // (16 * threads)))
    starts = iter(range(0, count, step))  # advanced by one thread at a time, as that is a single bytecode

    def work() -> None:
        for lo in starts:
            run(lo, min(lo + step, count))

    # Threads suffice: kernels are compiled with nogil.
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()


@contextmanager
def stopping_after(seconds: float | None) -> Iterator[numpy.ndarray]:
    """An int64 array `[1]` that is 0 until `seconds` have passed, then 1; None: always 0."""
    stop = numpy.zeros(1, numpy.int64)
    if seconds is None:
        yield stop
        return
    timer = Timer(seconds, stop.fill, (1,))
    # A program that ends early must not wait for the limit.
    timer.daemon = True
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()


@contextmanager
def one_thread() -> Iterator[None]:
    """torch, and solvers that ask it how many threads to use, stay on one.

    Its sums do not depend on the number of threads then, times can be compared, and small matrices only wait for more.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
