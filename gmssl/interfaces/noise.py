"""Distributions of the perturbation that estimators add to costs."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.lazy import torch
from gmssl.parts import Part


class Noise(Part):
    """Independent samples of one distribution."""

    slot: ClassVar[str] = "noise"

    @abstractmethod
    def sample(self, like: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Independent samples with the shape, dtype and device of `like`."""


class SmoothNoise(Noise):
    """Noise whose density p is known and differentiable: what score-function estimators (`perturbed`) need."""

    @abstractmethod
    def score(self, sample: torch.Tensor) -> torch.Tensor:
        """d log p(ε) / dε of each entry of `sample`, in its shape."""
