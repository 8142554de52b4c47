"""The least and the largest costs of a batch in one pass, compiled: torch needs one for each, and some calls more."""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _extremes(row):
    """Of the bits `row [K]` of floats, K ≥ 1.

    With the other bits of negative ones turned over they compare as the floats do, and loops over whole numbers
    vectorise.
    """
    kind, whole = np.iinfo(row.dtype), row.dtype.type
    shift, mask, least, most = whole(8 * row.itemsize - 1), whole(kind.max), whole(kind.max), whole(kind.min)
    for k in range(row.shape[0]):
        ordered = row[k] ^ ((row[k] >> shift) & mask)
        least, most = min(least, ordered), max(most, ordered)
    return least ^ ((least >> shift) & mask), most ^ ((most >> shift) & mask)


@njit(cache=True, nogil=True)
def look(vertex, edge, bits, found, ratio, smallest, largest):
    """Find the extremes of all costs, and whether those of all instances are between limits.

    Args:
        vertex, edge: bits of costs as whole numbers, `[G,n·m]`, `[G,E,F]`, F ≥ 1.
        bits: output `[2,G,E+1]`, the least and the largest of each left edge and, last, of the vertices.
        found: the same memory as floats.
        ratio: of magnitudes to the least edge cost, which is below 0, at most.
        smallest, largest: between which the largest magnitude is.
    """
    within = True
    for g in range(edge.shape[0]):
        edges, least, most = edge.shape[1], 0.0, 0.0
        for e in range(edges):
            bits[0, g, e], bits[1, g, e] = _extremes(edge[g, e])
            least, most = min(least, np.float64(found[0, g, e])), max(most, np.float64(found[1, g, e]))
        bits[0, g, edges], bits[1, g, edges] = _extremes(vertex[g])
        top = max(max(most, -least), max(-np.float64(found[0, g, edges]), np.float64(found[1, g, edges])))
        within &= smallest < top < largest and top <= ratio * -least
    return within
