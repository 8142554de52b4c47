"""Differentiation of blackbox combinatorial solvers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.estimators.perturbation import Perturbation
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution
from gmssl.registry import part


class Blackbox(GradientEstimator):
    """Blackbox differentiation (Vlastelica et al. 2020): I-MLE with one sample and no noise, and tested as that."""

    kind: ClassVar[str] = "blackbox"

    strength: float = Field(80.0, gt=0, description="λ, on the upstream gradient normalised to a maximum of 1")

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        """See `GradientEstimator.match`; `generator` is not used."""
        noise = part("noise", "none")
        return Perturbation(solver, noise, noise, self.strength).match(problem, generator)
