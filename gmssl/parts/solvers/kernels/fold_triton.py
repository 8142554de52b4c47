"""The integer tables of `fold_numba` on CUDA: two kernels for the whole batch, nothing returns to the host.

The first names the vertices of an instance and counts; the second has one program for each left edge.
"""

# mypy: disable-error-code="no-untyped-def"
# Triton infers the types of kernels from their arguments; annotations would not be checked by anything.
from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import triton
import triton.language as tl

from gmssl.parts.solvers.kernels.random_triton import scatter_seed, shuffle
from gmssl.parts.solvers.kernels.simd_numba import GAIN_LIMIT
from gmssl.problem import Problem

# What the dearest placement becomes; see `fold_numba.headroom`.
_WHOLE, _WHOLE_MASKED = (tl.constexpr(0.999 * GAIN_LIMIT / parts) for parts in (6, 18))
_PENALTY = tl.constexpr(int(2 * _WHOLE_MASKED.value))
_ROUND = tl.constexpr(1.5 * 2**52)  # what is added to it loses its fraction, to the nearest even integer
_BLOCK = 128


@dataclass(frozen=True)
class Tables:
    """Integer costs of G instances, int32, n×n with dummy columns from m on; rows of `stride` numbers, a multiple of 4.

    `seeds [G]`: int64 bits of the state after naming. `olds [G,2,n]`: the old name of each new one, rows and columns.
    `entry [G,n,n]`: number of an ordered pair of adjacent vertices, else −1. `pairs [G,entries,n,stride]`: cost of i at
    s with k at t. `single [G,n,stride]`: placement. `banned [G,n,n]`: 1 where forbidden; `masked [G]`: whether any is.
    """

    seeds: torch.Tensor
    olds: torch.Tensor
    entry: torch.Tensor
    pairs: torch.Tensor
    single: torch.Tensor
    banned: torch.Tensor
    masked: torch.Tensor


