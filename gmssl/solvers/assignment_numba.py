"""Linear assignment, compiled, for use inside other kernels."""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def assign(cost, columns):
    """Square linear assignment by shortest augmenting paths (Kuhn, Munkres; Jonker & Volgenant 1987), O(n³).

    Args:
        cost: `[n,n]` float64, +inf forbids a pair.
        columns: output `[n]`, the column of each row.

    Returns:
        False if the forbidden pairs leave no perfect matching; `columns` is then meaningless.
    """
    n = cost.shape[0]
    potential_row, potential_column = np.zeros(n), np.zeros(n + 1)
    owner = np.full(n + 1, -1)  # row of each column; column n is where a path starts
    before = np.empty(n, np.int64)
    reach, done = np.empty(n), np.empty(n + 1, np.bool_)
    for row in range(n):
        owner[n] = row
        here = n
        reach[:] = np.inf
        done[:] = False
        while owner[here] >= 0:
            done[here] = True
            i = owner[here]
            step, following = np.inf, -1
            for j in range(n):
                if not done[j]:
                    through = cost[i, j] - potential_row[i] - potential_column[j]
                    if through < reach[j]:
                        reach[j] = through
                        before[j] = here
                    if reach[j] < step:
                        step = reach[j]
                        following = j
            if following < 0:
                return False
            for j in range(n + 1):
                if done[j]:
                    potential_row[owner[j]] += step
                    potential_column[j] -= step
                elif j < n:
                    reach[j] -= step
            here = following
        while here != n:
            owner[here] = owner[before[here]]
            here = before[here]
    for j in range(n):
        columns[owner[j]] = j
    return True
