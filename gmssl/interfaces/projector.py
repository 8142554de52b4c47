"""Projectors map pooled encoder features to node embeddings."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.interfaces.part import Part
from gmssl.lazy import torch


class Projector(Part):
    """Settings of a head that is thrown away after pre-training."""

    slot: ClassVar[str] = "projector"

    def width(self) -> int | None:
        """D if the settings alone tell it, else None; widths that do not fit are then refused before anything runs."""
        return None

    @abstractmethod
    def build(self, channels: int) -> torch.nn.Module:
        """A module `[B,C] -> [B,D]` for `channels` = C, with an attribute `channels` = D."""
