"""Dual ascent of one instance after the other: scaling, averages, evaluation and rounding around `iteration_numba`."""

# mypy: disable-error-code="no-untyped-def,call-arg"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit

from gmssl.parts.solvers.kernels.simd_numba import LANES, transpose
from gmssl.parts.solvers.kernels.stop_numba import raised
from gmssl.parts.solvers.lagrange.iteration_numba import FAST, FORBIDDEN, bound_of, energy_of, iterate, tabulate

WEIGHT = np.float32(4)  # of primal against dual steps; measured on kNN problems scaled to pair costs of mean square 1


@njit(cache=True, nogil=True)
def _scale(pairs, largest, stop):
    """Root of the mean square of the permitted pair costs, or the largest cost where there is none."""
    total, count = 0.0, 0
    for p in range(pairs.shape[0]):
        if raised(stop):
            break
        for s in range(pairs.shape[1]):
            for t in range(pairs.shape[2]):
                if pairs[p, s, t] < np.inf:
                    # Divided first: squares of very large or small costs would overflow or vanish.
                    total += (pairs[p, s, t] / largest) ** 2 if largest > 0 else 0.0
                    count += 1
    if total > 0:
        return largest * np.sqrt(total / count)
    return largest if largest > 0 else 1.0


@njit(cache=True, nogil=True)
def _scaled(single, pairs, scale, stride, stop):
    """Both tables in float32, what is forbidden or padding at a high cost, in rows of `stride` numbers; zeros for y.

    Incomplete once `stop[0]` is not 0.
    """
    n, m = single.shape
    one, size = np.full((n, stride), FORBIDDEN, np.float32), m * stride
    two, y = np.empty(pairs.shape[0] * size, np.float32), np.empty(pairs.shape[0] * size, np.float32)
    for i in range(n):
        for s in range(m):
            if single[i, s] < np.inf:
                one[i, s] = single[i, s] / scale
    for p in range(pairs.shape[0]):
        if raised(stop):
            break
        two[p * size : (p + 1) * size] = FORBIDDEN
        y[p * size : (p + 1) * size] = 0
        for s in range(m):
            for t in range(m):
                if pairs[p, s, t] < np.inf:
                    two[(p * m + s) * stride + t] = pairs[p, s, t] / scale
    return one, two, y


@njit(cache=True, nogil=True, fastmath=FAST)
def _accumulate(total, values):
    one, other = total.reshape(-1), values.reshape(-1)
    for k in range(one.shape[0]):
        one[k] += other[k]


@njit(cache=True, nogil=True, fastmath=FAST)
def _mean(total, count, mean):
    one, other, factor = total.reshape(-1), mean.reshape(-1), np.float32(1) / np.float32(count)
    for k in range(one.shape[0]):
        other[k] = one[k] * factor


@njit(cache=True, nogil=True)
def _accumulate_all(totals, multipliers):
    _accumulate(totals[0], multipliers[0])
    _accumulate(totals[1], multipliers[1])
    _accumulate(totals[2], multipliers[2])


@njit(cache=True, nogil=True)
def _mean_all(totals, count, means):
    _mean(totals[0], count, means[0])
    _mean(totals[1], count, means[1])
    _mean(totals[2], count, means[2])


@njit(cache=True, nogil=True)
def _degrees(tail, head, n):
    """Pairs of each vertex, float32."""
    degree = np.zeros(n, np.float32)
    for p in range(tail.shape[0]):
        degree[tail[p]] += 1
        degree[head[p]] += 1
    return degree


