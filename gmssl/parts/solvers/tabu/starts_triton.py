"""Where the searches of `search_triton` begin and when they are enough: `starts_numba` on CUDA."""

# mypy: disable-error-code="no-untyped-def"
# Triton infers the types of kernels from their arguments; annotations would not be checked by anything.
from __future__ import annotations

import triton
import triton.language as tl

from gmssl.parts.solvers.assignment.match_triton import FORBIDDEN, match
from gmssl.parts.solvers.kernels.random_triton import below, shuffle, stream
from gmssl.parts.solvers.tabu import search_numba as robust_tabu_numba

NOTHING = tl.constexpr(int(robust_tabu_numba.NOTHING))


@triton.jit
def _agreement(energies, count, agree):
    """The first of `count` starts that has the least energy, that energy, and whether `agree` starts ended there."""
    lowest = tl.full([], NOTHING, tl.int64)
    first, same, ended = count * 0, count * 0, count * 0
    for start in range(count):
        found = tl.where(ended != 0, NOTHING, tl.load(energies + start))
        same = tl.where(found < lowest, 1, same + (found == lowest).to(tl.int32))
        first = tl.where(found < lowest, start, first)
        lowest = tl.minimum(found, lowest)
        ended |= ((same == agree) & (lowest < NOTHING)).to(tl.int32)
    return first, lowest, ended


@triton.jit
def _costs(state, start, single, banned, n, stride, WIDTH: tl.constexpr):
    """What is assigned: the placements for start 0, else random costs; and the next state."""
    k = tl.arange(0, WIDTH)
    i, s = k[:, None], k[None, :]
    inside = (i < n) & (s < n)
    cost = tl.load(single + i * stride + s, mask=inside, other=0)
    if start != 0:
        # Row by row, as the compiled loops draw.
        for x in range(n * n):
            state, drawn = below(state, 1 << 30)
            cost = tl.where((i == x // n) & (s == x % n), drawn, cost)
    permitted = inside & (tl.load(banned + i * n + s, mask=inside, other=1) == 0)
    return state, tl.where(permitted, cost, FORBIDDEN)


@triton.jit
def _elite(state, done, energies, best, n, WIDTH: tl.constexpr):
    """The next state, and the better of two starts drawn at random."""
    k = tl.arange(0, WIDTH)
    state, one = below(state, done)
    state, other = below(state, done)
    chosen = tl.where(tl.load(energies + one) <= tl.load(energies + other), one, other)
    return state, tl.load(best + chosen * n + k, mask=k < n, other=-1)


@triton.jit
def _recombine(x, y, where, n, WIDTH: tl.constexpr):
    """Keep what two elites have in common; the rest stays in the random order of `where`."""
    k = tl.arange(0, WIDTH)
    common = (x == y) & (k < n)
    taken = tl.max((common[:, None] & (x[:, None] == where[None, :])).to(tl.int32), 0)
    free = ((k < n) & (taken == 0)).to(tl.int32)
    open_ = ((k < n) & (x != y)).to(tl.int32)
    # The q-th open vertex goes to the q-th free location.
    fits = (open_ != 0)[:, None] & (free != 0)[None, :]
    fits &= (tl.cumsum(open_, 0) - open_)[:, None] == (tl.cumsum(free, 0) - free)[None, :]
    return tl.where(common, x, tl.sum(tl.where(fits, where[None, :], 0), 1))


@triton.jit(do_not_specialize=["n", "stride", "lo", "count", "starts", "agree"])
def begin(
    seeds, single, banned, masked, energies, best, states, at,
    n, stride, lo, count, starts, agree, RECOMBINE: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Begin one of the starts lo..lo+count−1 of an instance: which vertex is where, in `at [G,starts,n]`.

    In `states [G,starts]` is left the state after all draws, 0 where there is nothing to search: the earlier starts
    agree, or the mask permits no matching.
    """
    graph = (tl.program_id(0) // count).to(tl.int64)
    start = lo + tl.program_id(0) % count
    k = tl.arange(0, WIDTH)
    energies += graph * starts
    place = graph * starts + start
    # Decided anew by each program: cheaper than asking the host between two waves.
    _, _, ended = _agreement(energies, lo, agree)
    if ended == 0:
        state = stream(tl.load(seeds + graph).to(tl.uint64, bitcast=True), start)
        if (start == 0) | (tl.load(masked + graph) != 0):
            state, cost = _costs(state, start, single + graph * n * stride, banned + graph * n * n, n, stride, WIDTH)
            owner, possible = match(cost, n, WIDTH)
            # A zero of the type of `state`. No xorshift state is 0, so it can say that there is nothing to search.
            state = tl.where(possible != 0, state, state ^ state)
            tl.store(at + place * n + k, owner, mask=k < n)
        else:
            state, where = shuffle(state, n, WIDTH)
            if RECOMBINE:
                state, x = _elite(state, start, energies, best + graph * starts * n, n, WIDTH)
                state, y = _elite(state, start, energies, best + graph * starts * n, n, WIDTH)
                where = _recombine(x, y, where, n, WIDTH)
            tl.store(at + place * n + where, k, mask=k < n)
        tl.store(states + place, state.to(tl.int64, bitcast=True))


@triton.jit(do_not_specialize=["n", "m", "starts", "agree"])
def answer(energies, best, olds, columns, agreed, n, m, starts, agree, WIDTH: tl.constexpr):
    """The columns that instance `program_id` is given, under the old names; −1 everywhere if nothing was found."""
    graph = tl.program_id(0).to(tl.int64)
    k = tl.arange(0, WIDTH)
    first, lowest, ended = _agreement(energies + graph * starts, starts, agree)
    found = k < tl.where(lowest < NOTHING, n, 0)  # else nobody wrote `best`
    where = tl.load(best + (graph * starts + first) * n + k, mask=found, other=0)
    olds += graph * 2 * n
    row = tl.load(olds + k, mask=k < n, other=0)
    column = tl.where(where < m, tl.load(olds + n + where, mask=where < m, other=0), where)
    tl.store(columns + graph * n + row, tl.where(found, column, -1).to(tl.int64), mask=k < n)
    tl.store(agreed + graph, ended != 0)
