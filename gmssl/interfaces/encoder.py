"""Encoders turn images into feature maps and pooled features."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.interfaces.part import Part
from gmssl.lazy import torch


class Encoder(Part):
    """Settings of the network that pre-training is for."""

    slot: ClassVar[str] = "encoder"

    in_channels: int = 3

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A module `[B,K,H,W] -> (map [B,C,h,w], pooled [B,C'])`.

        It has the attributes `channels` = C', `map_channels` = C (where it differs from C') and `network`, the bare
        network whose `state_dict()` is what users load after pre-training.
        """
