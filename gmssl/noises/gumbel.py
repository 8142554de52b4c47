"""Gumbel noise."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.noise import SmoothNoise
from gmssl.lazy import torch


class Gumbel(SmoothNoise):
    """`temperature · Gumbel(0, 1)`: the noise of LVM-Med (Algorithm 1), standard deviation 1.28 · temperature.

    Adding it to unconstrained one-of-n costs samples exactly from the softmax at that temperature; for permutations it
    is the customary approximation (perturb-and-MAP, Papandreou & Yuille 2011). It acts like the temperature of a
    contrastive loss. Costs are minimised, so the sample is *subtracted* there: see `gmssl.estimators.perturbation`.
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
