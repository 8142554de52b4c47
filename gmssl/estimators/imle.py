"""Implicit maximum-likelihood estimation."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.estimators.perturbation import Perturbation
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.noise import Noise
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution
from gmssl.registry import field_of, part


class Imle(GradientEstimator):
    """I-MLE (Niepert, Minervini & Franceschi 2021), LVM-Med's Eq. 6 and Algorithm 1: λ = 80, Gumbel(0, 1) noise.

    Noise enters vertex *and* edge costs. The matching of the solution is the mean over `samples` perturbed problems.
    """

    kind: ClassVar[str] = "imle"

    strength: float = Field(80.0, gt=0, description="λ, on the upstream gradient normalised to a maximum of 1")
    noise: field_of(Noise) = Field(default_factory=lambda: part("noise", "gumbel"))  # type: ignore[valid-type]
    samples: int = Field(1, ge=1, description="noise samples of each problem, solved in one batch")

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        """See `GradientEstimator.match`."""
        return Perturbation(solver, self.noise, self.strength, self.samples).match(problem, generator)
