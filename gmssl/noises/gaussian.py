"""Gaussian noise."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.noise import SmoothNoise
from gmssl.lazy import torch


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
