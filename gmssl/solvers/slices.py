"""Parallel work over a batch with threads of our own.

Not numba's `parallel=True`: its OpenMP layer ends the process when a forked DataLoader worker uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


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

    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()
