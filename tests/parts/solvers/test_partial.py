"""Partial problems, by every door: solved and counted as what they are, and no dummies to be seen."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

import gmssl
from gmssl.errors import ProblemError
from gmssl.problem import Problem
from gmssl.testing.oracles import energy_of, least_energy, matchings
from gmssl.testing.strategies import partial_problems

PARTIAL = partial_problems(max_n=4)


def positive(n: int, m: int) -> Problem:
    """Costs of 1 and more, so that it is best to match nobody."""
    edges = torch.tensor([[[0, 1]]])
    return Problem.build(torch.ones(1, n, m), edges, edges, torch.ones(1, 1, 1), partial=True)


def agrees(problem: Problem, energy: torch.Tensor) -> None:
    least = [least_energy(problem, graph) for graph in range(len(energy))]
    torch.testing.assert_close(energy.double(), torch.tensor(least, dtype=torch.float64), atol=1e-4, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(PARTIAL)
def test_a_direct_call_solves_the_problem_that_was_given(problem: Problem) -> None:
    for kind in ("exhaustive", "exact"):
        solution = gmssl.part("solver", kind).solve(problem)
        agrees(problem, solution.energy)
        assert solution.matching.vertex.shape == problem.costs.vertex.shape
        assert torch.equal(solution.energy, gmssl.solve(problem, kind).energy)


@settings(max_examples=25, deadline=None)
@given(PARTIAL)
def test_bounds_hold_also_after_a_warm_start(problem: Problem) -> None:
    lagrange = gmssl.part("solver", "lagrange", iterations=20, every=10)
    first = gmssl.solve(problem, lagrange)
    again = lagrange.solve(problem, first.multipliers)
    assert (again.bound >= first.bound - 1e-4 * first.bound.abs().clamp(min=1)).all()
    for solution in (first, again):
        assert solution.matching.vertex.shape == problem.costs.vertex.shape
        for graph in range(len(solution.bound)):
            assert solution.bound[graph] <= least_energy(problem, graph) + 1e-4


@settings(max_examples=25, deadline=None)
@given(PARTIAL)
def test_every_partial_matching_is_counted_once(problem: Problem) -> None:
    n, m = problem.costs.vertex.shape[1:]
    free = Problem.build(torch.zeros(1, n, m), *[torch.zeros(1, 0, 2, dtype=torch.long)] * 2, torch.zeros(1, 0, 0))
    count = len(list(matchings(free.partially(), 0)))
    gmssl.part("solver", "exhaustive", limit=count).solve(problem)
    if count > 1:
        message = f"{n}×{m} vertices have {count} partial matchings, more than the limit of {count - 1}"
        with pytest.raises(ProblemError, match=message):
            gmssl.solve(problem, {"kind": "exhaustive", "limit": count - 1})


def test_what_can_be_enumerated_is() -> None:
    assert gmssl.solve(positive(5, 6), "exhaustive").energy.item() == 0
    with pytest.raises(ProblemError, match="8×7 vertices have 394353 partial matchings"):
        gmssl.solve(positive(8, 7), "exhaustive")


@pytest.mark.parametrize("kind", ["robust_tabu", "lagrange", "exact", "exhaustive"])
def test_matching_nobody_is_free(kind: str) -> None:
    solution = gmssl.part("solver", kind).solve(positive(3, 4))
    assert solution.energy.item() == 0
    assert energy_of(positive(3, 4), 0, (-1, -1, -1)) == 0
    assert not solution.matching.vertex.any()


def test_lap_is_called_directly_too() -> None:
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    problem = Problem.build(torch.tensor([[[-3.0, 1.0], [2.0, 0.5]]]), none, none, torch.zeros(1, 0, 0), partial=True)
    assert gmssl.part("solver", "lap").solve(problem).energy.item() == -3


@pytest.mark.parametrize("kind", ["row_softmax", "sinkhorn", "unconstrained", "given"])
def test_relaxed_solvers_refuse_in_a_direct_call(kind: str) -> None:
    with pytest.raises(ProblemError, match="gives relaxed matchings and the problem is partial"):
        gmssl.part("solver", kind).solve(positive(2, 3))


def test_multipliers_of_the_complete_problem_do_not_fit_the_partial_one() -> None:
    from dataclasses import replace

    partial = positive(3, 3)
    complete = replace(partial, topology=replace(partial.topology, partial=False))
    lagrange = gmssl.part("solver", "lagrange", iterations=10)
    with pytest.raises(ProblemError, match="all partial or none"):
        lagrange.solve(partial, lagrange.solve(complete).multipliers)


@pytest.mark.parametrize(("n", "m"), [(3, 4), (4, 3), (3, 3)])
def test_multipliers_are_refused_in_the_sizes_of_the_user(n: int, m: int) -> None:
    """Before anything is searched."""
    lagrange = gmssl.part("solver", "lagrange", iterations=10)
    other = lagrange.solve(positive(2, 2)).multipliers
    size = rf"problems of {n}×{m} vertices need \[.*\] \({n + m} are the vertices of the longer side and 3 dummies\)"
    with pytest.raises(ProblemError, match=size):
        lagrange.solve(positive(n, m), other)
