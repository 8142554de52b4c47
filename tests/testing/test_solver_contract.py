"""The contract must refuse solvers that break a law, or it would prove nothing: one broken solver for each law."""

from __future__ import annotations

import unittest
from dataclasses import replace
from typing import ClassVar

import pytest
import torch

import gmssl
from gmssl.interfaces.solver import Solver
from gmssl.parts.solvers.outcome import outcome
from gmssl.problem import Pairs, Problem, Solution
from gmssl.testing.laws import Contract, DoesNotApply, applies_if, law, laws_of, require, verdict
from gmssl.testing.solver_contract import SolverContract

EXHAUSTIVE = gmssl.part("solver", "exhaustive")


def identity(problem: Problem) -> torch.Tensor:
    graphs, n, _ = problem.costs.vertex.shape
    return torch.arange(n).expand(graphs, n)


def finished(problem: Problem, columns: torch.Tensor) -> Solution:
    converged = torch.ones(len(problem.costs.vertex), dtype=torch.bool)
    return outcome(problem, columns, converged, proven=False)


def solved_as(other: Problem, problem: Problem) -> Solution:
    """The least-energy matching of another problem of the same sizes, as a solution of this one."""
    vertex = EXHAUSTIVE.solve(other).matching.vertex
    return finished(problem, torch.where(vertex.any(2), vertex.argmax(2), -1))


class Broken(Solver):
    """Exhaustive enumeration, but for what subclasses get wrong."""

    kind: ClassVar[str] = "broken"
    exact: ClassVar[bool] = True
    uses_edges: ClassVar[bool] = True

    def seen(self, problem: Problem) -> Problem:
        """What the solver takes the problem for."""
        return problem

    def solve(self, problem: Problem) -> Solution:
        return solved_as(self.seen(problem), problem)


class Identity(Broken):
    """Matches i with i, and calls it optimal."""

    def solve(self, problem: Problem) -> Solution:
        return finished(problem, identity(problem))


class FloatsOnly(Broken):
    """Answers in float32, whatever it is asked in."""

    def solve(self, problem: Problem) -> Solution:
        solution = super().solve(problem)
        return replace(solution, energy=solution.energy.float())


class Flattering(Broken):
    """Reports energies that its matchings do not have."""

    def solve(self, problem: Problem) -> Solution:
        solution = super().solve(problem)
        return replace(solution, energy=solution.energy - 0.001 * solution.energy.abs())


class Clamping(Broken):
    """Takes 1e6 for infinity."""

    def seen(self, problem: Problem) -> Problem:
        return problem.with_costs(problem.costs.map(lambda x: x.clamp(-1e6, 1e6)))


class Pairing(Broken):
    """Needs a second choice."""

    def solve(self, problem: Problem) -> Solution:
        problem.costs.vertex.flatten(1).topk(2)
        return super().solve(problem)


class Raw(Broken):
    """Reads memory as if it were contiguous."""

    def seen(self, problem: Problem) -> Problem:
        vertex = problem.costs.vertex
        g, n, m = vertex.shape
        held = vertex.untyped_storage().nbytes() // vertex.element_size()
        strides = (n * m, m, 1) if held >= g * n * m else (0, m, 1)
        return problem.with_costs(Pairs(torch.as_strided(vertex, vertex.shape, strides), problem.costs.edge))


class Counting(Broken):
    """Depends on its history."""

    calls: ClassVar[list[int]] = []

    def solve(self, problem: Problem) -> Solution:
        self.calls.append(1)
        return finished(problem, (identity(problem) + len(self.calls)) % max(problem.costs.vertex.shape[1:]))


class Drawing(Broken):
    """Draws from the global generator."""

    def solve(self, problem: Problem) -> Solution:
        torch.rand(1)
        return super().solve(problem)


class Meddling(Broken):
    """Changes its input."""

    def solve(self, problem: Problem) -> Solution:
        problem.costs.vertex.data.sub_(1.0)
        return super().solve(problem)


class Tracking(Broken):
    """Leaves its energy in the autograd graph of a matching that is constant."""

    def solve(self, problem: Problem) -> Solution:
        solution = super().solve(problem)
        with torch.enable_grad():
            return replace(solution, energy=gmssl.energy(problem.costs, solution.matching))


class Peeking(Broken):
    """Depends on the batch."""

    def solve(self, problem: Problem) -> Solution:
        return finished(problem, (identity(problem) + len(problem.costs.vertex)) % max(problem.costs.vertex.shape[1:]))


class Optimistic(Broken):
    """Returns a bound that is none."""

    gives_bound: ClassVar[bool] = True

    def solve(self, problem: Problem) -> Solution:
        solution = super().solve(problem)
        return replace(solution, bound=solution.energy + 1)


class Boastful(Broken):
    """Says converged whatever its bound is."""

    gives_bound: ClassVar[bool] = True

    def solve(self, problem: Problem) -> Solution:
        solution = super().solve(problem)
        return replace(solution, bound=solution.energy - 1 - solution.energy.abs())


class Trusting(Broken):
    """Says converged, and has no bound."""


class Sparse(Broken):
    """Takes 0 for a missing entry, and so the dummies of a partial problem."""

    def seen(self, problem: Problem) -> Problem:
        vertex = problem.costs.vertex
        return problem.with_costs(Pairs(vertex.masked_fill(vertex == 0, 100.0), problem.costs.edge))


