"""Covariance of channels over the batch."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.regulariser import Regulariser
from gmssl.lazy import torch


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
