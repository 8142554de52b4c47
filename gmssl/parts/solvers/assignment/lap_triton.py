"""Linear assignment on CUDA: one kernel, one program an instance, nothing returns to the host.

The duality is that of `lap_numba`, the method only its second half: each row is placed by a
shortest alternating path. Prices, distances and owners of all columns are vectors in registers, so that a step of the
search is one row of costs, read from the cache, and three reductions within a warp. Float64, whatever the costs are.

Equal distances are decided as there: free columns first, then by random numbers that follow from the costs.

With `TRITON_INTERPRET=1` in the environment before the import, the kernel runs on the CPU, for tests.
"""

# mypy: disable-error-code="no-untyped-def"
# Triton infers the types of kernels from their arguments; annotations would not be checked by anything.
from __future__ import annotations

import torch
import triton
import triton.language as tl

LARGEST = 1024  # columns and rows take 10 bits each in the keys below

# A key decides among columns at equal distance and brings along what is needed next, in one reduction:
# bit 62: the column is free; bits 20–61: random; 10–19: the row that owns it; 0–9: the column itself.
_FREE = tl.constexpr(1 << 62)
_NAME = tl.constexpr(1023)

# Odd constants of splitmix64 (Steele, Lea & Flood 2014).
_GOLDEN = tl.constexpr(0x9E3779B97F4A7C15)
_MIX1 = tl.constexpr(0xBF58476D1CE4E5B9)
_MIX2 = tl.constexpr(0x94D049BB133111EB)


@triton.jit
def _mix(x):
    x = (x ^ (x >> 30)) * _MIX1
    x = (x ^ (x >> 27)) * _MIX2
    return x ^ (x >> 31)


@triton.jit
def _draw(costs, short, stride, inside, seed, WIDTH: tl.constexpr):
    """A random number of the instance whose columns `costs [WIDTH]` points at."""
    place = tl.arange(0, WIDTH).to(tl.uint64)
    total = tl.zeros([WIDTH], tl.uint64)
    i = short * 0
    while i < short:  # Triton 3.6 cannot interpret a range that ends at a tensor
        row = tl.load(costs + i * stride, mask=inside, other=0.0).to(tl.float64)
        total += _mix(row.to(tl.uint64, bitcast=True) + (place + (i * WIDTH + 1)) * _GOLDEN)
        i += 1
    return _mix(tl.sum(total, 0) ^ seed)


@triton.jit
def _search(costs, allowed, cost_stride, allow_stride, start, price, owner, names, inside, WIDTH: tl.constexpr):
    """The shortest alternating path from row `start` to a free column.

    Returns:
        Key of that column (−1: there is none), its distance, distances and scanned columns `[WIDTH]`, and `before`: the
        row from which a column is reached and, plus one and shifted by ten bits, that row's own column.
    """
    column = tl.arange(0, WIDTH)
    reach = tl.full([WIDTH], float("inf"), tl.float64)
    scanned = tl.zeros([WIDTH], tl.int32)
    before = tl.zeros([WIDTH], tl.int32)
    key = tl.where(owner < 0, names | _FREE, names | (owner.to(tl.int64) << 10))
    row, here, best = start, start * 0 - 1, start.to(tl.int64) * 0
    least = tl.zeros([], tl.float64)
    while (best >= 0) & (best < _FREE):
        permitted = tl.load(allowed + row * allow_stride, mask=inside, other=0) != 0
        cost = tl.load(costs + row * cost_stride, mask=permitted, other=float("inf")).to(tl.float64)
        reduced = cost - price
        # `here` is −1 at first, no column: own is 0, and the first row needs no case of its own.
        own = tl.sum(tl.where(column == here, reduced, 0.0), 0)
        through = reduced - (own - least)
        better = (through < reach) & (scanned == 0)
        reach = tl.where(better, through, reach)
        before = tl.where(better, ((here + 1) << 10) | row, before)
        ahead = tl.where(scanned == 0, reach, float("inf"))
        least = tl.min(ahead, 0)
        best = tl.max(tl.where((ahead == least) & (ahead < float("inf")), key, -1), 0)
        here = (best & _NAME).to(tl.int32)
        row = ((best >> 10) & _NAME).to(tl.int32)
        scanned = tl.where((column == here) & (best < _FREE), 1, scanned)
    return best, least, reach, scanned, before


