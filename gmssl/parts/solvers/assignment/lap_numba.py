"""Linear assignment, compiled: for batches, and for use inside other kernels.

    min Σ c_is x_is,  Σ_s x_is = 1 for all n rows,  Σ_i x_is ≤ 1 for all m ≥ n columns
  = max Σ u_i + Σ v_s,  u_i + v_s ≤ c_is,  v ≤ 0

The state is primal–dual: prices v ≤ 0 of the columns, 0 where unmatched; each matched row has a column of least reduced
cost c_is − v_s, and that is its u_i. Rows first *bid*: a row takes its best column and lowers v by what it would lose
with the second best, and whoever held the column bids again; most rows find their place for little. A row stopped by a
tie or by the end of the budget is placed by a shortest alternating path (Dijkstra over reduced costs), which keeps the
prices optimal. O(n²m); no step divides or scales, so integer costs stay exact.

Sources: Jonker & Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems",
Computing 38 (1987), whose augmenting row reduction the bids are; Crouse, "On implementing 2D rectangular assignment
algorithms", IEEE TAES 52 (2016).
"""

# mypy: disable-error-code="no-untyped-def,call-arg"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from gmssl.parts.solvers.kernels.random_numba import shuffle

# No cost is NaN, and no infinity meets its opposite: minima may then be taken in any order, four at a time.
FAST = {"nnan", "nsz"}

# A column's key orders equal distances: free ones first, as they end a path, then by rank. Its lowest bits name it.
FREE = 1 << 60
RANK = 20
NAME = (1 << RANK) - 1
REALS, INTEGERS = 3, 5  # rows of the workspaces of `match`


@intrinsic
def lesser(typingctx, a, b):
    """The lesser of two floats, neither NaN. A reduction by numba's `min` is not vectorised: its select lacks flags."""

    def codegen(context, builder, signature, args):
        below = builder.fcmp_ordered("<", *args, flags=("nnan", "nsz"))
        return builder.select(below, *args, flags=("nnan", "nsz"))

    return types.float64(types.float64, types.float64), codegen


@njit(cache=True, nogil=True, fastmath=FAST)
def _preferred(reach, key, least):
    """The greatest key among columns at the least distance, −1 if that is infinite."""
    if least == np.inf:
        return np.int64(-1)
    found = np.int64(-1)
    for j in range(reach.shape[0]):
        found = max(found, key[j] if reach[j] == least else np.int64(-1))
    return found


@njit(cache=True, nogil=True, fastmath=FAST)
def _bid(cost, i, price, key, reach):
    """Key of the best column of row i, and its reduced cost and that of the second best."""
    least, second = np.inf, np.inf
    for j in range(reach.shape[0]):
        reach[j] = cost[i, j] - price[j]
        least = lesser(reach[j], least)
    best = _preferred(reach, key, least)
    for j in range(reach.shape[0]):
        second = lesser(np.inf if key[j] == best else reach[j], second)
    return best, least, second


@njit(cache=True, nogil=True, fastmath=FAST)
def _bids(cost, order, columns, price, owner, key, pending, reach):
    """Let all rows bid. Returns how many rows are left to `_augment`, in `pending`; −1 if one has no column at all."""
    waiting, budget = 0, cost.shape[0]
    for k in range(order.shape[0]):
        i = order[k]
        while i >= 0:
            best, least, second = _bid(cost, i, price, key, reach)
            if best < 0:
                return -1
            j = best & NAME
            former = owner[j]
            # At a tie a bid lowers no price, and two rows could displace each other for ever; a row with no other
            # column would lower it without limit; and the budget ends price wars in small steps.
            if former >= 0 and (least == second or second == np.inf or budget == 0):
                pending[waiting] = i
                waiting += 1
                break
            if second < np.inf:
                price[j] -= second - least
            # An owned column stays owned: only its holder changes.
            key[j] &= FREE - 1
            owner[j], columns[i] = i, j
            budget -= former >= 0
            i = former
    return waiting


@njit(cache=True, nogil=True, fastmath=FAST)
def _augment(cost, start, columns, price, owner, key, before, scanned, reach, passed, barred):
    """Match row `start` along a shortest alternating path. Returns False if there is none.

    `reach` holds distances of columns not yet scanned, `passed` of scanned ones; `barred` is −inf for scanned columns,
    else the price, so that one loop without branches suffices; `before` is the row from which a column is reached.
    """
    least = np.inf
    for j in range(reach.shape[0]):
        reach[j] = cost[start, j] - price[j]
        barred[j] = price[j]
        before[j] = start
        least = lesser(reach[j], least)
    count = 0
    best = _preferred(reach, key, least)
    while 0 <= best < FREE:
        j = best & NAME
        passed[count], scanned[count] = least, j
        count += 1
        reach[j], barred[j] = np.inf, -np.inf
        i = owner[j]
        # The path goes on from the row that owns the column; its others are farther by what they are dearer.
        offset = cost[i, j] - price[j] - least
        least = np.inf
        for q in range(reach.shape[0]):
            through = cost[i, q] - barred[q] - offset
            better = through < reach[q]
            reach[q] = through if better else reach[q]
            before[q] = i if better else before[q]
            least = lesser(reach[q], least)
        best = _preferred(reach, key, least)
    if best < 0:
        return False
    for k in range(count):
        price[scanned[k]] -= max(least - passed[k], 0.0)  # rounding must not make a price positive
    j, i = best & NAME, np.int64(-1)
    key[j] &= FREE - 1
    while i != start:
        i = before[j]
        owner[j] = i
        j, columns[i] = columns[i], j
    return True


