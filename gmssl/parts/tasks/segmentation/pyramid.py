"""Levels of a pyramid at strides 2, 4, 8, …, as decoders want them, from whatever a backbone has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class Levels(nn.Module):
    """The levels of a pyramid whose strides are powers of two, each at its place.

    Of several levels with one stride the last is taken. Where a stride is missing, its level has no channels, as
    segmentation-models-pytorch does for encoders that begin with a stride of 4.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.places = {stride: place for place, stride in enumerate(strides)}
        self.strides = tuple(2**step for step in range(1, max(strides).bit_length()))
        self.channels = tuple(channels[self.places[s]] if s in self.places else 0 for s in self.strides)

    def forward(self, images: torch.Tensor, pyramid: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps `[B,C_l,H/s_l,W/s_l]` of strides 2, 4, 8, … from images `[B,K,H,W]` and their pyramid."""
        height, width = images.shape[2:]
        return [
            pyramid[self.places[s]]
            if s in self.places
            else images.new_empty(len(images), 0, height // s, width // s, dtype=pyramid[0].dtype)
            for s in self.strides
        ]


class TokenLevels(nn.Module):
    """A pyramid of strides 4, 8, 16, 32 from maps of one stride: those of a plain transformer.

    Four maps from early to late layers become levels from fine to coarse. Each is brought to its stride by transposed
    convolutions, each of which doubles it, or by pooling: the simple feature pyramid of Li et al., "Exploring plain
    vision transformer backbones for object detection", 2022, there made from the last map alone.
    """

    strides = (2, 4, 8, 16, 32)

    def __init__(self, channels: Sequence[int], stride: int, width: int) -> None:
        super().__init__()
        self.taken = [round(place) for place in torch.linspace(0, len(channels) - 1, 4).tolist()]
        self.levels = nn.ModuleList(
            _brought(channels[place], stride, wanted, width)
            for place, wanted in zip(self.taken, self.strides[1:], strict=True)
        )
        self.channels = (0, width, width, width, width)

    def forward(self, images: torch.Tensor, pyramid: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps `[B,C_l,H/s_l,W/s_l]`, the first without channels, from images `[B,K,H,W]` and maps of one stride."""
        height, width = images.shape[2:]
        found = [images.new_empty(len(images), 0, height // 2, width // 2, dtype=pyramid[0].dtype)]
        for place, level, stride in zip(self.taken, self.levels, self.strides[1:], strict=True):
            found.append(_of_size(level(pyramid[place]), (height // stride, width // stride)))
        return found


class Stem(nn.Module):
    """Convolutions on the image for skips at strides 2, 4 and 8, beside the tokens of a transformer at stride 16.

    What TransUNet (Chen et al., 2021) takes from the first stages of its ResNet; here they are trained from scratch,
    so that any backbone may stand beside them.
    """

    strides = (2, 4, 8, 16)

    def __init__(self, in_channels: int, channels: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        inputs = (in_channels, *widths)
        self.stages = nn.ModuleList(_halving(inputs[at], width) for at, width in enumerate(widths))
        self.channels = (*widths, channels[-1])

    def forward(self, images: torch.Tensor, pyramid: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps at strides 2, 4, 8 of the image, and the backbone's last map at stride 16."""
        found, last = [], images
        for stage in self.stages:
            last = stage(last)
            found.append(last)
        height, width = images.shape[2:]
        return [*found, _of_size(pyramid[-1], (height // 16, width // 16))]


def _brought(channels: int, stride: int, wanted: int, width: int) -> nn.Module:
    """A map of one stride at about the wanted one; what remains is interpolated."""
    steps: list[nn.Module] = [nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    while stride >= 2 * wanted:
        steps += [nn.ConvTranspose2d(width, width, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        stride //= 2
    if stride < wanted:
        steps.append(nn.MaxPool2d(wanted // stride))
    return nn.Sequential(*steps)


def _halving(channels: int, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def _of_size(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if maps.shape[2:] == size:
        return maps
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)
