"""Vertices say what is matched: images, feature channels, patches, prototypes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from gmssl.lazy import torch
from gmssl.parts import Part


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Two sides of G matching problems.

    Attributes:
        left, right: node embeddings `[G,n,D]` and `[G,m,D]`.
        target: ground truth `[G,n,m]`.
        allowed: `[G,n,m]` bool.
        left_source, right_source: which view and image a node is, `view · B + image`, `[G,n]` and `[G,m]` int64.
        left_out: number of images that take part in no graph this time.
    """

    left: torch.Tensor
    right: torch.Tensor
    target: torch.Tensor
    allowed: torch.Tensor
    left_source: torch.Tensor
    right_source: torch.Tensor
    left_out: int


class Vertices(Part):
    """Arranges embeddings of all views into graph pairs."""

    slot: ClassVar[str] = "vertices"

    @abstractmethod
    def arrange(self, embeddings_VBD: torch.Tensor, pairs: tuple[tuple[int, int], ...]) -> Arrangement:
        """Graph pairs from embeddings `[V,B,D]`, for each (left view, right view) of `pairs`."""

    @abstractmethod
    def fault(self, batch: int) -> str | None:
        """Why a batch of this many images cannot be arranged, with the remedy; None if it can."""

    @abstractmethod
    def left_out(self, batch: int) -> int:
        """Number of images of a batch that no graph holds."""
