"""Regularisers of embeddings (VICReg): variance of each channel, covariance of two."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.loss import Regulariser
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


class Covariance(Regulariser):
    """Σ_{i≠j} C_ij² / D of the covariance matrix C: channels must not repeat each other (VICReg, Eq. 3 and 4).

    The objective averages over views where VICReg adds up both: its weight 1 is 2 here.
    """

    kind: ClassVar[str] = "covariance"

    def __call__(self, embeddings_ND: torch.Tensor) -> torch.Tensor:
        """Numbers ≥ 0, one a set."""
        count, channels = embeddings_ND.shape[-2:]
        centred = embeddings_ND - embeddings_ND.mean(-2, keepdim=True)
        covariance = centred.mT @ centred / (count - 1)
        diagonal = covariance.diagonal(dim1=-2, dim2=-1)
        return (covariance.square().sum((-2, -1)) - diagonal.square().sum(-1)) / channels
