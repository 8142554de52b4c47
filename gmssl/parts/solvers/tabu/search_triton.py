"""Robust tabu search on CUDA: one program a search, all its iterations in one launch, nothing returns to the host.

The search of `search_numba`, equal to it bit by bit. Its state is in location order, too, here as matrices in
registers (s, t locations, k = at[s] and i = at[t] the vertices there):

    rows[s, t]   placing k at t, all others where they are
    pair[s, t]   pair[s, t] + pair[t, s] is what k and i cost each other now and after a swap, if they are adjacent
    until[s, t]  first iteration at which k may go to t again; for blanks and dummies see `search_numba`

so that the gain of a swap is the sum of a matrix and its transpose. A swap exchanges two rows, adds differences of rows
of D to the rows of the neighbours (all at once, from the cache), and draws up `pair` of the two vertices anew.

Unlike there, starts that do not depend on each other run side by side, see `starts_numba.waves`; a wave that the
agreement rule makes needless ends at once. Which starts count is decided in their order, so the answer is the same.

With `TRITON_INTERPRET=1` in the environment before the import, the kernels run on the CPU, for tests.
"""

# mypy: disable-error-code="no-untyped-def"
# Triton infers the types of kernels from their arguments; annotations would not be checked by anything.
from __future__ import annotations

import torch
import triton
import triton.language as tl

from gmssl.parts.solvers.kernels import simd_numba
from gmssl.parts.solvers.kernels.fold_triton import sizes, tabulate, width
from gmssl.parts.solvers.kernels.random_triton import below
from gmssl.parts.solvers.tabu import search_numba as robust_tabu_numba
from gmssl.parts.solvers.tabu.starts_numba import recombines, waves
from gmssl.parts.solvers.tabu.starts_triton import NOTHING, answer, begin
from gmssl.problem import Problem, Topology

LARGEST = 64  # vertices: the state of a search must fit into registers
RESIDENT = 12  # warps of a search on a multiprocessor: 65536 registers, some 150 a thread
MEMORY = 2**30  # bytes of tables at a time; larger batches are solved in parts

_NEVER = tl.constexpr(int(simd_numba.NEVER))
_TABU = tl.constexpr(int(simd_numba.TABU))
_TWICE_TABU = tl.constexpr(2 * int(simd_numba.TABU) - simd_numba.GAIN_LIMIT)


@triton.jit
def _moved(pairs, adjacent, old, new, n, stride, WIDTH: tl.constexpr):
    """What a vertex adds to all rows by going from `old` to `new`; `adjacent [WIDTH]`: its entries with `at`, or −1."""
    t = tl.arange(0, WIDTH)[None, :]
    entry = adjacent[:, None]
    cells = pairs + entry * n * stride + t
    mask = (entry >= 0) & (t < stride)
    return tl.load(cells + new * stride, mask=mask, other=0) - tl.load(cells + old * stride, mask=mask, other=0)


@triton.jit
def _paired(pairs, adjacent, here, n, stride, WIDTH: tl.constexpr):
    """What a vertex at `here` and the others cost each other, now and after a swap, `[WIDTH]`."""
    t = tl.arange(0, WIDTH)
    cells, mask = pairs + adjacent * n * stride, adjacent >= 0
    now = tl.load(cells + here * stride + t, mask=mask, other=0)
    return now + tl.load(cells + t * stride + here, mask=mask, other=0)


@triton.jit
def _swapped(matrix, a, b, WIDTH: tl.constexpr):
    """The matrix with its rows a and b exchanged."""
    s = tl.arange(0, WIDTH)[:, None]
    # Registers have no index. A masked sum reads a row, exactly, as all other terms are 0.
    one, other = tl.sum(tl.where(s == a, matrix, 0), 0), tl.sum(tl.where(s == b, matrix, 0), 0)
    return tl.where(s == a, other[None, :], tl.where(s == b, one[None, :], matrix))


@triton.jit
def _exchanged(vector, a, b, WIDTH: tl.constexpr):
    """The vector with its numbers a and b exchanged."""
    k = tl.arange(0, WIDTH)
    one, other = tl.sum(tl.where(k == a, vector, 0), 0), tl.sum(tl.where(k == b, vector, 0), 0)
    return tl.where(k == a, other, tl.where(k == b, one, vector))


