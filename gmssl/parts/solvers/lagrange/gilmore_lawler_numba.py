"""Multipliers that bound as Gilmore and Lawler do: where dual ascent on dense problems had better start.

The pairs of vertex i, placed at s, pay at least the least assignment of i's partners to the other places. Such an
assignment has a dual solution, u of the partners and v ≤ 0 of the places, and this is one of multipliers of `lagrange`:
α_p[s] (or β_p[s]) is the partner's u, λ_i[s,t] is −v_t. They take from the costs of pairs what is below these, and add
the value of the small assignment to the cost of i at s; one assignment of all vertices is left, and it is the bound.

A pair has two vertices. The first is shown half of its costs and the second what is left of them, at least the other
half: so the bound is at least that of Gilmore and Lawler, unless some place is allowed that leaves partners none,
which no multipliers can say. Solving the small assignments again on what the last one
leaves unused, in the manner of Hahn and Grant (1998), was measured and left out: the ascent ends where it ends without.

Sources: Gilmore, "Optimal and suboptimal algorithms for the quadratic assignment problem", SIAM J. 10 (1962); Lawler,
"The quadratic assignment problem", Management Science 9 (1963); Hahn & Grant, "Lower bounds for the quadratic
assignment problem based upon a dual formulation", Operations Research 46 (1998).
"""

# mypy: disable-error-code="no-untyped-def,call-arg"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit

from gmssl.parts.solvers.assignment.lap_numba import INTEGERS, REALS, match
from gmssl.parts.solvers.kernels.stop_numba import raised
from gmssl.parts.solvers.lagrange.iteration_numba import tabulate


@njit(cache=True, nogil=True)
def _show(line, step, share, cost):
    for t in range(cost.shape[0]):
        cost[t] = share * line[t * step]


@njit(cache=True, nogil=True)
def _take(line, step, cost, price):
    """Take a row's dual solution from the costs of its pair. Returns the row's u."""
    u = np.inf
    for t in range(cost.shape[0]):
        u = min(u, cost[t] - price[t])
    for t in range(cost.shape[0]):
        line[t * step] -= u + price[t]
    return u


@njit(cache=True, nogil=True)
def _start(single, pairs, tail, head, stop, alpha, beta, capacity):
    """Fill the multipliers of one instance, given as zeros; `pairs` is used up."""
    n, m = single.shape
    reals, integers, price = np.empty((REALS, m)), np.empty((INTEGERS, m), np.int64), np.empty(m)
    order, rank, columns = np.arange(n), np.arange(m), np.empty(n, np.int64)
    rest, cost = pairs.reshape(-1), np.empty((n, m))
    for i in range(n):
        own = np.flatnonzero((tail == i) | (head == i))
        leads, count = tail[own] == i, own.shape[0]
        for s in range(m):
            if raised(stop):
                return
            if not count or single[i, s] == np.inf:
                continue
            # Costs of a pair over the places of the partner: a row of its table, or a column.
            for q in range(count):
                line = own[q] * m * m + (s * m if leads[q] else s)
                _show(rest[line:], 1 if leads[q] else m, 0.5 if leads[q] else 1.0, cost[q])
            # With i at s the partners may have no places: then nothing that i at s costs matters.
            if not match(cost[:count], order[:count], rank, columns[:count], price, reals, integers):
                continue
            for q in range(count):
                line = own[q] * m * m + (s * m if leads[q] else s)
                u = _take(rest[line:], 1 if leads[q] else m, cost[q], price)
                if leads[q]:
                    alpha[own[q], s] = u
                else:
                    beta[own[q], s] = u
            capacity[i, s] = -price


@njit(cache=True, nogil=True)
def start_slice(vertex, edge, left, right, allowed, every_pair, chosen, stop, tails, heads, capacities):
    """Multipliers of G problems with n ≤ m, one after the other.

    Args:
        vertex, edge, left, right, allowed, every_pair: as in `ascend_slice`.
        chosen: bool `[G]`, which problems; the multipliers of others are not touched.
        stop: `[1]`; anything but 0 ends all: multipliers that are not known by then stay 0.
        tails, heads, capacities: output `[G,P,m]`, `[G,P,m]`, `[G,n,m,m]` float32, given as zeros.
    """
    graphs, n, m = vertex.shape
    most = tails.shape[1]
    for g in range(graphs):
        if not chosen[g]:
            continue
        single, pairs = np.empty((n, m)), np.empty((most, m, m))
        tail, head = np.empty(most, np.int64), np.empty(most, np.int64)
        count, _ = tabulate(
            vertex[g], edge[g], left[g], right[g], allowed[g], every_pair, stop, single, pairs, tail, head
        )
        if raised(stop):
            return
        _start(single, pairs[:count], tail[:count], head[:count], stop, tails[g], heads[g], capacities[g])
