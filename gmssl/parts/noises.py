"""Noise on costs, for gradient estimators that perturb them."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.estimator import Noise, SmoothNoise
from gmssl.lazy import torch


class NoNoise(Noise):
    """Zeros: the estimator differentiates the least-energy matching itself, as the released code of LVM-Med does."""

    kind: ClassVar[str] = "none"

    def sample(self, like: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Zeros with the shape, dtype and device of `like`; draws nothing."""
        return torch.zeros_like(like)


class Gumbel(SmoothNoise):
    """`temperature · Gumbel(0, 1)`: the noise of LVM-Med (Algorithm 1), standard deviation 1.28 · temperature.

    Adding it to unconstrained one-of-n costs samples exactly from the softmax at that temperature; for permutations it
    is the customary approximation (perturb-and-MAP, Papandreou & Yuille 2011). It acts like the temperature of a
    contrastive loss. Costs are minimised, so the sample is *subtracted* there: see `gmssl.parts.estimators.imle`.
    """

    kind: ClassVar[str] = "gumbel"

    temperature: float = Field(1.0, gt=0)

    def sample(self, like: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Independent samples with the shape, dtype and device of `like`."""
        exponential = torch.empty_like(like, memory_format=torch.contiguous_format).exponential_(generator=generator)
        return exponential.log_().mul_(-self.temperature)

    def score(self, sample: torch.Tensor) -> torch.Tensor:
        """(exp(−ε/t) − 1) / t, since log p(ε) = −ε/t − exp(−ε/t) − log t."""
        return torch.expm1(sample / -self.temperature) / self.temperature


class Gaussian(SmoothNoise):
    """Normal noise of mean 0 and standard deviation `temperature` (perturbed optimisers, Berthet et al. 2020)."""

    kind: ClassVar[str] = "gaussian"

    temperature: float = Field(1.0, gt=0)

    def sample(self, like: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Independent samples with the shape, dtype and device of `like`."""
        noise = torch.empty_like(like, memory_format=torch.contiguous_format)
        return noise.normal_(0.0, self.temperature, generator=generator)

    def score(self, sample: torch.Tensor) -> torch.Tensor:
        """−ε / temperature²."""
        return sample / -(self.temperature**2)


class SumOfGamma(Noise):
    """Noise whose sum over the k chosen entries of a structure is (nearly) Gumbel (Niepert et al. 2021, Theorem 1).

    One sample is `(temperature / k) · (Σ_{t=1..terms} Gamma(1/k, scale k/t) − log(terms))`; the sum of k independent
    ones tends to `temperature · Gumbel(0, 1)` as `terms` grows. For permutations of n nodes, k = n.
    """

    kind: ClassVar[str] = "sum_of_gamma"

    k: int = Field(16, ge=1, description="entries that are 1 in a matching; the nodes of a graph")
    terms: int = Field(10, ge=1, description="terms of the series")
    temperature: float = Field(1.0, gt=0)

    def sample(self, like: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Independent samples with the shape, dtype and device of `like`."""
        shape = torch.full((self.terms, *like.shape), 1.0 / self.k, dtype=like.dtype, device=like.device)
        scales = self.k / torch.arange(1, self.terms + 1, dtype=like.dtype, device=like.device)
        # torch.distributions.Gamma takes no generator; this is the sampler it calls.
        gamma = torch._standard_gamma(shape, generator=generator)
        total = (gamma * scales.view(-1, *[1] * like.ndim)).sum(0)
        return (self.temperature / self.k) * (total - math.log(self.terms))
