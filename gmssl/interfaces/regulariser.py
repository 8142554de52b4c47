"""Regularisers keep embeddings from collapsing where no matching does."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.lazy import torch
from gmssl.parts import Part


class Regulariser(Part):
    """A weighted term of the loss that looks at the embeddings of one view at a time."""

    slot: ClassVar[str] = "regulariser"

    weight: float = 1.0

    @abstractmethod
    def __call__(self, embeddings_ND: torch.Tensor) -> torch.Tensor:
        """Unweighted, a scalar, of the embeddings of one view over all ranks; the objective averages over views."""
