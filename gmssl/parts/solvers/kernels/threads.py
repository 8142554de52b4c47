"""Parallel work over a batch with threads of our own, and a flag that ends kernels early: at a time limit, by Ctrl-C.

Not numba's `parallel=True`: its OpenMP layer ends the process when a forked DataLoader worker uses it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread, Timer
from time import perf_counter

from gmssl.lazy import numpy, torch

LONG = 0.25  # seconds of work from which on the caller waits beside it, for Ctrl-C; a thread takes 0.1 ms to start
GLANCE = 0.01  # seconds between two looks at the flag of a caller


def in_slices(
    run: Callable[[int, int], None],
    count: int,
    threads: int,
    stop: numpy.ndarray | None = None,
    effort: float = 0.0,
) -> None:
    """Call `run(lo, hi)` for slices that cover `range(count)`, about sixteen per thread as instances differ in effort.

    All threads take the next slice that nobody has taken. The calling thread is one of them, unless the work is long:
    Python raises `KeyboardInterrupt` in the main thread between two of its own instructions, so never within a kernel.

    Args:
        run: of a slice; it must do with an empty one, too.
        count: how much there is to do.
        threads: how many work, at least 1.
        stop: of `stopping_after`, polled by `run`; raised once anything raises, here or in `run`, so that slices which
            are under way end. None: they are waited for.
        effort: about how many seconds one thread would need for all.
    """
    threads = max(1, min(threads, count))
    aside = stop is not None and effort > LONG * threads
    if not aside and threads == 1:
        run(0, count)
        return
    if aside:
        run(0, 0)  # what is not compiled yet is compiled here, where it can be interrupted
    step = max(1, -(-count // (16 * threads)))
    starts = iter(range(0, count, step))  # advanced by one thread at a time, as that is a single bytecode

    def work() -> None:
        try:
            for lo in starts:
                run(lo, min(lo + step, count))
        except BaseException:
            give_up()
            raise

    def give_up() -> None:
        deque(starts, maxlen=0)  # nobody takes another slice
        if stop is not None:
            stop.fill(1)

    # Threads suffice: kernels are compiled with nogil.
    helpers = threads if aside else threads - 1
    with ThreadPoolExecutor(helpers) as pool:
        try:
            others = [pool.submit(work) for _ in range(helpers)]
            if not aside:
                work()
            for other in others:
                other.result()
        except BaseException:
            give_up()
            raise


def unstopped() -> numpy.ndarray:
    """A flag `[1]`, int64, that is 0: anything else ends the kernels that poll it."""
    return numpy.zeros(1, numpy.int64)


@contextmanager
def stopping_after(seconds: float | None, outer: numpy.ndarray | None = None) -> Iterator[numpy.ndarray]:
    """A flag as `unstopped` gives it that is 1 once `seconds` have passed, at once if they are not above 0; None: 0.

    It is 1, too, once `outer`, the flag of whoever called, is not 0.
    """
    if seconds is None and outer is not None:
        yield outer
        return
    stop = unstopped()
    if seconds is None or seconds <= 0:
        stop.fill(seconds is not None)
        yield stop
        return
    timer = Timer(seconds, stop.fill, (1,)) if outer is None else _Watch(seconds, stop, outer)
    # A program that ends early must not wait for the limit.
    timer.daemon = True
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()


class _Watch(Thread):
    """A timer that ends early where the flag `outer` says so."""

    def __init__(self, seconds: float, stop: numpy.ndarray, outer: numpy.ndarray) -> None:
        super().__init__()
        self._until, self._flag, self._outer, self._over = perf_counter() + seconds, stop, outer, Event()
        stop.fill(bool(outer[0]))

    def run(self) -> None:
        while not self._over.wait(min(GLANCE, max(0.0, self._until - perf_counter()))):
            if self._outer[0] or perf_counter() >= self._until:
                self._flag.fill(1)
                break

    def cancel(self) -> None:
        """The flag is not looked at any more."""
        self._over.set()


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
