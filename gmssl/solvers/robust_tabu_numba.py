"""Robust tabu search, compiled: the fast path of `RobustTabu` on the CPU.

State of a search, all rows and columns in *location* order (location s holds vertex `at[s]`), so that the inner loops
run over contiguous memory:

    rows[s, t] = U[at[s], t],  U[k, t] = c[k, t] + Σ_{i ∈ N(k)} D[(i,k)][where[i], t]   cost of placing k at t
    gain[s, t] = rows[s,t] − rows[s,s] + rows[t,s] − rows[t,t] + corr[s,t]              exact change by swapping s, t
    corr[s, t] = D[(i,k)][s,t] + D[(i,k)][t,s]  for adjacent i = at[s], k = at[t], else 0

A swap changes only the rows of the neighbours of its two vertices, each by the difference of two rows of D, and `gain`
follows by the same differences. `until[s, t]` is the first iteration at which a swap is no longer tabu.

Costs are rounded to integers (the largest becomes about 2²⁴), so that incremental sums are exact: they neither drift
nor depend on the order of summation, and minima over int32 vectorise.

Source: Taillard, "Robust taboo search for the quadratic assignment problem", Parallel Computing 17 (1991); the gains
are those of a sparse, asymmetric problem.
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit

from gmssl.solvers.assignment_numba import assign
from gmssl.solvers.fold_numba import adjacency, fold, headroom
from gmssl.solvers.random_numba import below, draw_names, scatter_seed, shuffle

NEVER = np.int32(2**31 - 1)
NOTHING = np.int64(2**62)
CROSSOVER_FROM = 24  # vertices from which the second half of the starts recombines two elites


@njit(cache=True, nogil=True)
def _corrections(i, b, first, head, pairs, where, gain):
    """Add corr between vertex i, at location b, and its neighbours."""
    for a in range(first[i], first[i + 1]):
        p = where[head[a]]
        c = pairs[a, b, p] + pairs[a, p, b]
        gain[b, p] += c
        gain[p, b] += c


@njit(cache=True, nogil=True)
def _prepare(first, head, entry, pairs, single, where, rows, gain):
    """Rows and gains of an assignment; returns its energy."""
    n = where.shape[0]
    twice = np.int64(0)
    for k in range(n):
        row, own = rows[where[k]], single[k]
        for t in range(row.shape[0]):
            row[t] = own[t]
        for a in range(first[k], first[k + 1]):
            i = head[a]
            change = pairs[entry[i, k], where[i]]
            for t in range(row.shape[0]):
                row[t] += change[t]
        twice += single[k, where[k]] + row[where[k]]
    for s in range(n):
        for t in range(n):
            gain[s, t] = rows[s, t] - rows[s, s] + rows[t, s] - rows[t, t]
    for k in range(n):
        s = where[k]
        for a in range(first[k], first[k + 1]):
            t = where[head[a]]
            gain[s, t] += pairs[a, s, t] + pairs[a, t, s]
    return twice // 2


@njit(cache=True, nogil=True)
def _best_swap(gain, until, iteration, aspiration):
    """Flat index of the least gain that is not tabu or is below the aspiration level; −1 if there is none."""
    least = NEVER
    for q in range(gain.shape[0]):
        least = min(least, gain[q] if (until[q] <= iteration) | (gain[q] < aspiration) else NEVER)
    found = np.int32(-1)
    for q in range(np.int32(gain.shape[0])):
        key = gain[q] if (until[q] <= iteration) | (gain[q] < aspiration) else NEVER
        found = max(found, np.int32(q) if key == least else np.int32(-1))
    return found if least < NEVER else np.int32(-1)


@njit(cache=True, nogil=True)
def _follow(i, j, a, b, first, head, pairs, where, rows, gain, column):
    """Vertex i went from location a to b: its neighbours' rows, and gains of all of them but its swap partner j."""
    n = where.shape[0]
    for q in range(first[i], first[i + 1]):
        k = head[q]
        p = where[k]
        new, old, row, gains = pairs[q, b], pairs[q, a], rows[p], gain[p]
        if k == j:
            for t in range(row.shape[0]):
                row[t] += new[t] - old[t]
            continue
        own = new[p] - old[p]
        for t in range(row.shape[0]):
            change = new[t] - old[t]
            row[t] += change
            column[t] = change - own
        for t in range(n):  # not the padding, whose gains must stay 0
            gains[t] += column[t]
        for t in range(n):
            gain[t, p] += column[t]


