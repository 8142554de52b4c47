"""`lap_numba.match` for Triton kernels, step by step: the same matching of the same costs, ties included.

Bids first, then shortest alternating paths; rows and columns in the order of their indices. Costs are integers below
2³¹, so that float64 is exact and the order of operations does not matter. All lies in registers.
"""

# mypy: disable-error-code="no-untyped-def"
# Triton infers the types of kernels from their arguments; annotations would not be checked by anything.
from __future__ import annotations

import triton
import triton.language as tl

FORBIDDEN = tl.constexpr(2**31 - 1)  # among the costs
_FREE = tl.constexpr(1 << 20)  # in a key: the column is free; the bits below name it


@triton.jit
def _row(cost, i, WIDTH: tl.constexpr):
    rows = tl.arange(0, WIDTH)[:, None]
    line = tl.sum(tl.where(rows == i, cost, 0), 0)
    return tl.where(line == FORBIDDEN, float("inf"), line.to(tl.float64))


@triton.jit
def _preferred(reach, owner, WIDTH: tl.constexpr):
    """The least distance, and the greatest key among columns at it, −1 if it is infinite."""
    column = tl.arange(0, WIDTH)
    least = tl.min(reach, 0)
    key = tl.where(owner < 0, column + _FREE, column)
    return least, tl.max(tl.where((reach == least) & (reach < float("inf")), key, -1), 0)


@triton.jit
def _search(cost, start, price, owner, WIDTH: tl.constexpr):
    """The shortest alternating path from row `start` to a free column.

    Returns:
        Key of that column (−1: there is none), its distance, which columns were scanned, at which distances, and from
        which row a column is reached.
    """
    column = tl.arange(0, WIDTH)
    reach = _row(cost, start, WIDTH) - price
    passed = tl.zeros([WIDTH], tl.float64)
    scanned = tl.zeros([WIDTH], tl.int32)
    before = tl.zeros([WIDTH], tl.int32) + start
    least, best = _preferred(reach, owner, WIDTH)
    while (best >= 0) & (best < _FREE):
        passed = tl.where(column == best, least, passed)
        scanned = tl.where(column == best, 1, scanned)
        i = tl.sum(tl.where(column == best, owner, 0), 0)
        reduced = _row(cost, i, WIDTH) - price
        offset = tl.sum(tl.where(column == best, reduced, 0.0), 0) - least
        reach = tl.where(scanned != 0, float("inf"), reach)
        through = tl.where(scanned != 0, float("inf"), reduced - offset)
        before = tl.where(through < reach, i, before)
        reach = tl.minimum(through, reach)
        least, best = _preferred(reach, owner, WIDTH)
    return best, least, scanned, passed, before


@triton.jit
def _turn(end, start, before, owner, WIDTH: tl.constexpr):
    """Owners after the columns along the path from row `start` to column `end` have changed hands."""
    column = tl.arange(0, WIDTH)
    here, i = end, start * 0 - 1
    while i != start:
        i = tl.sum(tl.where(column == here, before, 0), 0)
        # Row `start` owns nothing: its sum is 0, and the loop ends.
        former = tl.sum(tl.where(owner == i, column, 0), 0)
        owner = tl.where(column == here, i, owner)
        here = former
    return owner


@triton.jit
def _bids(cost, n, WIDTH: tl.constexpr):
    """Let all rows bid. Returns prices, owners, the rows left, how many they are, and whether all have some column."""
    column = tl.arange(0, WIDTH)
    price = tl.zeros([WIDTH], tl.float64)
    owner = tl.full([WIDTH], -1, tl.int32)
    pending = tl.zeros([WIDTH], tl.int32)
    # Tensors, not constants: what a loop changes must keep its type.
    waiting, budget, possible = n * 0, n, n * 0 + 1
    for k in range(n):
        row = k
        while row >= 0:
            reach = _row(cost, row, WIDTH) - price
            least, best = _preferred(reach, owner, WIDTH)
            j = best & (_FREE - 1)
            second = tl.min(tl.where(column == j, float("inf"), reach), 0)
            former = tl.sum(tl.where(column == j, owner, 0), 0)
            found = best >= 0
            # Why bids stop: see `lap_numba._bids`.
            stuck = found & (former >= 0) & ((least == second) | (second == float("inf")) | (budget == 0))
            placed = found & ~stuck
            pending = tl.where((column == waiting) & stuck, row, pending)
            waiting += stuck.to(tl.int32)
            price = tl.where((column == j) & (placed & (second < float("inf"))), price - (second - least), price)
            owner = tl.where((column == j) & placed, row, owner)
            budget -= (placed & (former >= 0)).to(tl.int32)
            possible = tl.where(found, possible, 0)
            row = tl.where(placed, former, -1)
    return price, owner, pending, waiting, possible


@triton.jit
def match(cost, n, WIDTH: tl.constexpr):
    """Linear assignment of n rows and n columns.

    Args:
        cost: `[WIDTH,WIDTH]` int32, FORBIDDEN for pairs that are, and from row and column n on.
        n: int32.

    Returns:
        The row of each column, `[WIDTH]` int32, and whether there is a matching, 0 or 1.
    """
    column = tl.arange(0, WIDTH)
    price, owner, pending, waiting, possible = _bids(cost, n, WIDTH)
    for k in range(waiting):
        start = tl.sum(tl.where(column == k, pending, 0), 0)
        best, least, scanned, passed, before = _search(cost, start, price, owner, WIDTH)
        if best >= 0:
            price = tl.where(scanned != 0, price - tl.maximum(least - passed, 0.0), price)
            owner = _turn(best & (_FREE - 1), start, before, owner, WIDTH)
        else:
            possible = n * 0
    return owner, possible
