"""Examples of segmentation: images and labels on the grid of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image

from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.images import case_image
from gmssl.parts.tasks.masks.augmentation import UNCHANGED, Change
from gmssl.parts.tasks.masks.fitting import Fitted
from gmssl.parts.tasks.masks.reading import FIELD_OF_VIEW, counted, label_map
from gmssl.parts.tasks.segmentation.settings import SegmentationSettings


@dataclass(frozen=True)
class Example:
    """An image uint8 `[K,S,S]` with labels uint8 `[S,S]` and the index of its case."""

    image: torch.Tensor
    labels: torch.Tensor
    case: int


@dataclass
class Prepared:
    """Images and labels of all cases on the grid, kept in memory as far as the settings allow."""

    settings: SegmentationSettings
    cases: Sequence[Case]
    channels: int
    kept: dict[int, tuple[Image.Image, np.ndarray]] = field(default_factory=dict, repr=False)

    def __getitem__(self, index: int) -> tuple[Image.Image, np.ndarray]:
        if index in self.kept:
            return self.kept[index]
        case, settings = self.cases[index], self.settings
        image = case_image(case.image, self.channels)
        place = Fitted.of(image.size[::-1], settings.size, settings.fit)
        view = case.files.get(FIELD_OF_VIEW)
        labels = label_map(case, settings.classes, settings.threshold)
        found = place.image(image), place.labels(labels, None if view is None else counted(view))
        each = (self.channels + 1) * settings.size**2
        if (len(self.kept) + 1) * each <= settings.cache * 10**6:
            self.kept[index] = found
        return found

    def __getstate__(self) -> dict[str, object]:
        """What other processes are sent; they keep images of their own."""
        return {**vars(self), "kept": {}}

    def example(self, index: int, change: Change, corner: tuple[int, int] | None = None) -> Example:
        """The example of a case after a change, of the square whose first pixel is at a row and column, or whole."""
        image, labels = self[index]
        if corner is not None:
            (top, left), side = corner, self.settings.crop or self.settings.size
            image = image.crop((left, top, left + side, top + side))
            labels = labels[top : top + side, left : left + side]
        if change != UNCHANGED:
            image, labels = change.image(image), change.labels(labels)
        pixels = np.array(image).reshape(*labels.shape, self.channels)
        return Example(torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), torch.from_numpy(labels.copy()), index)


@dataclass(frozen=True)
class Training:
    """See `gmssl.interfaces.task.TrainingExamples`."""

    prepared: Prepared
    indices: tuple[int, ...]
    seed: int

    def epoch(self, number: int) -> Sequence[int]:
        """Each case as often as the settings say, in an order of the epoch's own."""
        count = len(self.indices) * self.prepared.settings.repeats
        return [int(index) for index in np.random.default_rng([self.seed, number]).permutation(count)]

    def __getitem__(self, at: tuple[int, int]) -> Example:
        epoch, index = at
        generator = np.random.default_rng([self.seed, epoch, index])
        settings = self.prepared.settings
        change = settings.augmentation.drawn(generator)
        corner = None
        if settings.crop is not None:
            top, left = generator.integers(settings.size - settings.crop + 1, size=2)
            corner = int(top), int(left)
        return self.prepared.example(self.indices[index % len(self.indices)], change, corner)


@dataclass(frozen=True)
class Testing:
    """See `gmssl.interfaces.task.ExamplesToPredict`."""

    prepared: Prepared
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Example:
        return self.prepared.example(self.indices[index], UNCHANGED)
