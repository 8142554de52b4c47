"""Variance of each channel over the batch."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.regulariser import Regulariser
from gmssl.lazy import torch


class Variance(Regulariser):
    """Mean over channels of max(0, γ − √(Var z + ε)): no channel may die (VICReg, Bardes et al. 2022, Eq. 1)."""

    kind: ClassVar[str] = "variance"

    least: float = Field(1.0, gt=0, description="γ: standard deviation that is asked for")
    epsilon: float = Field(1e-4, ge=0, description="ε")

    def __call__(self, embeddings_ND: torch.Tensor) -> torch.Tensor:
        """Numbers in [0, γ], one a set."""
        deviation = (embeddings_ND.var(-2) + self.epsilon).sqrt()
        return (self.least - deviation).clamp(min=0).mean(-1)
