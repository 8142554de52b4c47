"""No instance at all, asked of each solver and form of a search directly: `gmssl.solve` answers for them itself."""

import numpy as np
import pytest
import torch

import gmssl
from gmssl.interfaces.registry import find, kinds
from gmssl.parts.solvers.lagrange.ascent_torch import ascend
from gmssl.parts.solvers.lagrange.dual import Ascent
from gmssl.problem import Multipliers, Problem
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.variants import edgeless

OURS = [kind for kind in kinds("solver") if find("solver", kind).__module__.startswith("gmssl.parts.")]
"""Plugins may leave it to `gmssl.solve`."""


def none_of(problem: Problem, m: int) -> Problem:
    """The shapes of a batch with m right vertices, and no instance."""
    nothing = problem.select(torch.zeros(0, dtype=torch.long))
    costs, topology = nothing.costs, nothing.topology
    target = costs.vertex[:, :, :m]
    return Problem.build(target, topology.left, topology.right[:, :0], costs.edge[:, :, :0], target=target)


@pytest.mark.parametrize("m", [4, 5])
@pytest.mark.parametrize("kind", OURS)
def test_a_solver_returns_nothing(kind, m):
    solver = gmssl.part("solver", kind)
    problem = none_of(paired_embeddings(2, 5, noise=1), m)
    problem = problem if solver.uses_edges else edgeless(problem)
    solution = solver.solve(problem)
    assert solution.matching.vertex.shape == problem.costs.vertex.shape
    assert solution.matching.edge.shape == problem.costs.edge.shape
    assert solution.energy.shape == solution.converged.shape == (0,)
    assert gmssl.solve(problem, solver).agreed.shape == (0,), "whoever reads it needs no case for no instance"
    assert (solution.bound is not None) == solver.gives_bound


def test_the_batched_search_returns_nothing():
    columns, agreed = gmssl.part("solver", "robust_tabu").search_in_torch(none_of(paired_embeddings(2, 5, noise=1), 4))
    assert columns.shape == (0, 5)
    assert columns.dtype == torch.int64
    assert agreed.shape == (0,)
    assert agreed.dtype == torch.bool


@pytest.mark.parametrize("every_pair", [False, True])
def test_the_batched_ascent_returns_nothing(every_pair):
    problem = none_of(paired_embeddings(2, 5, noise=1), 5)
    pairs = 10 if every_pair else problem.topology.left.shape[1]
    zero = Multipliers(torch.zeros(0, pairs, 5), torch.zeros(0, pairs, 5), torch.zeros(0, 5, 5, 5))
    ascent = Ascent(10, 5, 1e-4, every_pair, None, np.zeros(1, np.int64))
    dual = ascend(ascent, problem, torch.zeros(0, 5, dtype=torch.long), zero)
    assert dual.columns.shape == (0, 5)
    assert dual.bound.shape == dual.upper.shape == (0,)
    assert dual.multipliers.tail.shape == (0, pairs, 5)
