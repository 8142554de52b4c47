from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from gmssl.errors import DataError
from gmssl.interfaces.data import Record


class MemoryImages:
    """Images in memory; None cannot be read."""

    def __init__(self, pixels: Sequence[np.ndarray | None], records: Sequence[Record]) -> None:
        self.pixels, self.records = list(pixels), list(records)

    def __len__(self) -> int:
        return len(self.records)

    def load(self, index: int, channels: int) -> Image.Image:
        pixels = self.pixels[index]
        if pixels is None:
            raise DataError(f"{self.records[index].name} is broken. Remove it.")
        return Image.fromarray(pixels).convert("L" if channels == 1 else "RGB")


class PlainViews:
    """The two things that an evaluation asks of views."""

    sizes = (16, 16)

    def plain(self, images: torch.Tensor) -> torch.Tensor:
        return images.float() / 255 - 0.5


class SmallEncoder(torch.nn.Module):
    """A convolution, BatchNorm and dropout: whatever training mode changes, it would change."""

    def __init__(self, channels: int = 1, width: int = 8) -> None:
        super().__init__()
        self.network = torch.nn.Sequential(
            torch.nn.Conv2d(channels, width, 3, stride=2), torch.nn.BatchNorm2d(width), torch.nn.Dropout(0.5)
        )
        self.channels = width

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = self.network(images)
        return maps, maps.mean(dim=(2, 3))


@pytest.fixture
def views() -> PlainViews:
    return PlainViews()


@pytest.fixture
def encoder() -> SmallEncoder:
    torch.manual_seed(0)
    return SmallEncoder()


@pytest.fixture
def memory_images() -> type[MemoryImages]:
    return MemoryImages


@pytest.fixture
def squares() -> Callable[..., MemoryImages]:
    """Images of two classes that are light on the left or at the top, each of its own pixels."""

    def make(count: int = 40, seed: int = 0, patients: int | None = None) -> MemoryImages:
        random = np.random.default_rng(seed)
        pixels, records = [], []
        for i in range(count):
            label = ("left", "top")[i % 2]
            ramp = np.linspace(200, 0, 24)[None, :] if label == "left" else np.linspace(200, 0, 20)[:, None]
            pixels.append((ramp + random.integers(0, 20, (20, 24))).astype(np.uint8))
            records.append(Record(f"{i}.png", label, f"p{i % patients}" if patients else None))
        return MemoryImages(pixels, records)

    return make
