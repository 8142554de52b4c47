"""pylibmgm's models of our problems, and its solver on them: apart, so that either can be timed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from gmssl.errors import PluginError
from gmssl.lazy import numpy as np
from gmssl.lazy import torch
from gmssl.problem import Problem

if TYPE_CHECKING:
    from pylibmgm import GmModel


def build_models(problem: Problem) -> list[GmModel]:
    """One model for each instance.

    A model has an assignment for each allowed pair and a pairwise cost for each two of them that an edge pair puts at
    a cost other than 0; duplicates, both directions of an edge and self-loops are summed. Costs are in units of the
    largest cost of the instance.

    pylibmgm may leave vertices unmatched, at no cost. So each assignment gets a discount: more than the energies of
    any two matchings, complete or not, can differ by. Then the least complete matching is the least of all matchings.
    """
    costs, topology = problem.costs, problem.topology
    arrays = (costs.vertex.double(), costs.edge.double(), topology.left, topology.right, topology.allowed)
    return [_model(*instance) for instance in zip(*(x.detach().cpu().numpy() for x in arrays), strict=True)]


def solve_models(
    models: list[GmModel], seed: int = 1, greedy_generations: int = 10, batches: int = 100
) -> torch.Tensor:
    """Solve models one after the other.

    Args:
        models: of problems of the same size, from `build_models`.
        seed: of each solve, so that solutions do not depend on the order of the models.
        greedy_generations: greedy roundings that are fused in each step.
        batches: largest number of batches of ten steps.

    Returns:
        Matched column of each row `[G,n]`, −1 where unmatched.

    Raises:
        PluginError: pylibmgm does not import.
    """
    pylibmgm = _library()
    found = []
    before = pylibmgm.QAPSolver.libmpopt_seed
    pylibmgm.QAPSolver.libmpopt_seed = seed  # a setting of the class: pylibmgm has none of the instance
    try:
        for model in models:
            if model.no_edges() == 0:
                solver = pylibmgm.LAPSolver(model)
            else:
                solver = pylibmgm.QAPSolver(model)
                solver.run_settings.greedy_generations = greedy_generations
                solver.stopping_criteria.max_batches = batches
            found.append(solver.run().labeling())
    finally:
        pylibmgm.QAPSolver.libmpopt_seed = before
    return torch.tensor(found, dtype=torch.long).view(len(models), -1 if models else 0)


def _library() -> ModuleType:
    try:
        import pylibmgm
    except ImportError as error:
        raise PluginError(
            f"the solver 'libmgm' needs pylibmgm, which does not import ({error}); on Linux `pip install pylibmgm`, "
            "elsewhere use robust_tabu."
        ) from error
    return pylibmgm


def _model(vertex: np.ndarray, edge: np.ndarray, left: np.ndarray, right: np.ndarray, allowed: np.ndarray) -> GmModel:
    """The model of one instance: costs `[n,m]` and `[E,F]`, edges `[E,2]` and `[F,2]`, `allowed [n,m]`."""
    pylibmgm = _library()
    n, m = vertex.shape
    unit = max(np.abs(vertex).max(), np.abs(edge).max(initial=0.0), np.finfo(np.float64).tiny)
    single = vertex / unit
    i, j, s, t, table = _pair_table(edge / unit, left, right)
    loops, points = i == j, s == t
    single[np.ix_(i[loops], s[points])] += table[np.ix_(loops, points)]
    table[loops] = 0.0
    table[:, points] = 0.0
    discount = _reach(single) + _reach(table) + 1
    first, second = table.nonzero()
    possible = allowed[i[first], s[second]] & allowed[j[first], t[second]]
    first, second = first[possible], second[possible]
    rows, columns = allowed.nonzero()
    model = pylibmgm.GmModel(pylibmgm.Graph(0, n), pylibmgm.Graph(1, m), len(rows), len(first))
    _call(model.add_assignment, rows, columns, single[rows, columns] - discount)
    _call(model.add_edge, i[first], s[second], j[first], t[second], table[first, second])
    return model


def _pair_table(edge: np.ndarray, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, ...]:
    """Summed costs of pairs of assignments.

    Returns:
        `i [P]`, `j [P]` with i ≤ j: the adjacent vertices of the left graph; `s [Q]`, `t [Q]`: those of the right
        graph, in both directions; and `table [P,Q]`, the cost of i at s together with j at t.
    """
    turned = left[:, :1] > left[:, 1:]
    pairs, p = np.unique(np.where(turned, left[:, ::-1], left), axis=0, return_inverse=True)
    images, q = np.unique(np.concatenate([right, right[:, ::-1]]), axis=0, return_inverse=True)
    straight, reverse = np.split(q.ravel(), 2)
    place = p.reshape(-1, 1) * len(images) + np.where(turned, reverse, straight)
    shape = len(pairs), len(images)
    table = np.bincount(place.ravel(), weights=edge.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
    return *pairs.T, *images.T, table


def _reach(costs: np.ndarray) -> float:
    """By how much the sums of at most one cost a row can differ."""
    return float((costs.max(1, initial=0.0) - costs.min(1, initial=0.0)).sum())


def _call(method: Callable[..., None], *columns: np.ndarray) -> None:
    """Call for each row, from C: there are thousands of rows, and pylibmgm takes one at a time."""
    deque(map(method, *(column.tolist() for column in columns)), maxlen=0)
