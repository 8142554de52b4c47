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

    Noise enters vertex *and* edge costs. A node pays one vertex cost but some ten edge costs, so under equal noise that
    of the edges decides most matchings; `edge_noise` can be set lower. The matching of the solution is the mean over
    `samples` perturbed problems.
    """

    kind: ClassVar[str] = "imle"

    strength: float = Field(80.0, gt=0, description="λ, on the upstream gradient normalised to a maximum of 1")
    noise: field_of(Noise) = Field(default_factory=lambda: part("noise", "gumbel"))  # type: ignore[valid-type]
    edge_noise: field_of(Noise) | None = Field(  # type: ignore[valid-type]
        None, description="noise of the edge costs; none takes `noise` for both, as published"
    )
    samples: int = Field(1, ge=1, description="noise samples of each problem, solved in one batch")

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        """See `GradientEstimator.match`."""
        edge_noise = self.edge_noise or self.noise
        return Perturbation(solver, self.noise, edge_noise, self.strength, self.samples).match(problem, generator)
