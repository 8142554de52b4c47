"""Small images of discs with their masks, and backbones of all shapes of pyramids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from gmssl.interfaces.cases import Case


class PooledBackbone(nn.Module):
    """A backbone whose levels are pooled images behind a convolution each."""

    def __init__(self, strides: tuple[int, ...] = (2, 4, 8, 16, 32), in_channels: int = 1) -> None:
        super().__init__()
        self.in_channels, self.strides = in_channels, strides
        self.mean, self.std = (0.4,) * in_channels, (0.2,) * in_channels
        self.channels = tuple(16 + place for place in range(len(strides)))
        self.width = self.channels[-1] if strides else 4
        self.convolutions = nn.ModuleList(nn.Conv2d(in_channels, count, 1) for count in self.channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.pyramid(images)[-1].mean(dim=(2, 3))

    def pyramid(self, images: torch.Tensor) -> list[torch.Tensor]:
        sizes = [(-(-images.shape[2] // s), -(-images.shape[3] // s)) for s in self.strides]
        pooled = [functional.adaptive_avg_pool2d(images, size) for size in sizes]
        return [layer(level) for layer, level in zip(self.convolutions, pooled, strict=True)]

    def layers(self) -> list[list[nn.Parameter]]:
        return [list(self.parameters())]


def discs(count: int, folder: Path, size: tuple[int, int] = (40, 52)) -> list[Case]:
    """Cases with a bright disc on a dark, noisy ground each."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for number in range(count):
        generator = np.random.default_rng(number)
        y, x = np.mgrid[: size[0], : size[1]] + 0.5
        centre, radius = generator.uniform(14, 26, 2), generator.uniform(6, 12)
        inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2
        pixels = generator.normal(60, 15, size) + 120 * inside
        files = {"image": folder / f"{number}.png", "mask": folder / f"{number}_mask.png"}
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(files["image"])
        Image.fromarray(inside.astype(np.uint8) * 255).save(files["mask"])
        cases.append(Case(str(number), files))
    return cases
