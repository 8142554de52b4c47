"""From predictions on the grid of the network to rows on the grid of the annotation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gmssl.interfaces.task import Row
from gmssl.parts.tasks.images import case_image
from gmssl.parts.tasks.masks.fitting import Fitted
from gmssl.parts.tasks.masks.metrics import by_class, summary
from gmssl.parts.tasks.masks.pictures import write_labels, write_picture
from gmssl.parts.tasks.segmentation.annotation import Annotation


@dataclass
class SegmentationScoring:
    """See `gmssl.interfaces.task.Scoring`; rows hold `scores`, and `observer` where there is a second one."""

    annotation: Annotation
    keep: bool = False
    only_main: bool = False
    found: list[Row] = field(default_factory=list)
    kept: list[tuple[int, np.ndarray]] = field(default_factory=list)

    def add(self, batch: dict[str, Any], predicted: torch.Tensor) -> None:
        """Take probabilities `[B,1+classes,S,S]` of a batch."""
        for index, probabilities in zip(batch["cases"], predicted.detach().float().cpu(), strict=True):
            self._take(int(index), probabilities)

    def _take(self, index: int, probabilities: torch.Tensor) -> None:
        annotation = self.annotation
        truth, counts = annotation.truth(index)
        height, width = truth.shape
        place = Fitted.of((height, width), annotation.settings.size, annotation.settings.fit)
        labels = place.back(probabilities).argmax(dim=0).numpy().astype(np.uint8)
        scores = by_class(
            labels, truth, annotation.classes, annotation.settings.tolerance, counted=counts, overlap=self.only_main
        )
        row: Row = {"case": annotation.cases[index].name, "scores": scores}
        observer = annotation.observer(index)
        self.found.append(row if observer is None else {**row, "observer": observer})
        if self.keep:
            self.kept.append((index, labels))

    def rows(self) -> list[Row]:
        """A row for each case so far."""
        return self.found

    def write(self, folder: Path) -> list[Path]:
        """A picture and a label map as PNG for each case that was kept."""
        annotation, written = self.annotation, []
        for (index, labels), row in zip(self.kept, self.found, strict=True):
            case = annotation.cases[index]
            truth, counts = annotation.truth(index)
            dice = summary([row], annotation.classes)["dice"]
            title = f"{case.name}   Dice {'–' if dice is None else f'{dice:.3f}'}"
            name = case.name.replace("/", "_")
            image = case_image(case.image, annotation.channels)
            written.append(
                write_picture(folder / f"{name}.png", image, truth, labels, annotation.classes, title, counts)
            )
            written.append(write_labels(folder / f"{name}_prediction.png", labels))
        return written
