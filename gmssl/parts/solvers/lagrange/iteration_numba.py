"""Dual ascent for `lagrange`, compiled. Relaxation, bound and letters are those of `lagrange.py`.

One iteration of the primal–dual hybrid gradient method visits every y once: its step needs only multipliers of its own
pair and of the capacities of its two vertices, and after it the sums for their ascent are complete. Capacities of the
second vertex of a pair are kept transposed as well, so that every inner loop runs along t.

Sources: Chambolle & Pock, "A first-order primal-dual algorithm for convex problems", JMIV 40 (2011); Applegate et al.,
"Practical large-scale linear programming using primal-dual hybrid gradient" (PDLP), NeurIPS 2021.
"""

# mypy: disable-error-code="no-untyped-def,call-arg"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit

from gmssl.parts.solvers.assignment.lap_numba import assign_rectangular
from gmssl.parts.solvers.kernels.simd_numba import LANES, transpose
from gmssl.parts.solvers.kernels.stop_numba import raised
from gmssl.parts.solvers.lagrange.pair_numba import step_pair

# No number is NaN or infinite, and bounds are evaluated apart: sums may be taken in any order, eight at a time.
FAST = {"nnan", "ninf", "nsz", "reassoc", "contract"}
FORBIDDEN = np.float32(1e6)  # scaled cost of what is not allowed: its variable never leaves 0


@njit(cache=True, nogil=True)
def tabulate(vertex, edge, left, right, allowed, every_pair, stop, single, pairs, tail, head):
    """Costs of one instance as tables: `single [n,m]` and `pairs [P,m,m]`, float64, of P adjacent pairs tail < head.

    `pairs[p, s, t]` is what tail[p] at s and head[p] at t cost together, +inf where forbidden. The pairs stand in the
    order of their first edges; all others follow, free of cost, if `every_pair`. Returns P and the largest magnitude.
    Once `stop[0]` is not 0 the tables are left incomplete.
    """
    n, m = vertex.shape
    number = np.full((n, n), -1)
    count, largest = 0, 0.0
    for e in range(left.shape[0]):
        i, j = min(left[e, 0], left[e, 1]), max(left[e, 0], left[e, 1])
        if i != j and number[i, j] < 0:
            number[i, j] = count
            tail[count], head[count] = i, j
            count += 1
    for i in range(n if every_pair else 0):
        for j in range(i + 1, n):
            if number[i, j] < 0:
                tail[count], head[count] = i, j
                count += 1
    for i in range(n):
        for s in range(m):
            single[i, s] = vertex[i, s]
    for p in range(count):
        if raised(stop):
            return count, largest
        pairs[p] = 0.0
    for e in range(left.shape[0]):
        if raised(stop):
            return count, largest
        i, j = left[e, 0], left[e, 1]
        for f in range(right.shape[0]):
            s, t = right[f, 0], right[f, 1]
            if i == j and s == t:
                single[i, s] += edge[e, f]
            elif i < j and s != t:
                pairs[number[i, j], s, t] += edge[e, f]
            # Edges are directed, pairs are not: turned over, so that the lower vertex stands first.
            elif i > j and s != t:
                pairs[number[j, i], t, s] += edge[e, f]
    for i in range(n):
        for s in range(m):
            if allowed[i, s]:
                largest = max(largest, abs(single[i, s]))
            else:
                single[i, s] = np.inf
    for p in range(count):
        if raised(stop):
            return count, largest
        for s in range(m):
            for t in range(m):
                if s != t and allowed[tail[p], s] and allowed[head[p], t]:
                    largest = max(largest, abs(pairs[p, s, t]))
                else:
                    pairs[p, s, t] = np.inf
    return count, largest


@njit(cache=True, nogil=True)
def bound_of(single, pairs, tail, head, alpha, beta, capacity, scale, stop, columns, excess):
    """The lower bound of multipliers, in float64; valid for all of them with `capacity` ≥ 0.

    Args:
        single, pairs, tail, head: of `tabulate`, P long.
        alpha, beta: `[P,≥m]` float32. capacity: `[n,≥m,≥m]` float32. They are multiplied by `scale`.
        stop: `[1]`; anything but 0 ends the evaluation.
        columns: output `[n]`, the assignment of least reduced cost.
        excess: output `[n,m]`, ≥ 0: by how much the bound grows at least where i must go to s.

    Returns:
        The bound; +inf if no matching is allowed, −inf with outputs that mean nothing if it was stopped.
    """
    n, m = single.shape
    reduced, row, column = np.empty((n, m)), np.empty(m), np.empty(m)
    excess[:] = 0
    total = 0.0
    for i in range(n):
        for s in range(m):
            given = 0.0
            for t in range(m):
                given += capacity[i, s, t] if t != s else 0.0
            reduced[i, s] = single[i, s] - scale * given
    for p in range(pairs.shape[0]):
        if raised(stop):
            return -np.inf
        i, j = tail[p], head[p]
        column[:] = np.inf
        for s in range(m):
            reduced[i, s] += scale * np.float64(alpha[p, s])
            reduced[j, s] += scale * np.float64(beta[p, s])
            a, least = np.float64(alpha[p, s]), np.inf
            for t in range(m):
                moved = np.float64(capacity[i, s, t]) + np.float64(capacity[j, t, s]) - a - np.float64(beta[p, t])
                cost = pairs[p, s, t] + scale * moved
                least, column[t] = min(least, cost), min(column[t], cost)
            row[s] = least
        least = row.min()
        # A pair without any permitted places: no matching at all.
        if least == np.inf:
            return np.inf
        total += least
        for s in range(m):
            # With i at s this pair pays at least the least of its row s; minima of pairs are independent: growths add.
            excess[i, s] += row[s] - least
            excess[j, s] += column[s] - least
    u, v = np.empty(n), np.empty(m)
    if not assign_rectangular(reduced, columns, u, v):
        return np.inf
    for i in range(n):
        for s in range(m):
            excess[i, s] += reduced[i, s] - u[i] - v[s]
    return total + u.sum() + v.sum()


