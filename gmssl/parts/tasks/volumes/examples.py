"""Examples of volumes: their slices on the grid of the network."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image

from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.masks.augmentation import UNCHANGED, Change
from gmssl.parts.tasks.masks.fitting import Fitted
from gmssl.parts.tasks.volumes.checking import Checked
from gmssl.parts.tasks.volumes.reading import grey, labels_of, mask_file, read_scan
from gmssl.parts.tasks.volumes.slice_settings import SliceSettings

Place: TypeAlias = tuple[int, int]
"""Indices of a case and of a slice of its cut."""


@dataclass(frozen=True)
class Example:
    """A slice uint8 `[K,S,S]` with labels uint8 `[S,S]`, the index of its case and its number."""

    image: torch.Tensor
    labels: torch.Tensor
    case: int
    slice: int


@dataclass
class Prepared:
    """Slices of all cases on the grid, in memory as far as the settings allow, and in a temporary folder beyond."""

    settings: SliceSettings
    cases: Sequence[Case]
    checked: Sequence[Checked]
    channels: int
    kept: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    used: int = 0
    shared: str | None = None

    def __getitem__(self, index: int) -> np.ndarray:
        """Slices `[N,P+1,S,S]` uint8: P planes of the image, and the labels."""
        if index not in self.kept:
            self.kept[index] = self._found(index)
        return self.kept[index]

    def __getstate__(self) -> dict[str, object]:
        """What other processes are sent: they share the folder, and keep memory of their own."""
        return {**vars(self), "kept": {}, "used": 0, "shared": self._folder()}

    def _found(self, index: int) -> np.ndarray:
        drawn = self._drawn(index)
        if self.used + drawn.nbytes <= self.settings.cache * 10**6:
            self.used += drawn.nbytes
            return drawn
        file = Path(self._folder(), f"{index}.npy")
        if not file.is_file():
            half = file.with_suffix(f".{os.getpid()}.npy")
            np.save(half, drawn)
            half.replace(file)
        return np.load(file, mmap_mode="r")

    def _folder(self) -> str:
        if self.shared is None:
            self.shared = tempfile.mkdtemp(prefix="gmssl-slices-")
            weakref.finalize(self, shutil.rmtree, self.shared, ignore_errors=True)
        return self.shared

    def _drawn(self, index: int) -> np.ndarray:
        settings, check, case = self.settings, self.checked[index], self.cases[index]
        volumes = [
            check.cut.slices(grey(read_scan(case.files[role], settings.reader, check.affine), bounds))
            for role, bounds in zip(settings.images, check.bounds, strict=True)
        ]
        path = mask_file(case, settings)
        labels = check.cut.slices(labels_of(read_scan(path, settings.reader, check.affine), path, settings))
        if len(volumes) > max(1, self.channels):
            volumes = [np.rint(np.mean(volumes, axis=0, dtype=np.float32)).astype(np.uint8)]
        place = Fitted.of(labels.shape[1:], settings.size, settings.fit)
        out = np.empty((len(labels), len(volumes) + 1, settings.size, settings.size), np.uint8)
        for number, drawn in enumerate(out):
            for plane, volume in enumerate(volumes):
                drawn[plane] = np.asarray(place.image(Image.fromarray(np.ascontiguousarray(volume[number]))))
            drawn[-1] = place.labels(np.ascontiguousarray(labels[number]))
        return out

    def example(self, place: Place, change: Change) -> Example:
        """The example of a slice after a change."""
        index, number = place
        planes = np.array(self[index][number])
        image, labels = planes[:-1], planes[-1]
        if len(image) > 1:  # here and not at the end: pictures have one channel or three, and so have their changes
            image = image[[channel % len(image) for channel in range(self.channels)]]
        if change != UNCHANGED:
            drawn = Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
            changed = np.array(change.image(drawn))
            image = changed[None] if changed.ndim == 2 else changed.transpose(2, 0, 1)
            labels = change.labels(labels)
        pixels = torch.from_numpy(np.ascontiguousarray(image))
        if len(pixels) != self.channels:
            pixels = pixels.expand(self.channels, -1, -1)
        return Example(pixels.contiguous(), torch.from_numpy(np.ascontiguousarray(labels)), index, number)


@dataclass(frozen=True)
class Training:
    """See `gmssl.interfaces.task.TrainingExamples`.

    An epoch holds every slice with foreground once, and as many without as the settings say, drawn anew; where there
    are too few of these, they come again.
    """

    prepared: Prepared
    places: tuple[Place, ...]
    seed: int

    @cached_property
    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions among the places of slices with foreground, and of those without."""
        filled = np.array([self.prepared.checked[index].filled[number] for index, number in self.places], bool)
        return np.flatnonzero(filled), np.flatnonzero(~filled)

    def epoch(self, number: int) -> Sequence[int]:
        """Positions among the places, plus their count for each time that one comes again."""
        generator = np.random.default_rng([self.seed, number])
        positive, negative = self._sides
        share = self.prepared.settings.negatives
        if share is None:
            taken = negative
        else:
            wanted = round(share * len(positive)) if len(negative) else 0
            turns = -(-wanted // max(1, len(negative)))
            rounds = [generator.permutation(negative) + turn * len(self.places) for turn in range(turns)]
            taken = np.concatenate([np.zeros(0, np.int64), *rounds])[:wanted]
        return [int(index) for index in generator.permutation(np.concatenate([positive, taken]))]

    def __getitem__(self, at: tuple[int, int]) -> Example:
        epoch, index = at
        generator = np.random.default_rng([self.seed, epoch, index])
        change = self.prepared.settings.augmentation.drawn(generator)
        return self.prepared.example(self.places[index % len(self.places)], change)


@dataclass(frozen=True)
class Testing:
    """See `gmssl.interfaces.task.ExamplesToPredict`."""

    prepared: Prepared
    places: tuple[Place, ...]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Example:
        return self.prepared.example(self.places[index], UNCHANGED)
