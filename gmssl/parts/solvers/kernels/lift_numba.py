"""An assignment as a matching of vertices and edges, and its energy, compiled: only what is matched is visited."""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _chain(right, last, previous):
    """Equal right edges are chained: a table of ordered pairs, `last`, finds all of them without sorting."""
    last[:] = -1
    for f in range(right.shape[0]):
        s, t = right[f, 0], right[f, 1]
        previous[f] = last[s, t]
        last[s, t] = f


@njit(cache=True, nogil=True)
def evaluate(vertex, edge, left, right, columns, matched, lifted, energy):
    """Fill both matchings and sum in float64.

    Args:
        vertex, edge: costs `[G,n,m]`, `[G,E,F]`.
        left, right: edges `[G,E,2]`, `[G,F,2]`.
        columns: `[G,n]`; outside 0..m−1 leaves a row unmatched.
        matched, lifted: output `[G,n,m]`, `[G,E,F]`, given as zeros.
        energy: output `[G]`.
    """
    graphs, n, m = vertex.shape
    last, previous = np.empty((m, m), np.int64), np.empty(right.shape[1], np.int64)
    for g in range(graphs):
        total = 0.0
        for i in range(n):
            s = columns[g, i]
            if 0 <= s < m:
                matched[g, i, s] = 1
                total += np.float64(vertex[g, i, s])
        _chain(right[g], last, previous)
        for e in range(left.shape[1]):
            s, t = columns[g, left[g, e, 0]], columns[g, left[g, e, 1]]
            if 0 <= s < m and 0 <= t < m:
                f = last[s, t]
                while f >= 0:
                    lifted[g, e, f] = 1
                    total += np.float64(edge[g, e, f])
                    f = previous[f]
        energy[g] = total


@njit(cache=True, nogil=True)
def pay(vertex, edge, left, right, columns, factor, magnitudes, paid, energy):
    """The energy alone, of costs times `factor [G]`, or of their `magnitudes`; and of each left edge, `paid [G,E]`."""
    graphs, n, m = vertex.shape
    last, previous = np.empty((m, m), np.int64), np.empty(right.shape[1], np.int64)
    for g in range(graphs):
        total = 0.0
        for i in range(n):
            s = columns[g, i]
            if 0 <= s < m:
                cost = factor[g] * np.float64(vertex[g, i, s])
                total += abs(cost) if magnitudes else cost
        _chain(right[g], last, previous)
        for e in range(left.shape[1]):
            s, t = columns[g, left[g, e, 0]], columns[g, left[g, e, 1]]
            paid[g, e] = 0.0
            if 0 <= s < m and 0 <= t < m:
                f = last[s, t]
                while f >= 0:
                    cost = factor[g] * np.float64(edge[g, e, f])
                    total += abs(cost) if magnitudes else cost
                    paid[g, e] += cost
                    f = previous[f]
        energy[g] = total