@njit(cache=True, nogil=True)
def _recompute(a, m, rows, gain, until, placed, at):
    """Gains, but for corrections, and tabu state of all swaps with location a."""
    n = at.shape[0]
    own, i = rows[a, a], at[a]
    for t in range(n):
        g = rows[a, t] - own + rows[t, a] - rows[t, t]
        gain[a, t] = g
        gain[t, a] = g
        u = min(placed[i, t], placed[at[t], a])
        until[a, t] = u
        until[t, a] = u
    until[a, a] = NEVER
    if a >= m:  # swapping two dummies changes nothing
        for t in range(m, n):
            until[a, t] = NEVER
            until[t, a] = NEVER


@njit(cache=True, nogil=True)
def _swap(a, b, m, first, head, entry, pairs, where, at, rows, gain, until, placed, column):
    """Swap the vertices at locations a and b."""
    i, j = at[a], at[b]
    for t in range(rows.shape[1]):
        rows[a, t], rows[b, t] = rows[b, t], rows[a, t]
    where[i], where[j] = b, a
    at[a], at[b] = j, i
    _follow(i, j, a, b, first, head, pairs, where, rows, gain, column)
    _follow(j, i, b, a, first, head, pairs, where, rows, gain, column)
    _recompute(a, m, rows, gain, until, placed, at)
    _recompute(b, m, rows, gain, until, placed, at)
    _corrections(i, b, first, head, pairs, where, gain)
    _corrections(j, a, first, head, pairs, where, gain)
    if entry[i, j] >= 0:  # both calls added the correction of i and j
        c = pairs[entry[i, j], a, b] + pairs[entry[i, j], b, a]
        gain[a, b] -= c
        gain[b, a] -= c


@njit(cache=True, nogil=True)
def _permitted(where, banned):
    broken = 0
    for k in range(where.shape[0]):
        broken += banned[k, where[k]]
    return broken == 0


