"""A tiny backbone, and a folder of images with bright rectangles as boxes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gmssl.interfaces.cases import Case


class TinyBackbone(nn.Module):
    """A convolution for each stride, on averages of as many pixels."""

    def __init__(self, strides: Sequence[int] = (2, 4, 8, 16, 32), in_channels: int = 1, width: int = 6) -> None:
        super().__init__()
        self.in_channels, self.mean, self.std = in_channels, (0.3,) * in_channels, (0.2,) * in_channels
        self.strides, self.channels, self.width = tuple(strides), tuple(width + n for n in range(len(strides))), width
        self.stages = nn.ModuleList(nn.Conv2d(in_channels, c, 3, padding=1) for c in self.channels)
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.pyramid(images)[-1].mean((2, 3))

    def pyramid(self, images: torch.Tensor) -> list[torch.Tensor]:
        self.seen.append(images.detach())
        pooled = [nn.functional.avg_pool2d(images, stride, ceil_mode=True) for stride in self.strides]
        return [stage(maps).relu() for stage, maps in zip(self.stages, pooled, strict=True)]

    def layers(self) -> list[list[nn.Parameter]]:
        return [list(stage.parameters()) for stage in self.stages]


@pytest.fixture
def backbone() -> Callable[..., Any]:
    return TinyBackbone


def draw(file: Path, size: tuple[int, int], boxes: Sequence[Sequence[int]]) -> None:
    """A dark image with a bright rectangle for each box (edges in pixels)."""
    pixels = np.full((size[1], size[0]), 40, np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = 220
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[..., list[Case]]:
    """Writes images and one COCO file of their boxes; gives the cases."""

    def make(boxes: Sequence[Sequence[Sequence[int]]], size: tuple[int, int] = (96, 64)) -> list[Case]:
        listed: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "cell"}]}
        cases = []
        for image, every in enumerate(boxes):
            file = tmp_path / "images" / f"{image}.png"
            draw(file, size, every)
            listed["images"].append({"id": image, "file_name": file.name, "width": size[0], "height": size[1]})
            for x1, y1, x2, y2 in every:
                number = len(listed["annotations"]) + 1
                bbox = [x1, y1, x2 - x1, y2 - y1]
                listed["annotations"].append({"id": number, "image_id": image, "category_id": 7, "bbox": bbox})
            cases.append(Case(f"images/{image}.png", {"image": file, "boxes": tmp_path / "boxes.json"}))
        (tmp_path / "boxes.json").write_text(json.dumps(listed), encoding="utf-8")
        return cases

    return make
