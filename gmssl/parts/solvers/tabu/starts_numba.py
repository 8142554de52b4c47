"""Many tabu searches for each instance: where they start, which run side by side, and when they are enough."""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit

from gmssl.parts.solvers.assignment.lap_numba import assign
from gmssl.parts.solvers.kernels.fold_numba import adjacency, fold, headroom
from gmssl.parts.solvers.kernels.random_numba import below, draw_names, scatter_seed, shuffle, stream
from gmssl.parts.solvers.kernels.simd_numba import GAIN_LIMIT, peek, poke
from gmssl.parts.solvers.kernels.stop_numba import raised
from gmssl.parts.solvers.tabu.layout import BLANK
from gmssl.parts.solvers.tabu.search_numba import NOTHING, search

CROSSOVER_FROM = 24  # vertices from which the second half of the starts recombines two elites


@njit(cache=True, nogil=True)
def _begin(start, starts, given, masked, random, names, work, energies, memory, o):
    """Starting assignment number `start` in `where`. Returns False if the mask permits none."""
    n, where = o.n, memory[o.where : o.where + o.n]
    if 1 <= start <= given.shape[0]:
        for k in range(n):
            s = given[start - 1, k]
            where[names[0][k]] = names[1][s] if s < o.m else s
        return True
    # A mask seldom permits a random permutation. The assignment of random costs is permitted whenever any is.
    if start == 0 or masked:
        for i in range(n):
            for s in range(n):
                cost = peek(memory, o.single + i * o.stride + s) if start == 0 else below(random, 1 << 30)
                work[i, s] = np.inf if peek(memory, o.banned + i * n + s) else np.float64(cost)
        return assign(work, where)
    for k in range(n):
        where[k] = k
    shuffle(random, where, n)
    if n >= CROSSOVER_FROM and start >= 2 and 2 * start >= starts:
        elites = memory[o.elites : o.elites + starts * n].reshape(starts, n)
        _recombine(elites[_elite(start, random, energies)], elites[_elite(start, random, energies)], where)
    return True


@njit(cache=True, nogil=True)
def _elite(done, random, energies):
    """The better of two starts drawn at random."""
    one, other = below(random, done), below(random, done)
    return one if energies[one] <= energies[other] else other


@njit(cache=True, nogil=True)
def _recombine(x, y, where):
    """Keep what two elites have in common; the rest stays in the random order of `where`."""
    n = where.shape[0]
    taken, pool, free = np.zeros(n, np.bool_), where.copy(), 0
    for k in range(n):
        if x[k] == y[k]:
            taken[x[k]] = True
    for k in range(n):
        if x[k] == y[k]:
            where[k] = x[k]
            continue
        while taken[pool[free]]:
            free += 1
        where[k] = pool[free]
        free += 1


@njit(cache=True, nogil=True)
def load(vertex, edge, left, right, allowed, random, names, ends, stop, memory, o):
    """Rename the vertices of one instance at random and tabulate its costs. Returns whether it forbids any pair.

    Once `stop[0]` is not 0 the costs of pairs are left incomplete.
    """
    n, (rename, renames), (lefts, rights) = o.n, names, ends
    # Equal gains are decided by location. Under random names that is a random choice, and cannot leak a label.
    draw_names(random, rename, left, lefts)
    draw_names(random, renames, right, rights)
    masked = False
    for i in range(allowed.shape[0]):
        for s in range(allowed.shape[1]):
            poke(memory, o.banned + rename[i] * n + renames[s], not allowed[i, s])
            masked |= not allowed[i, s]
    entry = memory[o.entry : o.entry + n * n].reshape(n, n)
    first, head = memory[o.first : o.first + n + 1], memory[o.head : o.pairs]
    adjacency(lefts, entry, first, head)
    unit, penalty = headroom(vertex, edge, left, right, masked, GAIN_LIMIT)
    pairs, single = memory[o.pairs : o.single], memory[o.single : o.single + n * o.stride]
    fold(vertex, edge, lefts, rights, rename, renames, entry, first[n], unit, stop, pairs, single)
    if masked:
        for i in range(n):
            for s in range(n):
                single[i * o.stride + s] += penalty * peek(memory, o.banned + i * n + s)
    _find_blank(memory, o)
    return masked


@njit(cache=True, nogil=True)
def search_from(where, iterations, masked, stop, random, best, memory, o):
    """One search from `where [n]` after `load`; writes the best assignment to `best [n]`, returns its energy."""
    for k in range(o.n):
        poke(memory, o.where + k, where[k])
    energy = search(iterations, masked, stop, random, o.best, memory, o)
    for k in range(o.n):
        best[k] = peek(memory, o.best + k)
    return energy


