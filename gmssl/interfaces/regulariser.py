"""Regularisers keep embeddings from collapsing where no matching does."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.lazy import torch
from gmssl.parts import Part


class Regulariser(Part):
    """A weighted term of the loss that looks at sets of embeddings, those of one view at a time."""

    slot: ClassVar[str] = "regulariser"

    weight: float = 1.0

    @abstractmethod
    def __call__(self, embeddings_ND: torch.Tensor) -> torch.Tensor:
        """Unweighted, `[...]` of any number of sets `[...,N,D]`; the objective averages over sets.

        A set is a view of all images of all ranks, or what `Arrangement.samples` says.
        """
