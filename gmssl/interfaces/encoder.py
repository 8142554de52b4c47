"""Encoders turn images into feature maps and pooled features; projectors map the latter to node embeddings."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from gmssl.interfaces.part import Part
from gmssl.lazy import torch


@dataclass(frozen=True)
class Pretraining:
    """How images were prepared for the training of an encoder's pretrained weights.

    Attributes:
        source: who says so; messages name it.
        mean: mean of the pixels in [0, 1], one number for each channel.
        std: their standard deviation, likewise.
        size: side of the images in pixels.
        interpolation: the method by which they were resized; None if it is unknown.
    """

    source: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    interpolation: str | None


def of_channels(numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Statistics of colours for images of `channels` channels: grey has their mean, colours have that of grey each."""
    if len(numbers) == channels:
        return tuple(numbers)
    # Rounded, so that the mean of ImageNet's three is 0.449 and not 0.44899999999999995.
    return (round(sum(numbers) / len(numbers), 10),) * channels


class Encoder(Part):
    """Settings of the network that pre-training is for."""

    slot: ClassVar[str] = "encoder"

    in_channels: int = 3

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A module `[B,K,H,W] -> (map [B,C,h,w], pooled [B,C'])`.

        It has the attributes `channels` = C', `map_channels` = C (where it differs from C') and `network`, the bare
        network whose `state_dict()` is what users load after pre-training. It may have `loaded`, whose text says where
        its pretrained weights came from and whose `to_json()` is kept in the run.
        """

    @property
    def begins_pretrained(self) -> bool:
        """Whether training starts from weights of another training; known without building anything."""
        return False

    def pretraining(self) -> Pretraining | None:
        """How images were prepared for the weights that training starts from; None where they are random, or unknown.

        This may import the library that provides the weights, but downloads nothing.
        """
        return None


class Projector(Part):
    """Settings of a head that is thrown away after pre-training."""

    slot: ClassVar[str] = "projector"

    def width(self) -> int | None:
        """D if the settings alone tell it, else None; widths that do not fit are then refused before anything runs."""
        return None

    @abstractmethod
    def build(self, channels: int) -> torch.nn.Module:
        """A module `[B,C] -> [B,D]` for `channels` = C, with an attribute `channels` = D."""
