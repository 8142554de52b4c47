"""The fine charges of `gmssl.parts.estimators.certificate`, compiled: one pass over the costs, no tensor in between."""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def prove(vertex, edge, left, right, allowed, columns, may_be_unmatched, tolerance, proven):
    """Say of each instance whether every bracket is positive; sums are float64.

    Args:
        vertex, edge: costs `[G,n,m]`, `[G,E,F]`.
        left, right: edges `[G,E,2]`, `[G,F,2]`.
        allowed: bool `[G,n,m]`.
        columns: column of each row of the candidate, `[G,n]`; m where a row is unmatched.
        may_be_unmatched: whether a matched row may choose to be alone.
        tolerance: least bracket, relative to the largest cost of an instance.
        proven: output `[G]`.
    """
    graphs, n, m = vertex.shape
    brackets = np.empty((n, m + 1))
    for g in range(graphs):
        column = columns[g]
        largest = 0.0
        for i in range(n):
            now = vertex[g, i, column[i]] if column[i] < m else 0.0
            brackets[i, m] = -now
            for s in range(m):
                brackets[i, s] = vertex[g, i, s] - now
                largest = max(largest, abs(vertex[g, i, s]))
        largest = max(largest, _charge(edge[g], left[g], right[g], column, m, brackets))
        proven[g] = True
        for i in range(n):
            if column[i] < m and may_be_unmatched and brackets[i, m] <= tolerance * largest:
                proven[g] = False
            for s in range(m):
                if s != column[i] and allowed[g, i, s] and brackets[i, s] <= tolerance * largest:
                    proven[g] = False


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})  # costs are finite: maxima become vector instructions
def _charge(edge, left, right, column, m, brackets):
    """Subtract t_e and h_e from the brackets `[n,m+1]` of an instance; return its largest absolute edge cost."""
    if edge.size == 0:
        return 0.0
    edges, others = edge.shape
    place = _first_of_equal(right, m)
    tails, distinct = right[:, 0].copy(), (place >= 0).sum() == others
    cost = np.empty(others)  # of laying e upon each right edge; equal ones add up at the first of them
    least = np.empty(m + 1)
    largest = 0.0
    for e in range(edges):
        cost[:] = edge[e]
        for f in range(others):
            largest = max(largest, abs(cost[f]))
        # Equal right edges are matched together, so their costs count together, and only at the first of them.
        if not distinct:
            cost[:] = 0.0
            for f in range(others):
                cost[place[right[f, 0], right[f, 1]]] += edge[e, f]
        # An edge may also be laid upon nothing, which costs 0.
        least[:] = 0.0
        for f in range(others):
            least[tails[f]] = min(least[tails[f]], cost[f])
        tail, head = left[e, 0], left[e, 1]
        stays, image = column[tail], place[column[tail], column[head]]
        now = cost[image] if image >= 0 else 0.0
        for s in range(m + 1):
            # If the tail moves, e gains at most down to its least cost there, wherever the head goes; if the head moves
            # alone, down to what the tail's old place offers.
            brackets[tail, s] -= now - least[s]
            if head == tail:  # a self-loop has no head that moves alone
                continue
            image = place[stays, s]
            upon = cost[image] if image >= 0 else 0.0
            brackets[head, s] -= max(0.0, now - upon)
    return largest


@njit(cache=True, nogil=True)
def _first_of_equal(right, m):
    """The right edge from s to t, `[m+1,m+1]`; −1 if none, and where s or t is m: no vertex."""
    # Row and column m stand for “unmatched” and stay −1, so that loops over edges need no case for them.
    place = np.full((m + 1, m + 1), -1)
    for f in range(len(right)):
        if place[right[f, 0], right[f, 1]] < 0:
            place[right[f, 0], right[f, 1]] = f
    return place


@njit(cache=True, nogil=True)
def lay(left, right, columns, m, lifted):
    """The matching of edges that `columns [G,n]` (m: unmatched) imply, into `lifted [G,E,F]` of zeros."""
    last, previous = np.empty((m + 1, m + 1), np.int64), np.empty(right.shape[1], np.int64)
    for g in range(len(left)):
        last[:] = -1
        for f in range(right.shape[1]):
            s, t = right[g, f, 0], right[g, f, 1]
            # Equal right edges are chained; all of them are matched.
            previous[f] = last[s, t]
            last[s, t] = f
        for e in range(left.shape[1]):
            f = last[columns[g, left[g, e, 0]], columns[g, left[g, e, 1]]]
            while f >= 0:
                lifted[g, e, f] = 1
                f = previous[f]