class Idle(Broken):
    """Does nothing where edges cost nothing."""

    def solve(self, problem: Problem) -> Solution:
        return super().solve(problem) if problem.costs.edge.any() else solved_as(worst(problem), problem)


def worst(problem: Problem) -> Problem:
    return problem.with_costs(problem.costs.scale(-1.0))


class Maximising(Broken):
    """Takes costs for affinities, but claims nothing."""

    exact: ClassVar[bool] = False

    def seen(self, problem: Problem) -> Problem:
        return worst(problem)


class EdgeBlind(Broken):
    """Declares that it reads edges, and does not."""

    exact: ClassVar[bool] = False

    def seen(self, problem: Problem) -> Problem:
        return problem.with_costs(Pairs(problem.costs.vertex, torch.zeros_like(problem.costs.edge)))


class Coarse(Broken):
    """Rounds costs to three decimals, whatever their unit."""

    def seen(self, problem: Problem) -> Problem:
        return problem.with_costs(problem.costs.map(lambda x: x.round(decimals=3)))


class NonNegative(Broken):
    """Takes negative costs for 0."""

    def seen(self, problem: Problem) -> Problem:
        return problem.with_costs(problem.costs.map(lambda x: x.clamp(min=0)))


class FromIdentity(Broken):
    """The better one of the identity and the linear assignment: a search that starts from the label."""

    exact: ClassVar[bool] = False

    def solve(self, problem: Problem) -> Solution:
        vertex = gmssl.part("solver", "lap").solve(problem).matching.vertex
        searched, start = finished(problem, vertex.argmax(2)), finished(problem, identity(problem))
        stay = (start.energy < searched.energy)[:, None]
        return finished(problem, torch.where(stay, identity(problem), vertex.argmax(2)))


BROKEN = {
    "test_shapes_and_dtypes": FloatsOnly,
    "test_matching_is_feasible": Identity,
    "test_energy_is_inner_product": Flattering,
    "test_extreme_scales": Clamping,
    "test_smallest_problems": Pairing,
    "test_layout_does_not_matter": Raw,
    "test_deterministic": Counting,
    "test_random_states_are_left_alone": Drawing,
    "test_inputs_are_not_changed": Meddling,
    "test_autograd_only_if_differentiable": Tracking,
    "test_independent_of_batch": Peeking,
    "test_against_oracle": Identity,
    "test_bound_holds": Optimistic,
    "test_converged_is_proven": Boastful,
    "test_partial_problems": Sparse,
    "test_zero_edges_make_an_assignment_problem": Idle,
    "test_planted_matching_is_found": Maximising,
    "test_matching_planted_in_edges_is_found": EdgeBlind,
    "test_energy_survives_relabelling": Identity,
    "test_scaling_the_costs_scales_the_energy": Coarse,
    "test_a_constant_shifts_the_energy": NonNegative,
    "test_a_constant_on_edges_shifts_the_energy": NonNegative,
    "test_ties_are_broken_at_chance": Identity,
    "test_labels_do_not_leak": FromIdentity,
}


def contract_of(solver: Solver) -> SolverContract:
    return type("Contract", (SolverContract,), {"solver": solver, "examples": 60, "reproducible": True})()


def test_every_law_has_a_solver_that_breaks_it():
    assert set(laws_of(SolverContract)) - set(BROKEN) == {"test_device_is_kept"}  # needs a GPU


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_solver_is_caught(name):
    found = verdict(contract_of(BROKEN[name]()), name)
    assert found.holds is False
    assert found.reason


def test_without_a_bound_nothing_has_converged():
    found = verdict(contract_of(Trusting()), "test_converged_is_proven")
    assert found.holds is False
    assert "gives no bound" in found.reason


@pytest.mark.parametrize("solver", [EdgeBlind(), Maximising()], ids=lambda x: type(x).__name__)
def test_a_solver_need_not_find_what_is_planted(solver):
    contract = contract_of(solver)
    type(contract).finds_planted = False
    assert verdict(contract, "test_matching_planted_in_edges_is_found").holds is None


class Toy(Contract):
    """Laws with known verdicts."""

    def test_it_holds(self) -> None:
        """Says nothing."""

    def test_it_is_broken(self) -> None:
        """Never holds."""
        require(False, "one is not two\nfor sure")

    def test_it_crashes(self) -> None:
        """Never ends well."""
        raise KeyError("lost")

    def test_it_says_nothing(self) -> None:
        """Applies to nobody."""
        applies_if(False, "nobody is here")

    @law
    def test_it_draws(self, data) -> None:
        """Counts its examples."""
        self.drawn.append(data)

    drawn: ClassVar[list] = []
    examples: ClassVar[int] = 1


def test_verdicts():
    found = {name: verdict(Toy(), name) for name in laws_of(Toy)}
    assert [(v.law, v.holds, v.reason) for v in found.values()] == [
        ("it holds", True, "Says nothing."),
        ("it is broken", False, "one is not two"),
        ("it crashes", False, "KeyError: 'lost'"),
        ("it says nothing", None, "nobody is here"),
        ("it draws", True, "Counts its examples."),
    ]
    assert len(Toy.drawn) == 1


def test_what_does_not_apply_is_a_skip_also_within_examples():
    assert issubclass(DoesNotApply, unittest.SkipTest)
    with pytest.raises(DoesNotApply):
        Toy().test_it_says_nothing()
    with pytest.raises(DoesNotApply, match="does not read edges"):
        contract_of(gmssl.part("solver", "lap")).test_matching_planted_in_edges_is_found()
