"""Images as examples of a classification."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageEnhance

from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.images import case_image

if TYPE_CHECKING:
    from gmssl.parts.tasks.classification.settings import Augmentation

_BUDGET = 1 << 30
"""Bytes of decoded images that are kept."""


@dataclass(frozen=True, eq=False)
class Example:
    """An image `[K,H,W]` uint8 of a case by its number, and its class; `plain` images are the same in every epoch."""

    image: torch.Tensor
    case: int
    label: int
    plain: bool


class Pixels:
    """Images of cases as squares, decoded once as long as there is room."""

    def __init__(self, cases: Sequence[Case], channels: int, size: int) -> None:
        self._cases, self._channels, self._size = cases, channels, size
        self._kept: dict[int, torch.Tensor] = {}
        self._room = _BUDGET // (channels * size * size)

    def square(self, index: int) -> torch.Tensor:
        """The whole image, `[K,S,S]` uint8."""
        if index not in self._kept:
            pixels = self.tensor(self._resized(self.read(index)))
            if len(self._kept) >= self._room:
                return pixels
            self._kept[index] = pixels
        return self._kept[index]

    def read(self, index: int) -> Image.Image:
        """The image in its own size."""
        return case_image(self._cases[index].image, self._channels)

    def _resized(self, image: Image.Image) -> Image.Image:
        return image.resize((self._size, self._size), Image.Resampling.BILINEAR)

    def changed(self, index: int, change: Augmentation, generator: np.random.Generator) -> torch.Tensor:
        """The image, changed at random."""
        image = self.read(index)
        if change.rotation:
            angle = generator.uniform(-change.rotation, change.rotation)
            image = image.rotate(angle, Image.Resampling.BILINEAR)
        if change.scale != (1.0, 1.0):
            image = image.resize(
                (self._size, self._size), Image.Resampling.BILINEAR, box=_crop(image.size, change.scale, generator)
            )
        image = self._resized(image)
        if generator.random() < change.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if change.brightness:
            low, high = 1 - change.brightness, 1 + change.brightness
            image = ImageEnhance.Brightness(image).enhance(generator.uniform(low, high))
            image = ImageEnhance.Contrast(image).enhance(generator.uniform(low, high))
        return self.tensor(image)

    @staticmethod
    def tensor(image: Image.Image) -> torch.Tensor:
        """`[K,H,W]` uint8."""
        values = torch.from_numpy(np.asarray(image).copy())
        return values[None] if values.ndim == 2 else values.permute(2, 0, 1).contiguous()


def _crop(
    size: tuple[int, int], scale: tuple[float, float], generator: np.random.Generator
) -> tuple[float, float, float, float]:
    """A random box of a share of the area; its aspect is 3:4 to 4:3 of the image's own."""
    share = generator.uniform(*scale)
    aspect = math.exp(generator.uniform(math.log(3 / 4), math.log(4 / 3)))
    width, height = (min(1.0, math.sqrt(share * ratio)) for ratio in (aspect, 1 / aspect))
    left, top = (generator.uniform(0, 1 - side) for side in (width, height))
    return left * size[0], top * size[1], (left + width) * size[0], (top + height) * size[1]


class Training:
    """Examples to learn from, in an order of their own for each epoch."""

    def __init__(
        self, pixels: Pixels, labels: Sequence[int], indices: Sequence[int], change: Augmentation, seed: int
    ) -> None:
        self._pixels, self._labels, self._change, self._seed = pixels, labels, change, seed
        self._indices = tuple(indices)

    def epoch(self, number: int) -> Sequence[int]:
        """All cases, shuffled."""
        order = np.random.default_rng([self._seed, number]).permutation(len(self._indices))
        return [int(place) for place in order]

    def __getitem__(self, at: tuple[int, int]) -> Example:
        epoch, place = at
        case = self._indices[place]
        if self._change.none:
            return Example(self._pixels.square(case), case, self._labels[case], plain=True)
        generator = np.random.default_rng([self._seed, epoch, case])
        return Example(self._pixels.changed(case, self._change, generator), case, self._labels[case], plain=False)


class Testing:
    """Whole images, in order."""

    def __init__(self, pixels: Pixels, labels: Sequence[int], indices: Sequence[int]) -> None:
        self._pixels, self._labels, self._indices = pixels, labels, tuple(indices)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, place: int) -> Example:
        case = self._indices[place]
        return Example(self._pixels.square(case), case, self._labels[case], plain=True)
