"""An assignment as a matching of vertices and edges, and its energy, compiled: only what is matched is visited."""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def evaluate(vertex, edge, left, right, columns, matched, lifted, energy):
    """Fill both matchings and sum in float64.

    Args:
        vertex, edge: costs `[G,n,m]`, `[G,E,F]`.
        left, right: edges `[G,E,2]`, `[G,F,2]`.
        columns: `[G,n]`; outside 0..m−1 leaves a row unmatched.
        matched, lifted: output `[G,n,m]`, `[G,E,F]`.
        energy: output `[G]`.
    """
    graphs, n, m = vertex.shape
    edges = right.shape[1]
    last, previous = np.empty((m, m), np.int64), np.empty(edges, np.int64)  # the right edges of each ordered pair
    for g in range(graphs):
        total = 0.0
        matched[g] = 0
        lifted[g] = 0
        for i in range(n):
            s = columns[g, i]
            if 0 <= s < m:
                matched[g, i, s] = 1
                total += np.float64(vertex[g, i, s])
        # Equal right edges are chained: a table of ordered pairs finds all of them without sorting.
        last[:] = -1
        for f in range(edges):
            s, t = right[g, f, 0], right[g, f, 1]
            previous[f] = last[s, t]
            last[s, t] = f
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
def paid(vertex, edge, left, right, columns):
    """The energy of one assignment `columns [n]`, summed in the order of `evaluate`; arguments without the batch."""
    n, m = vertex.shape
    edges, total = right.shape[0], 0.0
    last, previous = np.empty((m, m), np.int64), np.empty(edges, np.int64)
    for i in range(n):
        if 0 <= columns[i] < m:
            total += np.float64(vertex[i, columns[i]])
    last[:] = -1
    for f in range(edges):
        s, t = right[f, 0], right[f, 1]
        previous[f] = last[s, t]
        last[s, t] = f
    for e in range(left.shape[0]):
        s, t = columns[left[e, 0]], columns[left[e, 1]]
        if 0 <= s < m and 0 <= t < m:
            f = last[s, t]
            while f >= 0:
                total += np.float64(edge[e, f])
                f = previous[f]
    return total