def sizes(n: int, edges: int) -> tuple[int, int]:
    """Entries and stride of `Tables` for n vertices and E left edges."""
    return max(1, min(2 * edges, n * (n - 1))), -(-n // 4) * 4


def width(n: int) -> int:
    """Of the vectors for n vertices; few widths, as kernels are compiled for each."""
    return max(8, triton.next_power_of_2(n))


@triton.jit
def _number(adjacent, WIDTH: tl.constexpr):
    """Number the ones of a matrix of 0 and 1; −1 elsewhere."""
    degree = tl.sum(adjacent, 1)
    first = tl.cumsum(degree, 0) - degree
    return tl.where(adjacent != 0, first[:, None] + tl.cumsum(adjacent, 1) - 1, -1)


@triton.jit
def _count(left, right, most_vertex, most_edge, n, left_edges, right_edges, WIDTH: tl.constexpr):
    """Adjacency of the left vertices, and what the dearest placement costs at most: edges one by one, as on the CPU."""
    k = tl.arange(0, WIDTH)
    i, j = k[:, None], k[None, :]
    repeated = tl.zeros([WIDTH, WIDTH], tl.int32)
    for f in range(right_edges):
        s, t = tl.load(right + 2 * f).to(tl.int32), tl.load(right + 2 * f + 1).to(tl.int32)
        repeated += ((i == s) & (j == t)).to(tl.int32)
    times = tl.max(tl.max(repeated, 1), 0).to(tl.float64)
    dearest = tl.load(most_vertex + k, mask=k < n, other=0.0).to(tl.float64)
    adjacent = tl.zeros([WIDTH, WIDTH], tl.int32)
    for e in range(left_edges):
        tail, head = tl.load(left + 2 * e).to(tl.int32), tl.load(left + 2 * e + 1).to(tl.int32)
        cost = times * tl.load(most_edge + e).to(tl.float64)
        dearest += tl.where((k == tail) | (k == head), cost, 0.0)
        adjacent |= (((i == tail) & (j == head)) | ((i == head) & (j == tail))).to(tl.int32)
    return tl.where(i == j, 0, adjacent), tl.max(dearest, 0)


@triton.jit(do_not_specialize=["n", "m", "left_edges", "right_edges", "seed"])
def _name(
    vertex, allowed, left, right, most_vertex, most_edge, seeds, names, olds, entry, unit, masked,
    n, m, left_edges, right_edges, seed, WIDTH: tl.constexpr,
):  # fmt: skip
    """New names of the vertices of instance `program_id`, its adjacency, and the integer that a cost of 1 becomes."""
    graph = tl.program_id(0).to(tl.int64)
    k = tl.arange(0, WIDTH)
    state = scatter_seed(seed, vertex + graph * n * m, n * m)
    state, rename = shuffle(state, n, WIDTH)
    state, renames = shuffle(state, m, WIDTH)
    tl.store(seeds + graph, state.to(tl.int64, bitcast=True))
    rows, columns = graph * 2 * n, graph * 2 * n + n
    tl.store(names + rows + k, rename, mask=k < n)
    tl.store(names + columns + k, renames, mask=k < m)
    tl.store(olds + rows + rename, k, mask=k < n)
    tl.store(olds + columns + renames, k, mask=k < m)
    adjacent, dearest = _count(
        left + graph * left_edges * 2, right + graph * right_edges * 2, most_vertex + graph * n,
        most_edge + graph * left_edges, n, left_edges, right_edges, WIDTH,
    )  # fmt: skip
    place = rename[:, None] * n + rename[None, :]
    inside = (k < n)[:, None] & (k < n)[None, :]
    tl.store(entry + graph * n * n + place, _number(adjacent, WIDTH), mask=inside)
    cells = allowed + graph * n * m + k[:, None] * m + k[None, :]
    permitted = tl.load(cells, mask=(k < n)[:, None] & (k < m)[None, :], other=1).to(tl.int32)
    forbids = 1 - tl.min(tl.min(permitted, 1), 0)
    tl.store(masked + graph, forbids)
    whole = tl.where(forbids != 0, tl.full([], _WHOLE_MASKED, tl.float64), tl.full([], _WHOLE, tl.float64))
    # The inner selection is for the side not taken, too: `where` computes both, and one would divide by 0.
    tl.store(unit + graph, tl.where(dearest > 0, whole / tl.where(dearest > 0, dearest, 1.0), 1.0))


@triton.jit
def _rounded(cost, unit):
    return ((cost.to(tl.float64) * unit + _ROUND) - _ROUND).to(tl.int32)


@triton.jit
def _fold_vertices(vertex, allowed, names, single, banned, unit, penalty, n, m, stride, WIDTH: tl.constexpr):
    k = tl.arange(0, WIDTH)
    inside = (k < n)[:, None] & (k < m)[None, :]
    old = k[:, None] * m + k[None, :]
    row = tl.load(names + k, mask=k < n, other=0)[:, None]
    column = tl.load(names + n + k, mask=k < m, other=0)[None, :]
    forbidden = 1 - tl.load(allowed + old, mask=inside, other=1).to(tl.int32)
    whole = _rounded(tl.load(vertex + old, mask=inside, other=0.0), unit) + penalty * forbidden
    tl.store(banned + row * n + column, forbidden, mask=inside)
    # Self-loops are added to the same numbers by other programs.
    tl.atomic_add(single + row * stride + column, whole, mask=inside, sem="relaxed")


@triton.jit
def _fold_edge(
    edge, right, names, entry, pairs, single, tail, head, unit, n, stride, right_edges, BLOCK: tl.constexpr
):  # fmt: skip
    i, k = tl.load(names + tail), tl.load(names + head)
    one, other = tl.load(entry + i * n + k), tl.load(entry + k * n + i)
    for begin in range(0, right_edges, BLOCK):
        f = begin + tl.arange(0, BLOCK)
        inside = f < right_edges
        s = tl.load(names + n + tl.load(right + 2 * f, mask=inside, other=0))
        t = tl.load(names + n + tl.load(right + 2 * f + 1, mask=inside, other=0))
        whole = _rounded(tl.load(edge + f, mask=inside, other=0.0), unit)
        if i == k:
            tl.atomic_add(single + i * stride + s, whole, mask=inside & (s == t), sem="relaxed")
        else:
            # Atomic sums come in any order, which integers do not notice; relaxed: nobody reads before the end.
            proper = inside & (s != t)
            tl.atomic_add(pairs + (one * n + s) * stride + t, whole, mask=proper, sem="relaxed")
            tl.atomic_add(pairs + (other * n + t) * stride + s, whole, mask=proper, sem="relaxed")


@triton.jit(do_not_specialize=["n", "m", "stride", "entries", "left_edges", "right_edges"])
def _fold(
    vertex, edge, allowed, left, right, names, entry, unit, masked, pairs, single, banned,
    n, m, stride, entries, left_edges, right_edges, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add the costs of left edge number `program_id`, or of the vertices, to the tables of an instance."""
    graph = (tl.program_id(0) // (left_edges + 1)).to(tl.int64)
    e = tl.program_id(0) % (left_edges + 1)
    names += graph * 2 * n
    single += graph * n * stride
    one = tl.load(unit + graph)
    if e == left_edges:
        penalty = tl.load(masked + graph) * _PENALTY
        _fold_vertices(
            vertex + graph * n * m, allowed + graph * n * m, names, single, banned + graph * n * n, one, penalty,
            n, m, stride, WIDTH,
        )  # fmt: skip
    else:
        ends = left + (graph * left_edges + e) * 2
        _fold_edge(
            edge + (graph * left_edges + e) * right_edges, right + graph * right_edges * 2, names,
            entry + graph * n * n, pairs + graph * entries * n * stride, single,
            tl.load(ends), tl.load(ends + 1), one, n, stride, right_edges, BLOCK,
        )  # fmt: skip


def tabulate(problem: Problem, seed: int) -> Tables:
    """Draw names for the vertices of G problems, n ≥ m, costs in float32, and fold their costs."""
    vertex, edge = problem.costs.vertex.contiguous(), problem.costs.edge.contiguous()
    left, right = problem.topology.left.contiguous(), problem.topology.right.contiguous()
    allowed = problem.topology.allowed.contiguous()
    (graphs, n, m), (left_edges, right_edges) = vertex.shape, edge.shape[1:]
    (entries, stride), warps = sizes(n, left_edges), 4 if n > 32 else 1
    new, whole = vertex.new_empty, torch.int32
    names, olds = new((graphs, 2, n), dtype=whole), new((graphs, 2, n), dtype=whole)
    seeds, masked = new(graphs, dtype=torch.int64), new(graphs, dtype=whole)
    entry, unit = new((graphs, n, n), dtype=whole), new(graphs, dtype=torch.float64)
    pairs = vertex.new_zeros((graphs, entries, n, stride), dtype=whole)
    single, banned = vertex.new_zeros((graphs, n, stride), dtype=whole), vertex.new_zeros((graphs, n, n), dtype=whole)
    # Largest magnitude without a copy of all magnitudes.
    largest = partial(torch.linalg.vector_norm, ord=torch.inf, dim=2)
    most_edge = largest(edge) if right_edges else vertex.new_zeros((graphs, left_edges))
    _name[(graphs,)](
        vertex, allowed, left, right, largest(vertex), most_edge, seeds, names, olds, entry, unit, masked,
        n, m, left_edges, right_edges, seed, WIDTH=width(n), num_warps=warps, enable_fp_fusion=False,
    )  # fmt: skip
    # No fusion, here and above: a fused multiply–add rounds once instead of twice, and not as the CPU does.
    _fold[(graphs * (left_edges + 1),)](
        vertex, edge, allowed, left, right, names, entry, unit, masked, pairs, single, banned,
        n, m, stride, entries, left_edges, right_edges, WIDTH=width(n), BLOCK=_BLOCK,
        num_warps=warps, enable_fp_fusion=False,
    )  # fmt: skip
    return Tables(seeds, olds, entry, pairs, single, banned, masked)
