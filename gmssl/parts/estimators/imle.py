"""Implicit maximum-likelihood estimation, and blackbox differentiation, which is its case of one sample without noise.

Costs c are minimised; ε is noise, g the upstream gradient ∂L/∂z, S the number of samples:

    z_s  = solve(c − ε_s)                      z = mean_s z_s
    z'_s = solve(c − ε_s + λ ĝ)                ĝ = g / max|g|, for each instance
    ∂L/∂c ≈ max|g| · mean_s (z'_s − z_s) / λ

That is implicit maximum-likelihood estimation (Niepert, Minervini & Franceschi 2021; LVM-Med, Eq. 6 and Algorithm 1,
where c is an affinity and signs are reversed), and blackbox differentiation (Vlastelica et al. 2020) for S = 1 without
noise. z' is non-linear in g; λ therefore acts on the normalised ĝ, so that averaging the loss, gradient accumulation,
world size and loss scaling change the gradient by their factor and nothing else. With LVM-Med's summed Hamming loss
max|g| = 1, and λ is the paper's.

For any exact solver ⟨g, ∂L/∂c⟩ ≤ 0, since z'_s minimises ⟨c − ε_s + λ ĝ, ·⟩ and z_s minimises ⟨c − ε_s, ·⟩.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.estimator import GradientEstimator, Noise
from gmssl.interfaces.registry import field_of, part
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.parts.estimators.forward import Forward, Sampling, mean_over_samples, normalised
from gmssl.parts.estimators.second_solve import solve_unless_certain
from gmssl.problem import Pairs, Problem, Solution


@dataclass(frozen=True)
class Perturbation:
    """Settings of the core.

    Attributes:
        solver: the solver of both problems.
        noise: distribution of ε on vertex costs.
        edge_noise: distribution of ε on edge costs.
        strength: λ.
        samples: S; the samples are folded into the batch.
    """

    solver: Solver
    noise: Noise
    edge_noise: Noise
    strength: float
    samples: int = 1

    def match(self, problem: Problem, generator: torch.Generator | None) -> Solution:
        """Solve under noise; see `GradientEstimator.match`."""
        return self._sampling().match(self.solver, problem, generator, self.estimate)

    def perturb(self, problem: Problem, generator: torch.Generator | None) -> Problem:
        """S·G problems with costs c − ε."""
        return self._sampling().perturb(problem, generator)[0]

    def estimate(self, done: Forward, upstream: Pairs) -> Pairs:
        """max|g| · mean_s (z'_s − z_s) / λ, `[G,...]`."""
        largest, direction = normalised(upstream)
        target_costs = done.problem.costs + direction.repeat(self.samples).scale(self.strength)
        moved = solve_unless_certain(self.solver, done.problem.with_costs(target_costs), done.record)
        return mean_over_samples(moved - done.matching, self.samples).scale(largest / self.strength)

    def _sampling(self) -> Sampling:
        return Sampling(self.noise, self.edge_noise, self.samples)


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


class Blackbox(GradientEstimator):
    """Blackbox differentiation (Vlastelica et al. 2020): I-MLE with one sample and no noise, and tested as that."""

    kind: ClassVar[str] = "blackbox"

    strength: float = Field(80.0, gt=0, description="λ, on the upstream gradient normalised to a maximum of 1")

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        """See `GradientEstimator.match`; `generator` is not used."""
        noise = part("noise", "none")
        return Perturbation(solver, noise, noise, self.strength).match(problem, generator)