@njit(cache=True, nogil=True)
def _find_blank(memory, o):
    count, first = 0, -1
    for k in range(o.n):
        busy = peek(memory, o.first + k) < peek(memory, o.first + k + 1)
        for s in range(o.n):
            if busy:
                break
            busy = peek(memory, o.single + k * o.stride + s) != 0 or peek(memory, o.banned + k * o.n + s) != 0
        poke(memory, o.blank + k, 0 if busy else BLANK)
        count += not busy
        if first < 0 and not busy:
            first = k
    poke(memory, o.blank + o.n, count)
    poke(memory, o.blank + o.n + 1, first)


@njit(cache=True, nogil=True)
def _answer(energy, names, columns, memory, o):
    """Undo the renaming of `best`; −1 everywhere if nothing was found."""
    rename, renames = names
    column = np.empty(o.m, np.int64)
    for s in range(o.m):
        column[renames[s]] = s
    for k in range(o.n):
        s = peek(memory, o.best + rename[k]) if energy < NOTHING else -1
        columns[k] = column[s] if 0 <= s < o.m else s


@njit(cache=True, nogil=True)
def _solve(given, starts, iterations, agree, masked, stop, random, names, work, energies, memory, o):
    """All starts of one instance, or those begun in time, the first in any case.

    Leaves `best`; returns its energy, or NOTHING, and whether `agree` starts agree.
    """
    lowest, same, seed = NOTHING, 0, random[0]
    for start in range(starts):
        if start and raised(stop):
            break
        # A stream of its own for each start: on a GPU they run side by side and must draw the same numbers.
        stream(random, seed, start)
        # If the mask permits no assignment to start 0, it permits none at all.
        if not _begin(start, starts, given, masked, random, names, work, energies, memory, o):
            break
        # The costs of pairs may be missing, and there is no time for a search.
        if not start and raised(stop):
            for k in range(o.n):
                poke(memory, o.best + k, peek(memory, o.where + k))
            return np.int64(0), False
        elite = o.elites + start * o.n
        found = search(iterations, masked, stop, random, elite, memory, o)
        energies[start] = found
        same = same + 1 if found == lowest else (1 if found < lowest else same)
        if found < lowest:
            lowest = found
            for k in range(o.n):
                poke(memory, o.best + k, peek(memory, elite + k))
        # A search that was cut short ended nowhere by itself.
        if same == agree and lowest < NOTHING and not raised(stop):
            return lowest, True
    return lowest, False


@njit(cache=True, nogil=True)
def solve_slice(
    vertex, edge, left, right, allowed, given, starts, iterations, agree, seed, stop, memory, o, columns, agreed
):  # fmt: skip
    """Solve G problems with n ≥ m, one after the other.

    Args:
        vertex, edge: costs `[G,n,m]`, `[G,E,F]`, float32.
        left, right: edges `[G,E,2]`, `[G,F,2]`, int64.
        allowed: `[G,n,m]`.
        given: `[G,K,n]` assignments of all rows, where the starts 1..K begin; columns ≥ m are dummies. K may be 0.
        starts, iterations, agree, seed: settings; agree = 0 switches the rule off.
        stop: `[1]`; anything but 0 ends every search; each instance still gets where its first one begins.
        memory, o: of `lay_out`.
        columns: output `[G,n]`, the column of each row, ≥ m where unmatched; all −1 where the mask permits no matching.
        agreed: output `[G]`, whether the agreement rule ended the search.
    """
    names = np.empty(o.n, np.int32), np.empty(o.m, np.int32)
    ends = np.empty((left.shape[1], 2), np.int32), np.empty((right.shape[1], 2), np.int32)
    energies, work, random = np.empty(starts, np.int64), np.empty((o.n, o.n)), np.empty(1, np.uint64)
    for g in range(vertex.shape[0]):
        scatter_seed(random, seed, vertex[g])
        masked = load(vertex[g], edge[g], left[g], right[g], allowed[g], random, names, ends, stop, memory, o)
        lowest, agreed[g] = _solve(
            given[g], starts, iterations, agree, masked, stop, random, names, work, energies, memory, o
        )
        _answer(lowest, names, columns[g], memory, o)


def recombines(start: int, n: int, starts: int) -> bool:
    """Whether a start of an unmasked instance of n vertices recombines two of all earlier results."""
    return n >= CROSSOVER_FROM and start >= 2 and 2 * start >= starts


def waves(n: int, starts: int, least: int) -> Iterator[tuple[int, int]]:
    """Split the starts 0..starts−1 into ranges [lo, hi) without dependencies among their members, to run in this order.

    Starts that recombine are waves of their own. The waves of the others double from `least` on, so that an instance
    which the agreement rule ends has at most about twice the work it needs.
    """
    # A start that recombines reads the results of all before it, hence nothing may run beside it.
    lo, alone = 0, [recombines(start, n, starts) for start in range(starts)]
    while lo < starts:
        hi = lo + 1
        # As many as all earlier waves together, from the size on at which more searches take more time.
        while hi < min(starts, lo + max(lo, least)) and not alone[hi] and not alone[lo]:
            hi += 1
        yield lo, hi
        lo = hi
