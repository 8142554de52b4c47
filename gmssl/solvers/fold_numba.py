"""Costs of a sparse second-order problem as integer tables over adjacent vertex pairs, for kernels.

Both directions and all duplicates of an edge fold into two table entries, D[(i,k)] and its transpose D[(k,i)]. A
self-loop on a self-loop costs what its placement costs; a self-loop and a proper edge are never matched together.
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def adjacency(left, entry, first, head):
    """Number the ordered adjacent pairs: `entry[i, k]` (else −1), and CSR lists `first [n+1]`, `head`."""
    n = entry.shape[0]
    entry[:] = -1
    for e in range(left.shape[0]):
        i, k = left[e, 0], left[e, 1]
        if i != k:
            entry[i, k] = 0
            entry[k, i] = 0
    count = 0
    for i in range(n):
        first[i] = count
        for k in range(n):
            if entry[i, k] == 0:
                entry[i, k] = count
                head[count] = k
                count += 1
    first[n] = count


@njit(cache=True, nogil=True)
def headroom(vertex, edge, left, right, masked):
    """The integer that a cost of 1 becomes, as large as int32 gains permit, and the penalty of a forbidden placement.

    A placement costs at most `bound` times the largest cost: its vertex, plus each incident left edge on the most often
    repeated right edge. A gain is the sum of four placements and two pairs. The penalty outweighs one placement.
    """
    n, m = vertex.shape
    largest = np.float32(0)
    for i in range(n):
        for s in range(m):
            largest = max(largest, abs(vertex[i, s]))
    for e in range(edge.shape[0]):
        for f in range(edge.shape[1]):
            largest = max(largest, abs(edge[e, f]))
    incident, repeated = np.zeros(n, np.int64), np.zeros((m, m), np.int64)
    for e in range(left.shape[0]):
        incident[left[e, 0]] += 1
        incident[left[e, 1]] += 1
    for f in range(right.shape[0]):
        repeated[right[f, 0], right[f, 1]] += 1
    bound = 1 + incident.max() * repeated.max()
    whole = np.int64(2**31 - 2) // (6 * bound * (3 if masked else 1))
    unit = np.float64(whole) / largest if largest > 0 else np.float64(1)
    return unit, np.int32(2 * bound * whole if masked else 0)


@njit(cache=True, nogil=True)
def fold(vertex, edge, left, right, rename, renames, entry, count, unit, pairs, single):
    """Fill `single[k, s]`, the cost of placing k at s, and `pairs[entry[i,k], s, t]`, the cost of i at s with k at t.

    Args:
        vertex, edge: costs of one instance, `[n,m]`, `[E,F]`.
        left, right: its edges `[E,2]`, `[F,2]`, renamed.
        rename, renames: new names of rows and columns.
        entry, count: of `adjacency`.
        unit: what a cost of 1 becomes.
        pairs, single: output, int32, at least `[count,n,·]` and `[n,·]`.
    """
    single[:] = 0
    pairs[:count] = 0
    for i in range(vertex.shape[0]):
        for s in range(vertex.shape[1]):
            single[rename[i], renames[s]] = np.int32(np.rint(vertex[i, s] * unit))
    for e in range(left.shape[0]):
        i, k = left[e, 0], left[e, 1]
        if i == k:
            for f in range(right.shape[0]):
                if right[f, 0] == right[f, 1]:
                    single[i, right[f, 0]] += np.int32(np.rint(edge[e, f] * unit))
            continue
        there, back = pairs[entry[i, k]], pairs[entry[k, i]]
        for f in range(right.shape[0]):
            if right[f, 0] != right[f, 1]:
                s, t = right[f, 0], right[f, 1]
                cost = np.int32(np.rint(edge[e, f] * unit))
                there[s, t] += cost
                back[t, s] += cost