@njit(cache=True, nogil=True)
def _search(
    iterations, m, first, head, entry, pairs, single, banned, masked, state,
    where, at, best, rows, gain, until, placed, column,
):  # fmt: skip
    """One search from `where`; writes the best permitted assignment to `best`, returns its energy or NOTHING."""
    n = where.shape[0]
    for k in range(n):
        at[where[k]] = k
        best[k] = where[k]
    energy = _prepare(first, head, entry, pairs, single, where, rows, gain)
    for s in range(n):
        for t in range(until.shape[1]):
            placed[s, t] = 0
            until[s, t] = 0 if t < n and s != t and (s < m or t < m) else NEVER
    level = energy  # of aspiration: assignments that break the mask count, too
    kept = energy if not masked or _permitted(where, banned) else NOTHING
    shortest = max(1, (9 * n) // 10)
    spread = (15 * n) // 10 - shortest + 1 if n > 1 else 1
    gains, untils = gain.reshape(-1), until.reshape(-1)
    for iteration in range(1, iterations + 1):
        q = _best_swap(gains, untils, np.int32(iteration), np.int32(max(level - energy, -np.int64(NEVER))))
        if q < 0:
            continue
        a, b = q // gain.shape[1], q % gain.shape[1]
        energy += gain[a, b]
        placed[at[a], a] = iteration + 1 + shortest + below(state, spread)
        placed[at[b], b] = iteration + 1 + shortest + below(state, spread)
        _swap(a, b, m, first, head, entry, pairs, where, at, rows, gain, until, placed, column)
        level = min(level, energy)
        if energy < kept and (not masked or _permitted(where, banned)):
            kept = energy
            for k in range(n):
                best[k] = where[k]
    return kept


@njit(cache=True, nogil=True)
def _begin(start, starts, state, masked, banned, single, work, where, elites, energies):
    """Starting assignment number `start` in `where`. Returns False if the mask permits none."""
    n = where.shape[0]
    if start == 0 or masked:
        for i in range(n):
            for s in range(n):
                cost = np.float64(single[i, s]) if start == 0 else np.float64(below(state, 1 << 30))
                work[i, s] = np.inf if banned[i, s] else cost
        return assign(work, where)
    for k in range(n):
        where[k] = k
    shuffle(state, where, n)
    if n >= CROSSOVER_FROM and start >= 2 and 2 * start >= starts:
        _recombine(start, state, where, elites, energies)
    return True


@njit(cache=True, nogil=True)
def _elite(done, state, energies):
    """The better of two starts drawn at random."""
    one, other = below(state, done), below(state, done)
    return one if energies[one] <= energies[other] else other


@njit(cache=True, nogil=True)
def _recombine(done, state, where, elites, energies):
    """Keep what two elites have in common; the rest stays in the random order of `where`."""
    n = where.shape[0]
    x, y = elites[_elite(done, state, energies)], elites[_elite(done, state, energies)]
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
def _load(
    vertex, edge, left, right, allowed, seed, state, rename, renames, lefts, rights,
    banned, entry, first, head, pairs, single,
):  # fmt: skip
    """Rename the vertices of one instance at random and tabulate its costs. Returns whether it forbids any pair."""
    scatter_seed(state, seed, vertex)
    draw_names(state, rename, left, lefts)
    draw_names(state, renames, right, rights)
    masked = False
    for i in range(allowed.shape[0]):
        for s in range(allowed.shape[1]):
            banned[rename[i], renames[s]] = not allowed[i, s]
            masked |= not allowed[i, s]
    adjacency(lefts, entry, first, head)
    unit, penalty = headroom(vertex, edge, lefts, rights, masked)
    fold(vertex, edge, lefts, rights, rename, renames, entry, first[rename.shape[0]], unit, pairs, single)
    for i in range(banned.shape[0]):
        for s in range(banned.shape[1]):
            single[i, s] += penalty * banned[i, s]
    return masked


@njit(cache=True, nogil=True)
def _answer(best, energy, rename, renames, column, columns):
    """Undo the renaming; −1 everywhere if nothing was found."""
    m = renames.shape[0]
    for s in range(m):
        column[renames[s]] = s
    for k in range(columns.shape[0]):
        s = best[rename[k]] if energy < NOTHING else -1
        columns[k] = column[s] if 0 <= s < m else s


@njit(cache=True, nogil=True)
def solve_slice(vertex, edge, left, right, allowed, starts, iterations, agree, seed, columns, converged):
    """Solve G problems with n ≥ m, one after the other.

    Args:
        vertex, edge: costs `[G,n,m]`, `[G,E,F]`, float32.
        left, right: edges `[G,E,2]`, `[G,F,2]`, int64.
        allowed: `[G,n,m]`.
        starts, iterations, agree, seed: settings; agree = 0 switches the rule off.
        columns: output `[G,n]`, the column of each row, ≥ m where unmatched; all −1 where the mask permits no matching.
        converged: output `[G]`, whether the agreement rule ended the search.
    """
    graphs, n, m = vertex.shape
    stride = (n + 7) // 8 * 8
    most = min(2 * left.shape[1], n * (n - 1))
    pairs, single = np.empty((max(most, 1), n, stride), np.int32), np.zeros((n, stride), np.int32)
    entry, first, head = np.empty((n, n), np.int32), np.empty(n + 1, np.int32), np.empty(max(most, 1), np.int32)
    rows, gain = np.zeros((n, stride), np.int32), np.zeros((n, stride), np.int32)
    until, placed, column = np.empty((n, stride), np.int32), np.empty((n, stride), np.int32), np.empty(stride, np.int32)
    where, at, best = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    elites, energies = np.empty((starts, n), np.int32), np.empty(starts, np.int64)
    banned, work = np.zeros((n, n), np.bool_), np.empty((n, n), np.float64)
    rename, renames, state = np.empty(n, np.int32), np.empty(m, np.int32), np.empty(1, np.uint64)
    lefts, rights = np.empty((left.shape[1], 2), np.int32), np.empty((right.shape[1], 2), np.int32)
    for g in range(graphs):
        masked = _load(
            vertex[g], edge[g], left[g], right[g], allowed[g], seed, state, rename, renames, lefts, rights,
            banned, entry, first, head, pairs, single,
        )  # fmt: skip
        converged[g] = False
        lowest, same = NOTHING, 0
        for start in range(starts):
            if not _begin(start, starts, state, masked, banned, single, work, where, elites, energies):
                break
            found = _search(
                iterations, m, first, head, entry, pairs, single, banned, masked, state,
                where, at, elites[start], rows, gain, until, placed, column,
            )  # fmt: skip
            energies[start] = found
            same = same + 1 if found == lowest else (1 if found < lowest else same)
            if found < lowest:
                lowest = found
                for k in range(n):
                    best[k] = elites[start, k]
            if same == agree and lowest < NOTHING:
                converged[g] = True
                break
        _answer(best, lowest, rename, renames, at, columns[g])
