"""Robust tabu search on products of matrices: Koopmans and Beckmann's quadratic assignment, dense and large.

Where edge costs are a sum of few products of a number of the left edge and one of the right edge,

    energy(p) = Σ_u c[u, p_u] + Σ_t Σ_{u,v} a_t[u,v] b_t[p_u, p_v],    a_t, b_t both symmetric or both antisymmetric,

a swap changes the gains of all others by products of differences (Taillard 1991, for one symmetric product):

    Δ(u,v) −= 2 Σ_t (x_u − x_v) (y_u − y_v),   x = a_t[:,r] − a_t[:,s],  y = b_t[p,p_s] − b_t[p,p_r]   r, s swapped
    R[v,u] += 2 Σ_t y_v x_u                    cost of u at p_v, all others where they are; then rows r, s are swapped
    Δ(u,r)  = R[r,u] + R[u,r] − R[u,u] − R[r,r] + 4 Σ_{t symmetric} a_t[u,r] b_t[p_u,p_r]

All is kept by vertices u, v, not by locations, so that no row of Δ moves. Numbers are float32 where costs are whole
numbers so small that every sum is exact, and float64 otherwise.

Source: Taillard, "Robust taboo search for the quadratic assignment problem", Parallel Computing 17 (1991).
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit

from gmssl.parts.solvers.kernels.random_numba import below
from gmssl.parts.solvers.kernels.simd_numba import LANES
from gmssl.parts.solvers.kernels.stop_numba import raised
from gmssl.parts.solvers.kernels.sweep_numba import (
    NONE,
    add_gains,
    add_product,
    exchange,
    number,
    put,
    shift,
    sweep,
    take_differences,
)
from gmssl.parts.solvers.tabu.search_numba import tenure

LOCKED = 2.0 * NONE
POLL = 64


@njit(cache=True, nogil=True)
def _prepare(a, b, signs, c, where, bp, cost, delta):
    """`bp`, `cost` (R) and `delta` of the assignment `where`; returns its energy."""
    n, stride = c.shape
    size, energy = n * stride, 0.0
    for v in range(n):
        energy += c[v, where[v]]
        for u in range(stride):
            cost[v * stride + u] = c[u, where[v]] if u < n else 0
    for t in range(signs.shape[0]):
        for u in range(n):
            for v in range(n):
                paid = b[t * size + where[u] * stride + where[v]]
                bp[t * size + u * stride + v] = paid
                energy += np.float64(a[t * size + u * stride + v]) * np.float64(paid)
        for v in range(n):
            for k in range(n):
                factor = 2 * signs[t] * bp[t * size + v * stride + k]  # a[k,u] stands for a[u,k]
                for u in range(n):
                    cost[v * stride + u] += factor * a[t * size + k * stride + u]
    for u in range(n):
        for v in range(stride):
            gain = a.dtype.type(NONE)
            if v < n:
                gain = cost[v * stride + u] + cost[u * stride + v] - cost[u * stride + u] - cost[v * stride + v]
                for t in range(signs.shape[0]):
                    k = t * size + u * stride + v
                    gain += 4 * a[k] * bp[k] if signs[t] > 0 else 0
            delta[u * stride + v] = gain
    return energy


@njit(cache=True, nogil=True)
def _permitted(banned, where):
    broken = 0
    for u in range(where.shape[0]):
        broken += banned[u, where[u]]
    return broken == 0


@njit(cache=True, nogil=True)
def _swap(r, s, a, signs, where, bp, cost, x, y, stride):
    """Swap the locations of r and s in all but Δ; leaves x and y of this swap, x twice as large."""
    n = where.shape[0]
    for t in range(signs.shape[0]):
        base, one, other = t * n * stride, r * stride, s * stride
        take_differences(x[t], a, base + one, base + other, a.dtype.type(2), stride)
        take_differences(y[t], bp, base + other, base + one, a.dtype.type(1), stride)
        add_product(cost, y[t], x[t], n, stride)
        exchange(bp, base + one, base + other, stride)
        for u in range(n):
            k = base + u * stride
            first, second = number(bp, k + r), number(bp, k + s)
            put(bp, k + r, second)
            put(bp, k + s, first)
    exchange(cost, r * stride, s * stride, stride)
    where[r], where[s] = where[s], where[r]


@njit(cache=True, nogil=True)
def _renew(r, a, signs, where, bp, cost, delta, gains, own, x, y, stride):
    """Δ of all swaps with r. What the next sweep takes off is added before."""
    n = where.shape[0]
    line, before = r * stride, r // LANES * LANES
    mine = number(own, r)
    for u in range(n):
        put(gains, u, number(cost, u * stride + r) + number(cost, line + u) - number(own, u) - mine)
    for t in range(signs.shape[0]):
        factor = a.dtype.type(4 if signs[t] > 0 else 0)
        add_gains(gains, a, bp, t * n * stride + line, factor, x[t], y[t], r, stride)
    put(gains, r, a.dtype.type(0))
    # A sweep reads row u from the block of u on only.
    for u in range(before):
        put(delta, u * stride + r, number(gains, u))
    for u in range(before, n):
        put(delta, line + u, number(gains, u))
        if u < before + LANES:
            put(delta, u * stride + r, number(gains, u))


@njit(cache=True, nogil=True)
def _mark(r, where, idle, spare, until, marks, stride):
    """Until when swaps with r are tabu: as long as both placements are."""
    n, line, before = where.shape[0], r * stride, r // LANES * LANES
    there, costless, free = where[r] * stride, idle[r], spare[where[r]]
    for u in range(n):
        # until[location, vertex]
        mark = min(number(until, there + u), number(until, where[u] * stride + r))
        # Two vertices without costs, or two locations without any, change nothing.
        if (costless and idle[u]) or (free and spare[where[u]]) or u == r:
            mark = marks.dtype.type(LOCKED)
        if u < before + LANES:
            put(marks, u * stride + r, mark)
        if u >= before:
            put(marks, line + u, mark)


@njit(cache=True, nogil=True)
def search(iterations, a, b, signs, c, banned, masked, idle, spare, random, stop, where, best):
    """One search from `where`, which it changes; writes the best permitted assignment to `best`, returns its energy.

    Args:
        iterations: swaps.
        a, b: `[T·n·stride]`, stride a multiple of 8; padding is 0. signs: `[T]`, 1 symmetric, −1 not.
        c: `[n,stride]` vertex costs; what is forbidden costs more than any matching saves.
        banned, masked: `[n,n]` bool, and whether any is.
        idle, spare: `[n]` bool, vertices and locations without any cost.
        random: a stream. stop: `[1]`, anything but 0 ends the search.
        where, best: `[n]` int64.
    """
    terms, (n, stride), kind = signs.shape[0], c.shape, a.dtype
    bp, x, y = np.zeros_like(a), np.zeros((terms, stride), kind), np.zeros((terms, stride), kind)
    cost, delta = np.zeros(n * stride, kind), np.empty(n * stride, kind)
    own, gains = np.zeros(stride, kind), np.zeros(stride, kind)
    until, marks = np.zeros(n * stride, kind), np.full(n * stride, LOCKED, kind)
    energy = _prepare(a, b, signs, c, where, bp, cost, delta)
    for r in range(n):
        _mark(r, where, idle, spare, until, marks, stride)
    level = energy  # of aspiration: assignments that break the mask count, too
    kept = energy if not masked or _permitted(banned, where) else np.inf
    best[:] = where
    shortest, longest = tenure(n)
    for iteration in range(1, iterations + 1):
        if iteration % POLL == 0 and raised(stop):
            break
        for t in range(1, terms):
            shift(delta, x[t], y[t], n, stride)
        code = sweep(delta, marks, x[0], y[0], n, stride, kind.type(iteration), kind.type(min(level - energy, 0.0)))
        # All swaps are tabu for now: time passes, and nothing changes.
        if code < 0:
            x[:] = 0
            continue
        r, s = code // stride, code % stride
        energy += delta[code]
        _swap(r, s, a, signs, where, bp, cost, x, y, stride)
        until[where[s] * stride + r] = iteration + 1 + shortest + below(random, longest - shortest + 1)
        until[where[r] * stride + s] = iteration + 1 + shortest + below(random, longest - shortest + 1)
        for u in range(n):
            put(own, u, number(cost, u * stride + u))
        for k in (r, s):
            _renew(k, a, signs, where, bp, cost, delta, gains, own, x, y, stride)
            _mark(k, where, idle, spare, until, marks, stride)
        level = min(level, energy)
        if energy < kept and (not masked or _permitted(banned, where)):
            kept = energy
            best[:] = where
    return kept