@triton.jit
def _swap(a, b, at, rows, pair, until, entry, pairs, n, stride, WIDTH: tl.constexpr):
    """Swap the vertices at locations a < b."""
    k = tl.arange(0, WIDTH)
    s, t = k[:, None], k[None, :]
    i, j = tl.sum(tl.where(k == a, at, 0), 0), tl.sum(tl.where(k == b, at, 0), 0)
    at = _exchanged(at, a, b, WIDTH)
    of_i = tl.load(entry + i * n + at, mask=k < n, other=-1)
    of_j = tl.load(entry + j * n + at, mask=k < n, other=-1)
    rows = _swapped(rows, a, b, WIDTH)
    rows += _moved(pairs, of_i, a, b, n, stride, WIDTH) + _moved(pairs, of_j, b, a, n, stride, WIDTH)
    # Each pair once: that of i and j in row b.
    one = tl.where(k == b, 0, _paired(pairs, of_j, a, n, stride, WIDTH))[None, :]
    other = _paired(pairs, of_i, b, n, stride, WIDTH)[None, :]
    pair = tl.where((t == a) | (t == b), 0, pair)
    pair = tl.where(s == a, one, tl.where(s == b, other, pair))
    return at, rows, pair, _swapped(until, a, b, WIDTH)


@triton.jit
def _prepare(at, places, entry, pairs, single, n, stride, WIDTH: tl.constexpr):
    """`rows`, `pair` and the energy of the assignment `at [WIDTH]`, which `places` points at."""
    k = tl.arange(0, WIDTH)
    s, t = k[:, None], k[None, :]
    alone = tl.load(single + at[:, None] * stride + t, mask=(s < n) & (t < stride), other=0)
    rows = alone
    # One vertex after the other: what all of them add is a cube, for which there are no registers.
    for q in range(n):
        adjacent = tl.load(entry + tl.load(places + q) * n + at, mask=k < n, other=-1)[:, None]
        cells = pairs + (adjacent * n + q) * stride + t
        rows += tl.load(cells, mask=(adjacent >= 0) & (t < stride), other=0)
    twice = tl.sum(tl.sum(tl.where(s == t, alone + rows, 0), 0).to(tl.int64), 0)
    both = (s < n) & (s < t) & (t < n)
    adjacent = tl.load(entry + at[:, None] * n + at[None, :], mask=both, other=-1)
    cells, both = pairs + adjacent * n * stride, adjacent >= 0
    pair = tl.load(cells + s * stride + t, mask=both, other=0) + tl.load(cells + t * stride + s, mask=both, other=0)
    return rows, pair, twice >> 1


@triton.jit
def _least_swap(rows, pair, until, blank, iteration, aspiration, n, m, WIDTH: tl.constexpr):
    """Gain of the best swap that is not tabu on both sides, or gains more than `aspiration`; and its locations."""
    k = tl.arange(0, WIDTH)
    s, t = k[:, None], k[None, :]
    own = tl.sum(tl.where(s == t, rows, 0), 0)
    change = rows + pair - own[None, :] + tl.where(until > iteration, _TABU, 0)
    # As in `simd_numba`: gains stay below half a TABU, so that the sum tells two marks from one.
    marked = change + tl.trans(change)
    gain = (marked << 3) >> 3
    # Neither two dummies nor two blanks are swapped.
    possible = (s < t) & (s < m) & (t < n) & ((blank[:, None] & blank[None, :]) == 0)
    possible &= (marked < _TWICE_TABU) | (gain < aspiration)
    gain = tl.where(possible, gain, _NEVER)
    least = tl.min(tl.min(gain, 0), 0)
    # The order of `swap_blocks`: block, row and column of it.
    code = ((s >> 3) << 9) | ((t >> 3) << 6) | ((s & 7) << 3) | (t & 7)
    code = tl.where(gain == least, code, _NEVER)
    best = tl.min(tl.min(code, 0), 0)
    return least, ((best >> 9) << 3) | ((best >> 3) & 7), (((best >> 6) & 7) << 3) | (best & 7)


