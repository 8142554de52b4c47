"""From label volumes to rows in mm, and to files that other programs open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Row
from gmssl.parts.tasks.masks.fitting import Fit, Fitted
from gmssl.parts.tasks.masks.metrics import by_class, summary
from gmssl.parts.tasks.masks.pictures import write_picture
from gmssl.parts.tasks.volumes.checking import Checked
from gmssl.parts.tasks.volumes.reading import grey, labels_of, mask_file, read_scan
from gmssl.parts.tasks.volumes.settings import VolumeSettings
from gmssl.parts.tasks.volumes.writing import file_name, write_mask


class OpenedVolumes(Protocol):
    """What is known of the volumes that are scored."""

    @property
    def settings(self) -> VolumeSettings:
        """Of the task."""
        ...

    @property
    def cases(self) -> Sequence[Case]:
        """All cases."""
        ...

    @property
    def checked(self) -> Sequence[Checked]:
        """What is known of each."""
        ...


@dataclass
class VolumeScoring:
    """Rows hold `scores` by class in mm, and `spacing_mm` from slice to slice, row to row and column to column.

    Distances of boundaries, which take seconds for large volumes, are left out where only the main score is asked for.
    """

    opened: OpenedVolumes
    keep: bool = False
    only_main: bool = False
    found: list[Row] = field(default_factory=list)
    kept: list[tuple[int, np.ndarray]] = field(default_factory=list)

    def take(self, index: int, slices: np.ndarray) -> None:
        """Score the labels uint8 `[N,H,W]` of all slices of a case."""
        check, settings = self.opened.checked[index], self.opened.settings
        labels = np.ascontiguousarray(check.cut.volume(slices))
        spacing = [float(length) for length in np.linalg.norm(check.affine[:3, :3], axis=0)]
        scores = by_class(
            labels, self._truth(index), settings.names, settings.tolerance, spacing, overlap=self.only_main
        )
        self.found.append(
            {"case": self.opened.cases[index].name, "scores": scores, "spacing_mm": list(check.cut.spacing)}
        )
        if self.keep:
            self.kept.append((index, labels))

    def rows(self) -> list[Row]:
        """A row for each volume so far."""
        return self.found

    def write(self, folder: Path) -> list[Path]:
        """The prediction of each kept volume as NIfTI, and a picture of its worst slice.

        The worst slice is the one with most voxels of a wrong class; without any, the one with most foreground.
        """
        written = []
        for (index, labels), row in zip(self.kept, self.found, strict=True):
            case, check = self.opened.cases[index], self.opened.checked[index]
            source = case.files[self.opened.settings.images[0]]
            name = file_name(case.name)
            written.append(self._picture(folder / f"{name}.png", index, labels, row))
            written.append(write_mask(folder / f"{name}_prediction.nii.gz", labels, source, check.affine))
        return written

    def _truth(self, index: int) -> np.ndarray:
        settings = self.opened.settings
        path = mask_file(self.opened.cases[index], settings)
        return labels_of(read_scan(path, settings.reader, self.opened.checked[index].affine), path, settings)

    def _picture(self, path: Path, index: int, labels: np.ndarray, row: Row) -> Path:
        settings, check, case = self.opened.settings, self.opened.checked[index], self.opened.cases[index]
        scan = read_scan(case.files[settings.images[0]], settings.reader)
        image, truth, ours = (
            check.cut.slices(values) for values in (grey(scan, check.bounds[0]), self._truth(index), labels)
        )
        wrong = (truth != ours).sum(axis=(1, 2))
        worst = int((wrong if wrong.any() else (truth > 0).sum(axis=(1, 2))).argmax())
        panels = [_square(values[worst], check.cut.spacing[1:]) for values in (image, truth, ours)]
        dice = summary([row], settings.scored_names)["dice"]
        title = f"{case.name}   Dice {'–' if dice is None else f'{dice:.3f}'}   slice {worst + 1} of {len(wrong)}"
        return write_picture(path, Image.fromarray(panels[0]), panels[1], panels[2], settings.names, title)


@dataclass
class SliceScoring(VolumeScoring):
    """Volumes whose slices come one by one, as probabilities on the grid of the network."""

    size: int = 224
    fit: Fit = "stretch"
    waiting: dict[int, list[np.ndarray]] = field(default_factory=dict)

    def add(self, batch: dict[str, Any], predicted: torch.Tensor) -> None:
        """Take probabilities `[B,1+classes,S,S]`; a volume is scored when its last slice was seen."""
        for index, probabilities in zip(batch["cases"], predicted.detach().float().cpu(), strict=True):
            check, slices = self.opened.checked[index], self.waiting.setdefault(index, [])
            own = tuple(check.shape[axis] for axis in check.cut.axes)
            place = Fitted.of((own[1], own[2]), self.size, self.fit)
            slices.append(place.back(probabilities).argmax(dim=0).numpy().astype(np.uint8))
            if len(slices) == own[0]:
                self.take(index, np.stack(self.waiting.pop(index)))


def _square(values: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """A slice whose pixels are enlarged along their longer side until they are square."""
    fine = min(spacing)
    height, width = (round(length * step / fine) for length, step in zip(values.shape, spacing, strict=True))
    if (height, width) == values.shape:
        return np.ascontiguousarray(values)
    drawn = Image.fromarray(np.ascontiguousarray(values))
    return np.asarray(drawn.resize((width, height), Image.Resampling.NEAREST))
