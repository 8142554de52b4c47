"""Costs of a sparse second-order problem as integer tables over adjacent vertex pairs, for kernels.

Both directions and all duplicates of an edge fold into two table entries, D[(i,k)] and its transpose D[(k,i)]. A
self-loop on a self-loop costs what its placement costs; a self-loop and a proper edge are never matched together.
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit

from gmssl.parts.solvers.kernels.stop_numba import raised

CHUNK = 2**20  # numbers that are cleared between two looks at the flag: a millisecond


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
                # Row by row: the entries of a vertex are contiguous, and a search runs through them.
                entry[i, k] = count
                head[count] = k
                count += 1
    first[n] = count


@njit(cache=True, nogil=True)
def _largest(values):
    """Largest magnitude of contiguous float32. Their bits without the sign compare as they do, and vectorise."""
    bits, most = values.view(np.int32), np.zeros(1, np.int32)
    top = np.int32(0)
    for k in range(bits.shape[0]):
        top = max(top, bits[k] & np.int32(0x7FFFFFFF))
    most[0] = top
    return most.view(np.float32)[0]


@njit(cache=True, nogil=True)
def headroom(vertex, edge, left, right, masked, limit):
    """The integer that a cost of 1 becomes, as large as gains below `limit` permit, and what a forbidden pair costs.

    A placement costs at most its vertex, plus each incident left edge on the most often repeated right edge. A gain is
    the sum of four placements and two pairs. The penalty outweighs the dearest placement.
    """
    n, m = vertex.shape
    dearest, repeated = np.zeros(n), np.zeros((m, m), np.int64)
    for f in range(right.shape[0]):
        repeated[right[f, 0], right[f, 1]] += 1
    times = np.float64(repeated.max())
    for i in range(n):
        dearest[i] = _largest(vertex[i])
    for e in range(left.shape[0]):
        cost = times * np.float64(_largest(edge[e]))
        dearest[left[e, 0]] += cost
        # A self-loop is paid once.
        if left[e, 0] != left[e, 1]:
            dearest[left[e, 1]] += cost
    most = dearest.max()
    # Six terms of at most `whole` each; under a mask a placement may cost a penalty of 2 · whole more, thus 3 · whole.
    whole = 0.999 * limit / (18 if masked else 6)  # the remainder is for rounding
    unit = whole / most if most > 0 else 1.0
    return unit, np.int32(2 * whole if masked else 0)


@njit(cache=True, nogil=True)
def fold(vertex, edge, left, right, rename, renames, entry, count, unit, stop, pairs, single):
    """Fill `single`, at (k, s) the cost of placing k at s; `pairs`, at (entry[i,k], s, t) that of i at s with k at t.

    Args:
        vertex, edge: costs of one instance, `[n,m]`, `[E,F]`.
        left, right: its edges `[E,2]`, `[F,2]`, renamed.
        rename, renames: new names of rows and columns.
        entry, count: of `adjacency`.
        unit: what a cost of 1 becomes.
        stop: `[1]`; anything but 0 leaves `pairs` incomplete.
        pairs, single: output, int32, `[≥ count·n·stride]` and `[n·stride]`, flat.
    """
    n = entry.shape[0]
    stride = single.shape[0] // n
    size, edges = n * stride, right.shape[0]
    single[:] = 0
    for i in range(vertex.shape[0]):
        for s in range(vertex.shape[1]):
            # rint, torch.round and `_ROUND` of `fold_triton` all round halves to even: the three make the same tables.
            single[rename[i] * stride + renames[s]] = np.int32(np.rint(vertex[i, s] * unit))
    for lo in range(0, count * size, CHUNK):
        if raised(stop):
            return
        pairs[lo : min(lo + CHUNK, count * size)] = 0
    whole, there, back = np.empty(edges, np.int32), np.empty(edges, np.int32), np.empty(edges, np.int32)
    for f in range(edges):
        there[f] = right[f, 0] * stride + right[f, 1]
        back[f] = right[f, 1] * stride + right[f, 0]
    for e in range(left.shape[0]):
        if raised(stop):
            return
        i, k = left[e, 0], left[e, 1]
        for f in range(edges):
            whole[f] = np.int32(np.rint(edge[e, f] * unit))
        if i == k:
            for f in range(edges):
                if there[f] == back[f]:
                    single[i * stride + right[f, 0]] += whole[f]
            continue
        one, other = entry[i, k] * size, entry[k, i] * size
        for f in range(edges):
            # No proper edge lies upon a self-loop. Selecting 0, not skipping, keeps the loop without branches.
            cost = whole[f] if there[f] != back[f] else np.int32(0)
            pairs[one + there[f]] += cost
            pairs[other + back[f]] += cost