@triton.jit
def _blank(at, entry, single, banned, n, stride, WIDTH: tl.constexpr):
    """1 where the vertex at a location has neither edges nor costs, else 0."""
    k = tl.arange(0, WIDTH)
    i, s = at[:, None], k[None, :]
    inside = (k[:, None] < n) & (s < n)
    busy = (tl.load(entry + i * n + s, mask=inside, other=-1) >= 0).to(tl.int32)
    busy |= (tl.load(single + i * stride + s, mask=inside, other=0) != 0).to(tl.int32)
    busy |= tl.load(banned + i * n + s, mask=inside, other=0).to(tl.int32)
    return 1 - tl.max(busy, 1)


@triton.jit
def _permitted(banned, masked, at, n, WIDTH: tl.constexpr):
    """1 if the mask permits the assignment, else 0."""
    k = tl.arange(0, WIDTH)
    return 1 - tl.max(tl.load(banned + at * n + k, mask=k < tl.where(masked != 0, n, 0), other=0), 0)


# Sizes change with the batch: specialised, the kernel would be compiled anew for 1 and for multiples of 16.
@triton.jit(
    do_not_specialize=["n", "m", "stride", "entries", "lo", "count", "starts", "iterations", "shortest", "longest"]
)
def _search(
    entry, pairs, single, banned, masked, states, places, energies, best,
    n, m, stride, entries, lo, count, starts, iterations, shortest, longest, WIDTH: tl.constexpr,
):  # fmt: skip
    """Search from one of the starts lo..lo+count−1 of an instance; see `begin`."""
    graph = (tl.program_id(0) // count).to(tl.int64)
    place = graph * starts + lo + tl.program_id(0) % count
    state = tl.load(states + place).to(tl.uint64, bitcast=True)
    if state != 0:
        k = tl.arange(0, WIDTH)
        # A promise that lets the compiler load four numbers at a time.
        stride = tl.multiple_of(stride, 4)
        entry += graph * n * n
        pairs += graph * entries * n * stride
        banned += graph * n * n
        forbids = tl.load(masked + graph)
        places += place * n
        at = tl.load(places + k, mask=k < n, other=0)
        rows, pair, energy = _prepare(at, places, entry, pairs, single + graph * n * stride, n, stride, WIDTH)
        blank = _blank(at, entry, single + graph * n * stride, banned, n, stride, WIDTH)
        until = tl.where((blank[:, None] != 0) & (k[None, :] >= m), _NEVER, tl.zeros([WIDTH, WIDTH], tl.int32))
        several = (n - m > 1) | (tl.sum(tl.where(k < n, blank, 0), 0) > 1)
        chosen, level = at, energy
        kept = tl.where(_permitted(banned, forbids, at, n, WIDTH) != 0, energy, NOTHING)
        for iteration in range(1, iterations + 1):
            aspiration = tl.maximum(level - energy, -_NEVER).to(tl.int32)
            gain, a, b = _least_swap(rows, pair, until, blank, iteration, aspiration, n, m, WIDTH)
            if gain != _NEVER:
                blank = _exchanged(blank, a, b, WIDTH)
                at, rows, pair, until = _swap(a, b, at, rows, pair, until, entry, pairs, n, stride, WIDTH)
                state, one = below(state, longest - shortest + 1)
                state, other = below(state, longest - shortest + 1)
                until = _marked(until, blank, several, b, a, iteration + 1 + shortest + one, m, WIDTH)
                until = _marked(until, blank, several, a, b, iteration + 1 + shortest + other, m, WIDTH)
                energy += gain
                level = tl.minimum(level, energy)
                if energy < kept:  # noqa: SIM102 (Triton has no lazy `and`)
                    if _permitted(banned, forbids, at, n, WIDTH) != 0:
                        kept = energy
                        chosen = at
        tl.store(energies + place, kept)
        tl.store(best + place * n + chosen, k, mask=k < n)


@triton.jit
def _marked(until, blank, several, s, t, iteration, m, WIDTH: tl.constexpr):
    """`until` where the vertex at s may go to t again from an iteration on; `several` blanks or dummies share it."""
    k = tl.arange(0, WIDTH)
    rows, columns = k == s, k == t
    if several:
        idle = tl.sum(tl.where(k == s, blank, 0), 0)
        rows = tl.where(idle != 0, (blank != 0) & (t < m), rows)
        columns = tl.where(t >= m, k >= m, columns)
    return tl.where(rows[:, None] & columns[None, :], iteration, until)


def search(problem: Problem, starts: int, iterations: int, agree: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Solve G problems of LARGEST ≥ n ≥ m with costs in float32; `agree` = 0 switches that rule off.

    Returns:
        Columns `[G,n]` (≥ m: unmatched; −1: the mask permits no matching), agreed `[G]`: by that rule.
    """
    graphs, n, _ = problem.costs.vertex.shape
    edges = problem.topology.left.shape[1]
    entries, stride = sizes(n, edges)
    # Tables that fit into MEMORY, and grids of at most 2³⁰ programs: CUDA takes fewer than 2³¹.
    step = max(1, min(MEMORY // (4 * entries * n * stride), 2**30 // max(edges + 1, starts)))
    parts = []
    with torch.cuda.device_of(problem.costs.vertex):
        for lo in range(0, graphs, step):
            part = problem if graphs <= step else _part(problem, slice(lo, lo + step))
            parts.append(_search_part(part, starts, iterations, agree, seed))
    columns, agreed = zip(*parts, strict=True)
    return torch.cat(columns), torch.cat(agreed)


def _part(problem: Problem, instances: slice) -> Problem:
    topology = problem.topology
    left, right, allowed = (x[instances] for x in (topology.left, topology.right, topology.allowed))
    return Problem(problem.costs.map(lambda x: x[instances]), Topology(left, right, allowed))


def _search_part(
    problem: Problem, starts: int, iterations: int, agree: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    (graphs, n, m), new = problem.costs.vertex.shape, problem.costs.vertex.new_empty
    tables, (shortest, longest) = tabulate(problem, seed), robust_tabu_numba.tenure(n)
    entries, stride = tables.pairs.shape[1], tables.single.shape[2]
    states = torch.zeros(graphs, starts, dtype=torch.int64, device=tables.seeds.device)
    # Searches that the agreement rule makes needless write nothing: what they leave must never be the least.
    energies = torch.full_like(states, NOTHING.value)
    best, places = (new((graphs, starts, n), dtype=torch.int32) for _ in range(2))
    warps = max(1, width(n) ** 2 // 256)  # at least eight numbers of a matrix in each thread
    # A wave of fewer than `agree` starts can end no instance, and one that leaves the device idle saves no time.
    for lo, hi in waves(n, starts, max(agree or starts, _side_by_side(states.device, warps) // graphs)):
        grid = (graphs * (hi - lo),)
        begin[grid](
            tables.seeds, tables.single, tables.banned, tables.masked, energies, best, states, places,
            n, stride, lo, hi - lo, starts, agree, RECOMBINE=recombines(lo, n, starts), WIDTH=width(n),
            num_warps=max(1, warps // 4), enable_fp_fusion=False,
        )  # fmt: skip
        _search[grid](
            tables.entry, tables.pairs, tables.single, tables.banned, tables.masked, states, places, energies, best,
            n, m, stride, entries, lo, hi - lo, starts, iterations, shortest, longest, WIDTH=width(n),
            num_warps=warps, enable_fp_fusion=False,
        )  # fmt: skip
    columns, agreed = new((graphs, n), dtype=torch.int64), new(graphs, dtype=torch.bool)
    answer[(graphs,)](
        energies, best, tables.olds, columns, agreed, n, m, starts, agree, WIDTH=width(n),
        num_warps=1, enable_fp_fusion=False,
    )  # fmt: skip
    return columns, agreed


def _side_by_side(device: torch.device, warps: int) -> int:
    """How many searches of some warps the device runs at once: a smaller wave takes as long as one of so many."""
    if device.type != "cuda":
        return 1
    return torch.cuda.get_device_properties(device).multi_processor_count * RESIDENT // warps
