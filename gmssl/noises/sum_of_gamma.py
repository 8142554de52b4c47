"""Sum-of-gamma noise."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.noise import Noise
from gmssl.lazy import torch


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