@njit(cache=True, nogil=True)
def energy_of(columns, single, pairs, tail, head):
    """Energy of an assignment in float64; +inf if it is forbidden."""
    total = 0.0
    for i in range(columns.shape[0]):
        total += single[i, columns[i]]
    for p in range(pairs.shape[0]):
        total += pairs[p, columns[tail[p]], columns[head[p]]]
    return total


@njit(cache=True, nogil=True, fastmath=FAST)
def _add(total, values):
    for k in range(total.shape[0]):
        total[k] += values[k]


@njit(cache=True, nogil=True, fastmath=FAST)
def _sum(values, lo, hi):
    total = np.float32(0)
    for k in range(lo, hi):
        total += values[k]
    return total


@njit(cache=True, nogil=True, fastmath=FAST)
def _step_x(single, tail, head, degree, alpha, beta, capacity, rows, columns, x, ahead, weight, equal):
    """The step of x `[n,stride]`, its extrapolation `ahead`, and the ascent of the multipliers of rows and columns."""
    n, stride = single.shape
    # Diagonal steps (Pock & Chambolle, ICCV 2011), counted for n = m: of a constraint one over its variables, n; of x
    # one over its constraints: a row, a column, a sum for each pair of i, n − 1 capacities; of y four: α, β, two λ.
    m, sigma = alpha.shape[1], weight / np.float32(n)
    gradient, taken = single.copy(), np.zeros(stride, np.float32)
    for p in range(tail.shape[0]):
        _add(gradient[tail[p], :m], alpha[p])
        _add(gradient[head[p]], beta[p])
    for i in range(n):
        tau = np.float32(1) / ((np.float32(n) + np.float32(1) + degree[i]) * weight)
        for s in range(m):
            gradient[i, s] -= _sum(capacity[i], s * stride, s * stride + m)
        for s in range(stride):
            new = x[i, s] - tau * (gradient[i, s] - rows[i] - columns[s])
            new = min(max(new, np.float32(0)), np.float32(1))
            ahead[i, s] = new + new - x[i, s]
            x[i, s] = new
        rows[i] += sigma * (np.float32(1) - _sum(ahead[i], 0, m))
        _add(taken, ahead[i])
    for s in range(m):
        columns[s] += sigma * (np.float32(1) - taken[s])
        # With m > n a column may stay free, Σ x ≤ 1: the multiplier of an inequality has a sign.
        if not equal:
            columns[s] = min(columns[s], np.float32(0))


@njit(cache=True, nogil=True, fastmath=FAST)
def _step_capacity(capacity, spent, turned, ahead, sigma):
    """The ascent of one vertex's multipliers of the second view, `[stride·stride]`; `ahead` is its row of x."""
    stride = ahead.shape[0]
    for s in range(stride):
        line = slice(s * stride, (s + 1) * stride)
        own, used, also, given = capacity[line], spent[line], turned[line], ahead[s]
        for t in range(stride):
            own[t] = max(own[t] + sigma * (used[t] + also[t] - given), np.float32(0))
        # No pair has both of its vertices at s: that capacity binds nothing.
        own[s] = 0


@njit(cache=True, nogil=True, fastmath=FAST)
def iterate(
    single, pairs, tail, head, degree, alpha, beta, capacity, crosswise, rows, columns, x, y, weight, equal,
    ahead, spent, crossed, column, turned, stop,
):  # fmt: skip
    """One iteration in float32 on scaled costs.

    Args:
        single: `[n,stride]`; stride is m, padded to whole vectors. pairs: `[P·m·stride]` flat.
        tail, head: `[P]`. degree: `[n]`, pairs of each vertex.
        alpha, beta: `[P,m]`, `[P,stride]`. capacity: `[n,stride·stride]`; crosswise: each of them transposed.
        rows, columns: `[n]`, `[stride]`, multipliers of rows and columns of x.
        x, y: the relaxed matching, `[n,stride]`, `[P·m·stride]`.
        weight, equal: of primal against dual steps; whether n = m, so that columns are matched, too.
        ahead, spent, crossed, column, turned: scratch, as x, capacity, capacity, `[stride]`, `[stride·stride]`.
        stop: `[1]`; anything but 0 leaves the iteration incomplete: nothing of it may be used.
    """
    _step_x(single, tail, head, degree, alpha, beta, capacity, rows, columns, x, ahead, weight, equal)
    n, stride = x.shape
    m, blocks = alpha.shape[1], stride // LANES
    sigma, tau, size, square = weight / np.float32(n), np.float32(1) / (np.float32(4) * weight), m * stride, stride**2
    over, across, here, there = capacity.ravel(), crosswise.ravel(), spent.ravel(), crossed.ravel()
    tails, heads, further = alpha.ravel(), beta.ravel(), ahead.ravel()
    here[:] = 0
    there[:] = 0
    for p in range(tail.shape[0]):
        if raised(stop):
            return
        i, j = tail[p], head[p]
        step_pair(
            pairs, p * size, y, p * size, tails, p * m, heads, p * stride, over, i * square, across, j * square,
            here, i * square, there, j * square, further, i * stride, further, j * stride, column, 0, m, blocks, tau,
            sigma,
        )  # fmt: skip
    for i in range(n):
        transpose(turned, 0, there, i * square, blocks)
        _step_capacity(capacity[i], spent[i], turned, ahead[i], weight / (degree[i] + np.float32(1)))
        transpose(across, i * square, over, i * square, blocks)
