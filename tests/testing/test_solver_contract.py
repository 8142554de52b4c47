"""The contract must refuse solvers that break a law, or it would prove nothing."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

import gmssl
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem, Solution
from gmssl.solvers.outcome import outcome
from gmssl.testing.solver_contract import SolverContract

LAWS = [name for name in vars(SolverContract) if name.startswith("test_") and name != "test_ties_are_broken_at_chance"]


def identity(problem: Problem) -> torch.Tensor:
    graphs, n, _ = problem.costs.vertex.shape
    return torch.arange(n).expand(graphs, n)


def certain(problem: Problem) -> torch.Tensor:
    return torch.ones(len(problem.costs.vertex), dtype=torch.bool)


class Identity(Solver):
    """Matches i with i, and calls it optimal."""

    kind: ClassVar[str] = "identity"
    exact: ClassVar[bool] = True

    def solve(self, problem: Problem) -> Solution:
        return outcome(problem, identity(problem), certain(problem), proven=False)


class Counting(Solver):
    """Depends on its history."""

    kind: ClassVar[str] = "counting"
    calls: ClassVar[list[int]] = []

    def solve(self, problem: Problem) -> Solution:
        self.calls.append(1)
        columns = (identity(problem) + len(self.calls)) % max(problem.costs.vertex.shape[1:])
        return outcome(problem, columns, certain(problem), proven=False)


class Peeking(Solver):
    """Depends on the batch."""

    kind: ClassVar[str] = "peeking"

    def solve(self, problem: Problem) -> Solution:
        columns = (identity(problem) + len(problem.costs.vertex)) % max(problem.costs.vertex.shape[1:])
        return outcome(problem, columns, certain(problem), proven=False)


class Optimistic(Solver):
    """Returns a bound that is none."""

    kind: ClassVar[str] = "optimistic"
    uses_edges: ClassVar[bool] = True
    gives_bound: ClassVar[bool] = True

    def solve(self, problem: Problem) -> Solution:
        right = gmssl.part("solver", "exhaustive").solve(problem)
        return Solution(right.matching, right.energy, right.energy + 1, right.converged)


class Meddling(Solver):
    """Changes its input."""

    kind: ClassVar[str] = "meddling"

    def solve(self, problem: Problem) -> Solution:
        problem.costs.vertex.data.sub_(1.0)
        return gmssl.part("solver", "lap").solve(problem)


def broken_laws(solver: Solver) -> set[str]:
    contract = type("Contract", (SolverContract,), {"solver": solver})()
    broken = set()
    for law in LAWS:
        try:
            getattr(contract, law)()
        except pytest.skip.Exception:
            continue
        except (AssertionError, ExceptionGroup):  # hypothesis groups several distinct failures
            broken.add(law)
    return broken


@pytest.mark.parametrize(
    ("solver", "law"),
    [
        (Identity(), "test_against_oracle"),
        (Identity(), "test_matching_is_feasible"),
        (Counting(), "test_deterministic_and_pure"),
        (Peeking(), "test_independent_of_batch"),
        (Optimistic(), "test_against_oracle"),
        (Meddling(), "test_deterministic_and_pure"),
    ],
    ids=lambda x: x.kind if isinstance(x, Solver) else x,
)
def test_a_broken_solver_is_caught(solver, law):
    assert law in broken_laws(solver)


def test_a_solver_that_prefers_the_identity_is_caught():
    contract = type("Contract", (SolverContract,), {"solver": Identity()})()
    with pytest.raises(AssertionError):
        contract.test_ties_are_broken_at_chance(4, 4)
