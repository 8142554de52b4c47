"""Parallel work over a batch with threads of our own.

Not numba's `parallel=True`: its OpenMP layer ends the process when a forked DataLoader worker uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def in_slices(run: Callable[[int, int], None], count: int, threads: int) -> None:
    """Call `run(lo, hi)` for slices that cover `range(count)`, about four per thread as instances differ in effort."""
    if threads == 1 or count == 1:
        run(0, count)
        return
    step = max(1, -(-count // (4 * threads)))
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(run, lo, min(lo + step, count)) for lo in range(0, count, step)]:
            done.result()
