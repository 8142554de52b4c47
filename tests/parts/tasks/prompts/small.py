"""A task that is small enough for tests, and backbones of both kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from gmssl.parts.tasks.prompts.task import PromptedSegmentation

TINY = {"model": "tiny", "size": 64, "tiny": {"width": 32, "heads": 2, "encoder_width": 32, "encoder_heads": 2}}


def task(**settings: Any) -> PromptedSegmentation:
    return PromptedSegmentation.model_validate({**TINY, **settings})


class Pyramid(nn.Module):
    """A backbone of random convolutions, with statistics that training mode would change."""

    def __init__(self, strides: Sequence[int], channels: Sequence[int], in_channels: int = 3) -> None:
        super().__init__()
        self.in_channels, self.strides, self.channels = in_channels, tuple(strides), tuple(channels)
        self.mean, self.std, self.width = (0.5,) * in_channels, (0.25,) * in_channels, channels[-1]
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(in_channels, c, s, s), nn.BatchNorm2d(c), nn.ReLU())
            for s, c in zip(strides, channels, strict=True)
        )
        self.calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.pyramid(images)[-1].mean((2, 3))

    def pyramid(self, images: torch.Tensor) -> list[torch.Tensor]:
        self.calls += 1
        return [level(images) for level in self.levels]

    def layers(self) -> list[list[nn.Parameter]]:
        return [list(self.parameters())]


VIT = ((16, 16, 16, 16), (12, 12, 12, 12))
CNN = ((4, 8, 16, 32), (4, 6, 8, 10))
