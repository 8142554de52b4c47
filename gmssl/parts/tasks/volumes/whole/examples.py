"""Examples of whole volumes and of patches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.volumes.checking import Checked
from gmssl.parts.tasks.volumes.reading import grey, labels_of, mask_file, read_scan
from gmssl.parts.tasks.volumes.whole.resizing import resized, resized_labels
from gmssl.parts.tasks.volumes.whole.settings import WholeSettings


@dataclass(frozen=True)
class Example:
    """A volume or patch uint8 `[K,D,H,W]` with labels uint8 `[D,H,W]`, and the index of its case."""

    image: torch.Tensor
    labels: torch.Tensor
    case: int


@dataclass
class Prepared:
    """Volumes of all cases on the grid, in memory."""

    settings: WholeSettings
    cases: Sequence[Case]
    checked: Sequence[Checked]
    kept: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 `[K,D,H,W]` and labels uint8 `[D,H,W]`."""
        if index not in self.kept:
            self.kept[index] = self._drawn(index)
        return self.kept[index]

    def __getstate__(self) -> dict[str, object]:
        """What other processes are sent; they keep volumes of their own."""
        return {**vars(self), "kept": {}}

    def _drawn(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        settings, check, case = self.settings, self.checked[index], self.cases[index]
        volumes = []
        for role, bounds in zip(settings.images, check.bounds, strict=True):
            slices = check.cut.slices(grey(read_scan(case.files[role], settings.reader, check.affine), bounds))
            drawn = resized(torch.from_numpy(slices.astype(np.float32))[None], settings.grid)[0]
            volumes.append(drawn.round().clamp(0, 255).to(torch.uint8).numpy())
        path = mask_file(case, settings)
        labels = check.cut.slices(labels_of(read_scan(path, settings.reader, check.affine), path, settings))
        return np.stack(volumes), resized_labels(np.ascontiguousarray(labels), settings.grid)


@dataclass(frozen=True)
class Training:
    """See `gmssl.interfaces.task.TrainingExamples`.

    Patches with even numbers hold a voxel of a class that was drawn among all of them, if the volume has any; the
    others lie anywhere. This balances them 1:1, as slices are.
    """

    prepared: Prepared
    indices: tuple[int, ...]
    seed: int

    def epoch(self, number: int) -> Sequence[int]:
        """Each volume as often as there are patches, in an order of the epoch's own."""
        count = len(self.indices) * self.prepared.settings.patches
        return [int(index) for index in np.random.default_rng([self.seed, number]).permutation(count)]

    def __getitem__(self, at: tuple[int, int]) -> Example:
        epoch, index = at
        generator = np.random.default_rng([self.seed, epoch, index])
        settings, case = self.prepared.settings, self.indices[index % len(self.indices)]
        image, labels = self.prepared[case]
        turn = epoch * settings.patches + index // len(self.indices)
        window = self._window(labels, generator, about=turn % 2 == 0)
        image, labels = image[:, *window], labels[window]
        chances = generator.random(4)
        allowed = {"none": (), "horizontal": (2,), "all": (0, 1, 2)}[settings.flip]
        for axis in allowed:
            if chances[axis] < 0.5:
                image, labels = np.flip(image, axis + 1), np.flip(labels, axis)
        if settings.brightness:
            factor = 1 + settings.brightness * (2 * chances[3] - 1)
            image = np.clip(np.rint(image * factor), 0, 255).astype(np.uint8)
        return _example(image, labels, case)

    def _window(self, labels: np.ndarray, generator: np.random.Generator, about: bool) -> tuple[slice, ...]:
        settings = self.prepared.settings
        seen, room = settings.seen, [whole - side for whole, side in zip(settings.grid, settings.seen, strict=True)]
        starts = [int(generator.integers(free + 1)) for free in room]
        inside = np.flatnonzero(labels) if about and any(room) else np.zeros(0, np.int64)
        if len(inside):
            centre = np.unravel_index(inside[generator.integers(len(inside))], labels.shape)
            starts = [int(np.clip(c - side // 2, 0, free)) for c, side, free in zip(centre, seen, room, strict=True)]
        return tuple(slice(start, start + side) for start, side in zip(starts, seen, strict=True))


@dataclass(frozen=True)
class Testing:
    """See `gmssl.interfaces.task.ExamplesToPredict`; an example is a whole volume."""

    prepared: Prepared
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Example:
        case = self.indices[index]
        return _example(*self.prepared[case], case)


def _example(image: np.ndarray, labels: np.ndarray, case: int) -> Example:
    pixels, classes = (torch.from_numpy(np.ascontiguousarray(values)) for values in (image, labels))
    return Example(pixels, classes, case)