@triton.jit
def _turn(end, before, owner, WIDTH: tl.constexpr):
    """Owners after the columns along the path to column `end` have changed hands."""
    column = tl.arange(0, WIDTH)
    here = end
    while here >= 0:
        link = tl.sum(tl.where(column == here, before, 0), 0)
        owner = tl.where(column == here, link & _NAME, owner)
        here = (link >> 10) - 1
    return owner


@triton.jit
def _assign(
    costs, allowed, columns, short, long, seed,
    cost_graph, cost_row, cost_column, allow_graph, allow_row, allow_column,
    TURNED: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Solve instance `program_id`; ROWS and WIDTH are the next powers of two of the sizes `short` and `long`."""
    graph = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, WIDTH)
    inside = column < long
    costs += graph * cost_graph + column * cost_column
    allowed += graph * allow_graph + column * allow_column
    random = _draw(costs, short, cost_row, inside, seed.to(tl.uint64), WIDTH)
    # 42 random bits, those of a key between the mark of free columns and the owner.
    names = _mix(random + (column + 3).to(tl.uint64) * _GOLDEN) >> 22
    names = (names.to(tl.int64) << 20) | column
    # Rows in the order of a random affine map of 0..ROWS−1: for an odd factor a permutation.
    factor = (_mix(random + _GOLDEN) & (ROWS - 1)).to(tl.int32) | 1
    offset = (_mix(random) & (ROWS - 1)).to(tl.int32)
    price = tl.zeros([WIDTH], tl.float64)
    owner = tl.full([WIDTH], -1, tl.int32)
    possible = offset * 0 + 1
    for k in range(ROWS):
        start = (factor * k + offset) & (ROWS - 1)
        if (start < short) & (possible != 0):
            best, least, reach, scanned, before = _search(
                costs, allowed, cost_row, allow_row, start, price, owner, names, inside, WIDTH
            )
            possible = (best >= 0).to(tl.int32)
            reached = tl.where(possible != 0, least, 0.0)
            # At least 0: rounding must not make a price positive.
            price -= tl.where(scanned != 0, tl.maximum(reached - reach, 0.0), 0.0)
            owner = _turn(tl.where(possible != 0, (best & _NAME).to(tl.int32), -1), before, owner, WIDTH)
    owner = tl.where(possible != 0, owner, -1)
    # Owners are the answer where rows are the longer side; else they are scattered.
    if TURNED:
        tl.store(columns + graph * long + column, owner.to(tl.int64), mask=inside)
    else:
        tl.store(columns + graph * short + owner, column.to(tl.int64), mask=inside & (owner >= 0))


def assign_on_device(costs: torch.Tensor, allowed: torch.Tensor, seed: int) -> torch.Tensor:
    """`gmssl.parts.solvers.assignment.lap.assign` for n, m ≤ LARGEST, without synchronisation with the host.

    Args:
        costs: `[G,n,m]` floating point, of any strides.
        allowed: bool `[G,n,m]`, of any strides.
        seed: of the choice among ties, in 0..2³¹−1.

    Returns:
        Columns int64 `[G,n]`; −1 where unmatched, and in all rows where the mask permits no matching.
    """
    graphs, n, m = costs.shape
    columns = torch.full((graphs, n), -1, dtype=torch.int64, device=costs.device)
    if graphs == 0:
        return columns
    turned = n > m
    cost_graph, *cost_strides = costs.stride()
    allow_graph, *allow_strides = allowed.stride()
    if turned:
        cost_strides.reverse()
        allow_strides.reverse()
    width = triton.next_power_of_2(max(n, m))
    with torch.cuda.device_of(costs):
        _assign[(graphs,)](
            costs, allowed, columns, min(n, m), max(n, m), seed,
            cost_graph, *cost_strides, allow_graph, *allow_strides,
            TURNED=turned, ROWS=triton.next_power_of_2(min(n, m)), WIDTH=width,
            num_warps=max(1, width // 128), enable_fp_fusion=False,
        )  # fmt: skip
    return columns
