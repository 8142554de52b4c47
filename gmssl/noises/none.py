"""No noise."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.noise import Noise
from gmssl.lazy import torch


class NoNoise(Noise):
    """Zeros: the estimator differentiates the least-energy matching itself, as the released code of LVM-Med does."""

    kind: ClassVar[str] = "none"

    def sample(self, like: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Zeros with the shape, dtype and device of `like`; draws nothing."""
        return torch.zeros_like(like)
