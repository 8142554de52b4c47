"""Slow, obvious references in plain Python: loops over lists, no shared code with what they check."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

from gmssl.problem import Problem


def energy_of(problem: Problem, instance: int, columns: tuple[int, ...]) -> float:
    """Energy of one assignment: `columns[i]` is the column of row i, −1 leaves it unmatched."""
    vertex, edge = problem.costs.vertex[instance].tolist(), problem.costs.edge[instance].tolist()
    left, right = problem.topology.left[instance].tolist(), problem.topology.right[instance].tolist()
    total = 0.0
    for i, s in enumerate(columns):
        if s >= 0:
            total += vertex[i][s]
    for e, (i, j) in enumerate(left):
        for f, (s, t) in enumerate(right):
            if columns[i] == s and columns[j] == t:
                total += edge[e][f]
    return total


def matchings(problem: Problem, instance: int) -> Iterator[tuple[int, ...]]:
    """All one-to-one matchings of the shorter side that the mask allows, as columns; of any size if partial."""
    n, m = problem.costs.vertex.shape[1:]
    allowed = problem.topology.allowed[instance].tolist()
    if problem.topology.partial:
        for columns in product(range(-1, m), repeat=n):
            matched = [s for s in columns if s >= 0]
            if len(set(matched)) == len(matched) and all(s < 0 or allowed[i][s] for i, s in enumerate(columns)):
                yield columns
        return
    for chosen in permutations(range(max(n, m)), min(n, m)):
        columns = chosen if n <= m else tuple(chosen.index(i) if i in chosen else -1 for i in range(n))
        if all(s < 0 or allowed[i][s] for i, s in enumerate(columns)):
            yield columns


def least_energy(problem: Problem, instance: int) -> float | None:
    """Energy of the best matching, or None if the mask allows none."""
    return min((energy_of(problem, instance, columns) for columns in matchings(problem, instance)), default=None)


def lifted(problem: Problem, instance: int, matched: list[list[float]]) -> list[list[float]]:
    """The edge matching `[E][F]` that a vertex matching `[n][m]` implies."""
    left, right = problem.topology.left[instance].tolist(), problem.topology.right[instance].tolist()
    return [[matched[i][s] * matched[j][t] for s, t in right] for i, j in left]


def least_assignment(problem: Problem, instance: int) -> float:
    """Least energy of the vertex costs alone, by SciPy: for more vertices than can be enumerated.

    Raises:
        ValueError: the mask allows no matching.
    """
    from scipy.optimize import linear_sum_assignment

    vertex = problem.costs.vertex[instance].double()
    costs = vertex.masked_fill(~problem.topology.allowed[instance], float("inf")).numpy()
    rows, columns = linear_sum_assignment(costs)
    return float(costs[rows, columns].sum())