@njit(cache=True, nogil=True)
def _ascend(single, pairs, tail, head, scale, iterations, every, tolerance, stop, duals, columns, upper, excess):
    """Improve `duals` (α, β, capacity, scaled) to the best found. Returns the bound and the lowest energy known.

    `columns` is replaced by the best rounding if that is below `upper`, the energy to beat; `excess` is of `bound_of`.
    A bound of −inf says that `stop` was set before the first evaluation was over.
    """
    n, m = single.shape
    stride = (m + LANES - 1) // LANES * LANES
    blocks = stride // LANES
    one, two, y = _scaled(single, pairs, scale, stride, stop)
    alpha, beta, capacity = duals[0].copy(), duals[1].copy(), duals[2].copy()
    degree, crosswise = _degrees(tail, head, n), np.empty_like(capacity)
    for i in range(n):
        transpose(crosswise[i], 0, capacity[i], 0, blocks)
    rows, free = np.zeros(n, np.float32), np.zeros(stride, np.float32)
    x = np.zeros((n, stride), np.float32)
    x[:, :m] = 1 / m
    ahead, spent, crossed = np.empty_like(x), np.empty_like(capacity), np.empty_like(capacity)
    column, turned = np.empty(stride, np.float32), np.empty(stride * stride, np.float32)
    totals = np.zeros_like(alpha), np.zeros_like(beta), np.zeros_like(capacity)
    means = np.empty_like(alpha), np.empty_like(beta), np.empty_like(capacity)
    chosen, grown = np.empty(n, np.int64), np.empty((n, m))
    best, done, averaged, restart = -np.inf, 0, 0, 2 * every
    while True:
        # Iterates circle around the optimum that their average approaches. Any multipliers give a valid bound, so
        # both are tried, and the higher one stays.
        for kind in range(2 if averaged else 1):
            now = means if kind else (alpha, beta, capacity)
            bound = bound_of(
                single, pairs, tail, head, now[0], now[1], now[2].reshape(n, stride, stride), scale, stop, chosen,
                grown,
            )  # fmt: skip
            if bound == -np.inf:
                return best, upper
            if bound > best:
                best = bound
                excess[:] = grown
                duals[0][:], duals[1][:], duals[2][:] = now[0], now[1], now[2]
            energy = energy_of(chosen, single, pairs, tail, head) if bound < np.inf else np.inf
            if energy < upper:
                upper = energy
                columns[:] = chosen
        closed = best == np.inf or (upper < np.inf and upper - best <= tolerance * abs(upper))
        if closed or done >= iterations:
            return best, upper
        # The average begins anew each time the number of steps has doubled: early ones, far off, are forgotten.
        if done >= restart:
            totals[0][:], totals[1][:], totals[2][:], averaged, restart = 0, 0, 0, 0, 2 * restart
        for _ in range(min(every, iterations - done)):
            iterate(
                one, two, tail, head, degree, alpha, beta, capacity, crosswise, rows, free, x, y, WEIGHT, n == m,
                ahead, spent, crossed, column, turned, stop,
            )  # fmt: skip
            # Asked after each iteration, which may take seconds; another evaluation would take as long.
            if raised(stop):
                return best, upper
            _accumulate_all(totals, (alpha, beta, capacity))
            done, averaged = done + 1, averaged + 1
        _mean_all(totals, averaged, means)


@njit(cache=True, nogil=True)
def ascend_slice(
    vertex, edge, left, right, allowed, every_pair, iterations, every, tolerance, stop, tails, heads, capacities,
    columns, upper, bound, excess,
):  # fmt: skip
    """Bound G problems with n ≤ m, one after the other.

    Args:
        vertex, edge: costs `[G,n,m]`, `[G,E,F]`, float64.
        left, right: edges `[G,E,2]`, `[G,F,2]`, int64. allowed: `[G,n,m]`.
        every_pair: relax all pairs of left vertices, not only adjacent ones.
        iterations, every: steps, and steps between evaluations.
        tolerance: relative gap at which an instance is done.
        stop: `[1]`; anything but 0 ends all: what has no bound by then keeps the outputs that it was given.
        tails, heads, capacities: multipliers `[G,P,m]`, `[G,P,m]`, `[G,n,m,m]` float32, where to start and, at the end,
            those of the bound; a row for each pair in the order of `tabulate`, P at least their number.
        columns: `[G,n]`, an assignment, replaced by a better one if rounding finds one.
        upper: `[G]` float64, a known energy, or +inf; lowered to that of `columns` and of roundings.
        bound: output `[G]`, float64. excess: output `[G,n,m]`, of `bound_of`.
    """
    graphs, n, m = vertex.shape
    stride, most = (m + LANES - 1) // LANES * LANES, tails.shape[1]
    single, pairs = np.empty((n, m)), np.empty((most, m, m))
    tail, head = np.empty(most, np.int64), np.empty(most, np.int64)
    for g in range(graphs):
        count, largest = tabulate(
            vertex[g], edge[g], left[g], right[g], allowed[g], every_pair, stop, single, pairs, tail, head
        )  # fmt: skip
        scale = _scale(pairs[:count], largest, stop)
        if raised(stop):
            return
        table, first, second = pairs[:count], tail[:count], head[:count]
        alpha, beta = np.zeros((count, m), np.float32), np.zeros((count, stride), np.float32)
        capacity = np.zeros((n, stride * stride), np.float32)
        square = capacity.reshape(n, stride, stride)
        alpha[:], beta[:, :m] = tails[g, :count] / scale, heads[g, :count] / scale
        square[:, :m, :m] = capacities[g] / scale
        bound[g], upper[g] = _ascend(
            single, table, first, second, scale, iterations, every, tolerance, stop, (alpha, beta, capacity),
            columns[g], min(upper[g], energy_of(columns[g], single, table, first, second)), excess[g],
        )  # fmt: skip
        tails[g, :count], heads[g, :count] = scale * alpha, scale * beta[:, :m]
        capacities[g] = scale * square[:, :m, :m]