@njit(cache=True, nogil=True, fastmath=FAST)
def match(cost, order, rank, columns, price, reals, integers):
    """Linear assignment of n ≤ m rows, without allocating anything.

    Args:
        cost: `[n,m]` float64, m < 2²⁰, +inf forbids a pair.
        order: `[n]`, the order in which rows are placed.
        rank: `[m]`, distinct numbers in 0..m−1: among equal columns the higher is preferred.
        columns: output `[n]`, the column of each row.
        price: output `[m]`, optimal v of the columns.
        reals, integers: workspaces `[REALS,m]` float64 and `[INTEGERS,m]` int64.

    Returns:
        False if the forbidden pairs leave no matching of all rows; the outputs are then meaningless.
    """
    owner, key, before, scanned, pending = integers[0], integers[1], integers[2], integers[3], integers[4]
    for j in range(cost.shape[1]):
        owner[j], price[j] = -1, 0.0
        key[j] = FREE | (rank[j] << RANK) | j
    waiting = _bids(cost, order, columns, price, owner, key, pending, reals[0])
    for k in range(waiting):
        if not _augment(
            cost, pending[k], columns, price, owner, key, before, scanned, reals[0], reals[1], reals[2]
        ):  # fmt: skip
            return False
    return waiting >= 0


@njit(cache=True, nogil=True)
def assign_rectangular(cost, columns, row_potential, column_potential):
    """Linear assignment of n ≤ m rows with its dual solution.

    Args:
        cost: `[n,m]` float64, n ≤ m, +inf forbids a pair.
        columns: output `[n]`, the column of each row.
        row_potential: output `[n]` float64, u_i = min_s (c_is − v_s): feasible but for the rounding of one subtraction.
        column_potential: output `[m]` float64, v ≤ 0, and 0 for unmatched columns, so that Σu + Σv is the optimum.

    Returns:
        False if the forbidden pairs leave no matching of all rows; the outputs are then meaningless.
    """
    n, m = cost.shape
    if n > m:
        return False
    reals, integers = np.empty((REALS, m)), np.empty((INTEGERS, m), np.int64)
    if not match(cost, np.arange(n), np.arange(m), columns, column_potential, reals, integers):
        return False
    for i in range(n):
        row_potential[i] = _least_reduced(cost, i, column_potential)
    return True


@njit(cache=True, nogil=True, fastmath=FAST)
def _least_reduced(cost, i, price):
    least = np.inf
    for j in range(price.shape[0]):
        least = lesser(cost[i, j] - price[j], least)
    return least


@njit(cache=True, nogil=True)
def assign(cost, columns):
    """Linear assignment of n ≤ m rows; ties fall by index, so rename the vertices at random first.

    Args:
        cost: `[n,m]` float64, n ≤ m, +inf forbids a pair.
        columns: output `[n]`, the column of each row.

    Returns:
        False if the forbidden pairs leave no matching of all rows; `columns` is then meaningless.
    """
    n, m = cost.shape
    reals, integers = np.empty((REALS, m)), np.empty((INTEGERS, m), np.int64)
    return n <= m and match(cost, np.arange(n), np.arange(m), columns, np.empty(m), reals, integers)


@njit(cache=True, nogil=True)
def _load(costs, allowed, work):
    """`work [n,m]` float64 becomes the costs `[n,m]`, or `[m,n]` transposed, with +inf where forbidden."""
    # Rows become the shorter side: augmenting paths are searched once a row, and columns may stay free.
    turned = costs.shape[0] > costs.shape[1]
    for i in range(costs.shape[0]):
        if turned:
            for s in range(costs.shape[1]):
                work[s, i] = costs[i, s] if allowed[i, s] else np.inf
        else:
            for s in range(costs.shape[1]):
                work[i, s] = costs[i, s] if allowed[i, s] else np.inf


@njit(cache=True, nogil=True)
def _seed(state, seed, costs):
    """As `scatter_seed`, but a sum, not a chain of products, which would take as long as an easy matching itself."""
    bits, total, place = costs.view(np.uint32), np.uint64(seed), np.uint64(0)
    for i in range(bits.shape[0]):
        for s in range(bits.shape[1]):
            place += np.uint64(0x9E3779B97F4A7C15)
            h = np.uint64(bits[i, s]) + place
            h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            total += h ^ (h >> np.uint64(29))
    total = (total ^ (total >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state[0] = (total ^ (total >> np.uint64(31))) | np.uint64(1)


@njit(cache=True, nogil=True)
def assign_slice(costs, allowed, seed, columns):
    """Solve G assignments one after the other, with ties falling at random.

    Args:
        costs: `[G,n,m]` float32 or float64, contiguous, finite where allowed.
        allowed: `[G,n,m]` bool.
        seed: of the order of rows and of the preference among equal columns, mixed with the costs of each instance.
        columns: output `[G,n]` int64, −1 where unmatched, and in all rows where the mask permits no matching.
    """
    n, m = costs.shape[1:]
    short, long = min(n, m), max(n, m)
    work, price, chosen = np.empty((short, long)), np.empty(long), np.empty(short, np.int64)
    reals, integers = np.empty((REALS, long)), np.empty((INTEGERS, long), np.int64)
    order, rank, state = np.empty(short, np.int64), np.empty(long, np.int64), np.empty(1, np.uint64)
    for g in range(costs.shape[0]):
        _seed(state, seed, costs[g])
        for names in (order, rank):
            for k in range(names.shape[0]):
                names[k] = k
            shuffle(state, names, names.shape[0])
        _load(costs[g], allowed[g], work)
        possible = match(work, order, rank, chosen, price, reals, integers)
        for i in range(n):
            columns[g, i] = -1
        for k in range(short if possible else 0):
            if n <= m:
                columns[g, k] = chosen[k]
            else:
                columns[g, chosen[k]] = k
