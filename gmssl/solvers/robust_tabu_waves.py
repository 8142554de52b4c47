"""Which starts of a robust tabu search may run side by side."""

from __future__ import annotations

from collections.abc import Iterator

from gmssl.solvers.robust_tabu_starts import CROSSOVER_FROM


def recombines(start: int, n: int, starts: int) -> bool:
    """Whether a start of an unmasked instance of n vertices recombines two of all earlier results."""
    return n >= CROSSOVER_FROM and start >= 2 and 2 * start >= starts


def waves(n: int, starts: int, least: int) -> Iterator[tuple[int, int]]:
    """Split the starts 0..starts−1 into ranges [lo, hi) without dependencies among their members, to run in this order.

    Starts that recombine are waves of their own. The waves of the others double from `least` on, so that an instance
    which the agreement rule ends has at most about twice the work it needs.
    """
    lo, alone = 0, [recombines(start, n, starts) for start in range(starts)]
    while lo < starts:
        hi = lo + 1
        while hi < min(starts, lo + max(lo, least)) and not alone[hi] and not alone[lo]:
            hi += 1
        yield lo, hi
        lo = hi
