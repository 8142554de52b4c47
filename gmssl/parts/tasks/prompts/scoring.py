"""Masks of the network against those of the annotation, on the grid of the annotation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Row, Value
from gmssl.lazy import numpy
from gmssl.parts.tasks.masks.fitting import Fitted
from gmssl.parts.tasks.masks.metrics import measured
from gmssl.parts.tasks.masks.reading import FIELD_OF_VIEW, counted, label_map
from gmssl.parts.tasks.prompts.examples import Prompt
from gmssl.parts.tasks.prompts.pictures import Kept, write
from gmssl.parts.tasks.prompts.settings import PromptSettings


class PromptedScoring:
    """Rows with `scores` (class → measures and counts) and `boxes`, how many boxes prompted."""

    def __init__(
        self,
        settings: PromptSettings,
        cases: Sequence[tuple[int, Case, Sequence[Prompt]]],
        classes: Sequence[str],
        keep: bool,
        only_main: bool = False,
    ) -> None:
        self._settings, self._classes = settings, classes
        self._cases = {number: (case, prompts) for number, case, prompts in cases}
        self._order = [number for number, _, _ in cases]
        self._keep, self._overlap = keep, only_main
        self._rows: dict[int, Row] = {}
        self._kept: list[Kept] = []

    def add(self, batch: dict[str, Any], predicted: Sequence[torch.Tensor]) -> None:
        """Score the images of a batch."""
        for number, boxes, logits in zip(batch["case"].tolist(), batch["boxes"], predicted, strict=True):
            case, prompts = self._cases[number]
            labels = label_map(case, self._settings.classes, self._settings.threshold)
            place = Fitted.of((labels.shape[0], labels.shape[1]), self._settings.size, self._settings.fit)
            truth = numpy.stack([labels == label for label in range(1, len(self._classes) + 1)])
            found = self._masks(logits.detach().float().cpu(), prompts, place)
            if FIELD_OF_VIEW in case.files:
                inside = counted(case.files[FIELD_OF_VIEW])
                truth, found = truth & inside, found & inside
            scores: dict[str, Value] = {
                name: measured(found[at], truth[at], self._settings.tolerance, overlap=self._overlap)
                for at, name in enumerate(self._classes)
            }
            self._rows[number] = {"case": case.name, "boxes": len(prompts), "scores": scores}
            if self._keep:
                told = {name: _dice(scores[name]) for name in self._classes}
                corners = [(x1, y1, x2, y2) for x1, y1, x2, y2 in boxes.tolist()]
                self._kept.append(Kept(case, place, corners, [p.label for p in prompts], truth, found, told))

    def _masks(self, logits: torch.Tensor, prompts: Sequence[Prompt], place: Fitted) -> numpy.ndarray:
        """Booleans `[classes,h,w]`: a pixel is of a class if the mask of any of its boxes has it.

        Logits are interpolated to the network's image and from there to the annotation's grid, as SAM's authors do.
        """
        found = numpy.zeros((len(self._classes), *place.own), dtype=bool)
        for prompt, mask in zip(prompts, logits, strict=True):
            full = functional.interpolate(
                mask[None, None], (place.side, place.side), mode="bilinear", align_corners=False
            )
            found[prompt.label - 1] |= (place.back(full[0])[0] > 0).numpy()
        return found

    def rows(self) -> list[Row]:
        """A row for each case, in their order."""
        return [self._rows[number] for number in self._order if number in self._rows]

    def write(self, folder: Path) -> list[Path]:
        """A picture of each case, and its predicted classes as a grey image whose values are 1, 2, …"""
        return [path for kept in self._kept for path in write(kept, folder, self._classes)]


def _dice(measures: Value) -> float | None:
    found = measures.get("dice") if isinstance(measures, dict) else None
    return found if isinstance(found, float) else None
