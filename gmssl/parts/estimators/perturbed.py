"""Perturbed optimisers: the gradient of the expected matching, by the score function."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from gmssl.interfaces.estimator import GradientEstimator, Noise, SmoothNoise
from gmssl.interfaces.registry import field_of, part
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.parts.estimators.forward import Forward, Sampling
from gmssl.problem import Pairs, Problem, Solution


class Perturbed(GradientEstimator):
    """Differentiable perturbed optimisers (Berthet et al. 2020): unbiased for losses linear in the matching.

    z̄(c) = E solve(c − ε) is smooth in c. Substituting u = c − ε moves the derivative to the density p of the noise
    (their Proposition 3.1, with signs of costs; log p' = `SmoothNoise.score`):

        ∂⟨g, z̄⟩/∂c = E[ ⟨g, z⟩ · d log p(ε)/dε ] ≈ 1/(S−1) · Σ_s (⟨g, z_s⟩ − mean_s ⟨g, z_s⟩) · d log p(ε_s)/dε.

    The second form, a sample covariance, is REINFORCE with the mean of the *other* samples as baseline (Kool et al.
    2019): as unbiased, with less variance. It needs no second solve and no λ, but the variance grows with the number of
    costs, while a matching uses few of them, and a draw may point uphill. The loss is evaluated at the mean matching,
    hence ∂L/∂z there stands for the losses of the samples: exact for the Hamming loss, which is linear.
    """

    kind: ClassVar[str] = "perturbed"
    descends_each_draw: ClassVar[bool] = False

    noise: field_of(Noise) = Field(  # type: ignore[valid-type]
        default_factory=lambda: part("noise", "gaussian"), description="noise of a known density: gaussian or gumbel"
    )
    edge_noise: field_of(Noise) | None = Field(  # type: ignore[valid-type]
        None, description="noise of the edge costs; none takes `noise` for both"
    )
    samples: int = Field(16, ge=2, description="S, noise samples of each problem, solved in one batch")

    @field_validator("noise", "edge_noise")
    @classmethod
    def _has_a_density(cls, noise: Noise | None) -> Noise | None:
        if noise is not None and not isinstance(noise, SmoothNoise):
            raise ValueError(
                f"noise {noise.kind!r} has no density to differentiate; use gaussian or gumbel (in a plugin, derive "
                "noise from SmoothNoise)"
            )
        return noise

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        """See `GradientEstimator.match`."""
        sampling = Sampling(self.noise, self.edge_noise or self.noise, self.samples)
        return sampling.match(solver, problem, generator, self._covariance)

    def _covariance(self, done: Forward, upstream: Pairs) -> Pairs:
        """The covariance of losses and scores over the samples, `[G,...]`."""
        edge_noise = self.edge_noise or self.noise
        score = Pairs(self.noise.score(done.noise.vertex), edge_noise.score(done.noise.edge))
        g, z = upstream.repeat(self.samples), done.matching
        losses = (g.vertex * z.vertex).sum((1, 2)) + (g.edge * z.edge).sum((1, 2))
        by_sample = losses.unflatten(0, (self.samples, -1))
        weights = (by_sample - by_sample.mean(0)) / (self.samples - 1)
        return score.scale(weights.flatten()).map(lambda x: x.unflatten(0, (self.samples, -1)).sum(0))
