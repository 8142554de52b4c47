"""The one core of all perturbation estimators.

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

from gmssl.estimators.forward import Forward, Sampling, mean_over_samples, normalised
from gmssl.estimators.second_solve import solve_unless_certain
from gmssl.interfaces.noise import Noise
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.pairs import Pairs
from gmssl.problem import Problem, Solution


@dataclass(frozen=True)
class Perturbation:
    """Settings of the core.

    Attributes:
        solver: what solves both problems.
        noise: distribution of ε on vertex costs.
        edge_noise: distribution of ε on edge costs.
        strength: λ.
        samples: S, folded into the batch.
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
