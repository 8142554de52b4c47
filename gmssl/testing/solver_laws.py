"""What the laws of solvers share: settings, the problems drawn, tolerances."""

from __future__ import annotations

from typing import ClassVar

import torch
from hypothesis import assume
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem, Solution
from gmssl.testing.laws import Contract, applies_if
from gmssl.testing.strategies import problems
from gmssl.testing.variants import scale_of

# Relative to the largest cost. Solvers may round costs (robust_tabu to 24 bits) and may miss the optimum by as much.
OPTIMALITY = 1e-4
# Relative to the sum of the absolute costs of the matched pairs.
ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-10}


class SolverLaws(Contract):
    """Base of the groups of laws.

    Attributes:
        solver: what is tested.
        max_n: bounds the problems drawn; the oracle enumerates, so keep it small.
        finds_planted: solves problems whose optimum is obvious; switch it off for a solver that need not.
    """

    solver: ClassVar[Solver]
    max_n: ClassVar[int] = 5
    finds_planted: ClassVar[bool] = True

    def _draw(self, data: st.DataObject, extreme: bool = False) -> Problem:
        problem = data.draw(problems(max_n=self.max_n, edges=self.solver.uses_edges, extreme=extreme))
        if self.solver.differentiable:  # a relaxed solver may match the longer side, too
            assume(bool(problem.topology.allowed.any(2).all()))
        return problem

    def _solve(self, problem: Problem) -> Solution:
        return gmssl.solve(problem, self.solver)

    def _energy(self, problem: Problem) -> torch.Tensor:
        """`[G]` in float64."""
        return self._solve(problem).energy.detach().double()

    def _only_matchings(self) -> None:
        applies_if(not self.solver.differentiable, "its matchings are relaxed, not one to one")

    def _only_optimal_matchings(self) -> None:
        self._only_matchings()
        applies_if(self.solver.exact, "it searches: what it finds may be any matching")


def tolerance(problem: Problem) -> torch.Tensor:
    """By how much an energy may exceed the least, `[G]` in float64."""
    return OPTIMALITY * scale_of(problem)


def same(one: Solution, other: Solution) -> bool:
    """Bit for bit."""
    pairs = [(one.matching.vertex, other.matching.vertex), (one.matching.edge, other.matching.edge)]
    pairs += [(one.energy, other.energy), (one.converged, other.converged)]
    if one.bound is not None and other.bound is not None:
        pairs.append((one.bound, other.bound))
    return all(torch.equal(a, b) for a, b in pairs)
