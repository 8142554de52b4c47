"""Robust tabu search, compiled: the fast path of `RobustTabu` on the CPU.

A search places vertex k at location `where[k]`; location s holds vertex `at[s]`. With D[(i,k)][s,t] the cost of i at s
and k at t for adjacent i, k, its state is in *location* order, one row for each location s, k = at[s]:

    rows[s, t] = c[k, t] + Σ_{i ∈ N(k)} D[(i,k)][where[i], t]   placing k at t, all others where they are
                 + D[(k,i)][s, t] + D[(k,i)][t, s]               for s < t and i = at[t] ∈ N(k): their pair costs
                                                                 now, which own counts twice, and after a swap
    own[s]     = rows[s, s]                                      what k pays now
    gain[s, t] = rows[s,t] + rows[t,s] − own[s] − own[t]         exact change of energy by swapping s and t

A swap changes only the rows of the neighbours of its two vertices, each by the difference of two rows of D, and single
entries of theirs. `gain` is never stored: adding a matrix to its transpose, eight by eight, is cheaper than keeping its
columns up to date. While it is tabu to place k at t, `rows[where[k], t]` is greater by TABU, a bit beyond all gains;
the sum tells how many sides of a swap are tabu. Marks expire through a ring of events, one list for each iteration.

Costs are rounded to integers (the largest becomes about 2²²), so that incremental sums are exact: they neither drift
nor depend on the order of summation. Every start of every instance has random numbers of its own.

Swaps that change nothing would keep a search of a partial problem busy: two dummy locations are not swapped, nor are
two *blank* vertices, which have neither edges nor costs. They count as one in the memory, too: a vertex that leaves a
dummy must not return to any, and no blank to where one was. Else the search would return to the same matchings under
other names of the dummies, of which there are factorially many, and never leave a valley however long it takes. A blank
at a dummy stands for nothing, so this side of a swap is always tabu: who was left out is kept out by the other side.

All of it lies in one int32 array, `memory`, at the offsets of `layout.py`: numba counts references to arrays
that are members of tuples, which costs more than the search.

Source: Taillard, "Robust taboo search for the quadratic assignment problem", Parallel Computing 17 (1991); the gains
are those of a sparse, asymmetric problem.
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit

from gmssl.parts.solvers.kernels.random_numba import below
from gmssl.parts.solvers.kernels.simd_numba import (
    NEVER,
    TABU,
    add_row,
    increase,
    least_swap,
    least_swap_busy,
    peek,
    poke,
    shift_row,
    swap_rows,
)
from gmssl.parts.solvers.kernels.stop_numba import raised
from gmssl.parts.solvers.tabu.layout import BLANK

# `forceinline`: two compiled forms of a search share their parts, which LLVM then no longer inlines by itself; that
# would cost 5 % of the time of training problems.

# Above every energy: “nothing found yet” needs no flag of its own in comparisons.
NOTHING = np.int64(2**62)
POLL = 64  # iterations between looks at the flag that ends a search


@njit(cache=True, nogil=True)
def _prepare(memory, o):
    """The state of the assignment `where`, nothing tabu; returns its energy."""
    n, stride, twice = o.n, o.stride, np.int64(0)
    for k in range(n):
        poke(memory, o.at + peek(memory, o.where + k), k)
    for x in range(o.rows, o.rows + stride * stride):
        poke(memory, x, 0)
    for k in range(n):
        s = peek(memory, o.where + k)
        row, lo, hi = o.rows + s * stride, peek(memory, o.first + k), peek(memory, o.first + k + 1)
        add_row(memory, row, o.single + k * stride, o.blocks)
        for a in range(lo, hi):
            i = peek(memory, o.head + a)
            entry, there = peek(memory, o.entry + i * n + k), peek(memory, o.where + i)
            add_row(memory, row, o.pairs + (entry * n + there) * stride, o.blocks)
        poke(memory, o.own + s, peek(memory, row + s))
        poke(memory, o.idle + s, (peek(memory, o.idle + s) & ~BLANK) | peek(memory, o.blank + k))
        # Both vertices of a pair pay it; with the vertex costs added once more, the sum is twice the energy.
        twice += peek(memory, o.single + k * stride + s) + peek(memory, row + s)
        for a in range(lo, hi):
            t = peek(memory, o.where + peek(memory, o.head + a))
            if s < t:
                pair = o.pairs + a * n * stride
                increase(memory, row + t, peek(memory, pair + s * stride + t) + peek(memory, pair + t * stride + s))
    for s in range(stride):  # padding is tabu
        for t in range(n if s < n else 0, stride):
            poke(memory, o.rows + s * stride + t, TABU)
    for s in range(n if o.m < n else 0):  # so is a blank at a dummy, which takes nothing back
        if peek(memory, o.idle + s) & BLANK:
            for t in range(o.m, n):
                increase(memory, o.rows + s * stride + t, TABU)
    for x in range(n * n):
        poke(memory, o.until + x, 0)
    for x in range(o.ring):
        poke(memory, o.due + x, -1)
    return twice // 2


@njit(cache=True, nogil=True, forceinline=True)
def _leave(i, a, b, partner, memory, o):
    """What vertex i changes by going from location a to b, but for its swap partner. Its row is at b already."""
    n, stride = o.n, o.stride
    mine = o.rows + b * stride
    for q in range(peek(memory, o.first + i), peek(memory, o.first + i + 1)):
        k = peek(memory, o.head + q)
        if k == partner:
            continue
        p = np.int64(peek(memory, o.where + k))
        pair, theirs = o.pairs + np.int64(q) * n * stride, o.rows + p * stride
        # The first index of D[(i,k)] is the place of i: rows of i at a, at b, and at p, where k is now.
        old, new, here = pair + a * stride, pair + b * stride, pair + p * stride
        was, now = peek(memory, old + p), peek(memory, new + p)
        back, forth = peek(memory, here + a), peek(memory, here + b)
        shift_row(memory, theirs, new, old, o.blocks)
        increase(memory, o.own + p, now - was)
        # Pair corrections stand in the row of the lower location. The old one was written while i was at a; if that was
        # the lower one, it has come along in the row of i, which is now at b.
        increase(memory, mine + p if a < p else theirs + a, -was - back)
        increase(memory, mine + p if b < p else theirs + b, now + forth)


@njit(cache=True, nogil=True)
def _unmarked(number):
    """The cost in a number of `rows`, without its mark."""
    # The arithmetic shift back restores the sign from bit 28.
    return np.int32(np.int32(number << 3) >> np.int32(3))


@njit(cache=True, nogil=True)
def _pay(a, memory, o):
    """`own` of location a, read from its row."""
    poke(memory, o.own + a, _unmarked(peek(memory, o.rows + a * o.stride + a)))


@njit(cache=True, nogil=True, forceinline=True)
def _swap(a, b, memory, o):
    """Swap the vertices at locations a < b."""
    n, stride = o.n, o.stride
    one, other = o.rows + a * stride, o.rows + b * stride
    i, j = np.int64(peek(memory, o.at + a)), np.int64(peek(memory, o.at + b))
    entry, both = np.int64(peek(memory, o.entry + i * n + j)), np.int32(0)
    there = o.pairs + entry * n * stride
    # The correction of this pair stands in a row that is about to move: taken off here, it is put back at the end. The
    # swap exchanges its two addends, so the sum stays.
    if entry >= 0:
        both = peek(memory, there + a * stride + b) + peek(memory, there + b * stride + a)
        increase(memory, one + b, -both)
    # Marks travel along: they belong to the vertex and to where it may not go.
    swap_rows(memory, one, other, o.blocks)
    _pay(a, memory, o)
    _pay(b, memory, o)
    poke(memory, o.where + i, b)
    poke(memory, o.where + j, a)
    poke(memory, o.at + a, j)
    poke(memory, o.at + b, i)
    # Only BLANK goes with the vertex, DUMMY belongs to the location.
    differ = (peek(memory, o.idle + a) ^ peek(memory, o.idle + b)) & BLANK
    poke(memory, o.idle + a, peek(memory, o.idle + a) ^ differ)
    poke(memory, o.idle + b, peek(memory, o.idle + b) ^ differ)
    _leave(i, a, b, j, memory, o)
    _leave(j, b, a, i, memory, o)
    if entry >= 0:
        back = o.pairs + peek(memory, o.entry + j * n + i) * n * stride
        shift_row(memory, one, there + b * stride, there + a * stride, o.blocks)
        shift_row(memory, other, back + a * stride, back + b * stride, o.blocks)
        _pay(a, memory, o)
        _pay(b, memory, o)
        increase(memory, one + b, both)


@njit(cache=True, nogil=True)
def _weigh_alike(k, s, weight, memory, o):
    """Add to the number of placing k at s, or at any dummy if s is the first; for the first blank those of all."""
    if peek(memory, o.blank + k) == 0:
        row = o.rows + peek(memory, o.where + k) * o.stride
        for t in range(s, s + 1 if s < o.m else o.n):
            increase(memory, row + t, weight)
        return
    for i in range(o.n):
        if peek(memory, o.blank + i):
            increase(memory, o.rows + peek(memory, o.where + i) * o.stride + s, weight)


@njit(cache=True, nogil=True)
def _weigh(k, s, weight, alike, memory, o):
    """Add to the number of placing k at s; `alike`: also to those of placements as good as this."""
    if alike is None:
        increase(memory, o.rows + peek(memory, o.where + k) * o.stride + s, weight)
    else:
        _weigh_alike(k, s, weight, memory, o)


@njit(cache=True, nogil=True, forceinline=True)
def _mark(k, s, until, event, alike, memory, o):
    """Vertex k must not return to location s before iteration `until`; `event` is a free number.

    `alike`: one dummy is as good as another and one blank vertex as another, and the first of them stands for all.
    """
    if alike is not None:
        if peek(memory, o.blank + k):
            if s >= o.m:
                return  # tabu from the beginning, see `_prepare`
            k = peek(memory, o.blank + o.n + 1)
        s = min(s, o.m)
    place, slot = o.until + k * o.n + s, o.due + (until & (o.ring - 1))
    # However often a placement is marked, its number carries one TABU, which `_expire` takes off once.
    if peek(memory, place) == 0:
        _weigh(k, s, TABU, alike, memory, o)
    poke(memory, place, until)
    poke(memory, o.who + event, k)
    poke(memory, o.whither + event, s)
    poke(memory, o.link + event, peek(memory, slot))
    poke(memory, slot, event)


@njit(cache=True, nogil=True, forceinline=True)
def _expire(iteration, alike, memory, o):
    """Take off the marks that are due. An event whose placement was marked again since then is stale."""
    slot = o.due + (iteration & (o.ring - 1))
    event = peek(memory, slot)
    while event >= 0:
        k, s = peek(memory, o.who + event), peek(memory, o.whither + event)
        place = o.until + k * o.n + s
        if peek(memory, place) == iteration:
            poke(memory, place, 0)
            _weigh(k, s, -TABU, alike, memory, o)
        event = peek(memory, o.link + event)
    poke(memory, slot, -1)


@njit(cache=True, nogil=True, forceinline=True)
def _permitted(memory, o):
    broken = 0
    for k in range(o.n):
        broken += peek(memory, o.banned + k * o.n + peek(memory, o.where + k))
    return broken == 0


@njit(cache=True, nogil=True, forceinline=True)
def _keep(memory, best, o):
    for k in range(o.n):
        poke(memory, best + k, peek(memory, o.where + k))


@njit(cache=True, nogil=True)
def tenure(n):
    """Shortest and longest time, in iterations, for which a vertex may not return to where it was."""
    shortest = max(1, (9 * n) // 10)
    return shortest, max(shortest, (15 * n) // 10)


@njit(cache=True, nogil=True)
def _search(iterations, masked, stop, random, best, alike, memory, o):
    """See `search`; `alike` is None or True, types that numba compiles apart: most problems have no such vertices."""
    energy = _prepare(memory, o)
    level = energy  # of aspiration: assignments that break the mask count, too
    kept = energy if not masked or _permitted(memory, o) else NOTHING
    _keep(memory, best, o)
    shortest, longest = tenure(o.n)
    # Most problems have no idle swaps, and a scan without that test is faster. A single blank vertex has no partner.
    idle = o.m < o.n or peek(memory, o.blank + o.n) > 1
    for iteration in range(1, iterations + 1):
        if iteration % POLL == 1 and raised(stop):
            break
        _expire(iteration, alike, memory, o)
        # A tabu swap may be made if it leads below all that was met. Never above 0, as `level` ≤ `energy`; cut off at
        # the other end, because vectors compare int32.
        aspiration = np.int32(max(level - energy, -np.int64(NEVER)))
        if idle:
            found = least_swap_busy(memory, o.rows, o.own, o.idle, o.blocks, aspiration)
        else:
            found = least_swap(memory, o.rows, o.own, o.idle, o.blocks, aspiration)
        gain, code = found >> 32, found & np.int64(0xFFFFFFFF)
        # All swaps are tabu for now: time passes until marks expire.
        if gain == NEVER:
            continue
        block = o.swaps + 2 * (code >> 6)
        a, b = peek(memory, block) + (code >> 3 & 7), peek(memory, block + 1) + (code & 7)
        i, j = peek(memory, o.at + a), peek(memory, o.at + b)
        energy += gain
        _swap(a, b, memory, o)
        # The numbers come back after a whole ring of iterations, when the events that had them are over.
        event = 2 * (iteration & (o.ring - 1))
        _mark(i, a, iteration + 1 + shortest + below(random, longest - shortest + 1), event, alike, memory, o)
        _mark(j, b, iteration + 1 + shortest + below(random, longest - shortest + 1), event + 1, alike, memory, o)
        level = min(level, energy)
        if energy < kept and (not masked or _permitted(memory, o)):
            kept = energy
            _keep(memory, best, o)
    return kept


@njit(cache=True, nogil=True)
def search(iterations, masked, stop, random, best, memory, o):
    """One search from `where`, until `stop[0]` is not 0.

    Writes the best permitted assignment at `best`, returns its energy or NOTHING.
    """
    if o.m + 1 < o.n or peek(memory, o.blank + o.n) > 1:
        return _search(iterations, masked, stop, random, best, True, memory, o)
    return _search(iterations, masked, stop, random, best, None, memory, o)
