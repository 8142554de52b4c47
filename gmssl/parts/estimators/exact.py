"""The solver's own derivative."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution, solve


class Exact(GradientEstimator):
    """Autograd through a differentiable solver (`row_softmax`); recipes refuse it with a piecewise-constant one."""

    kind: ClassVar[str] = "exact"
    differentiates_solver: ClassVar[bool] = True

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        """See `GradientEstimator.match`; `generator` is not used."""
        return solve(problem, solver)
