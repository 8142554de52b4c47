"""Rows of predictions, and what is written of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Row, Value
from gmssl.parts.tasks.detection.examples import Batch, Pictures
from gmssl.parts.tasks.detection.pictures import draw
from gmssl.parts.tasks.images import case_image
from gmssl.system.files import write_whole
from gmssl.system.json_text import json_text

_DIGITS = 5
"""Decimals of a row's numbers: far below a pixel, and scores whose order is kept but for near ties."""


class BoxScoring:
    """See `gmssl.interfaces.task.Scoring`; a row holds all boxes of an image, since AP is of many images at once."""

    def __init__(self, cases: Sequence[Case], pictures: Pictures, classes: Sequence[str], keep: bool) -> None:
        self._cases, self._pictures, self._classes, self._keep = cases, pictures, classes, keep
        self._rows: list[Row] = []
        self._seen: list[int] = []

    def add(self, batch: Batch, predicted: Sequence[dict[str, Any]]) -> None:
        """Boxes on the network's grid; they are scored on that of the image."""
        for case, found in zip(batch["cases"].tolist(), predicted, strict=True):
            truth = self._pictures.truths[case]
            boxes = self._pictures.frame(case).back(found["boxes"].cpu())
            self._rows.append(
                {
                    "case": self._cases[case].name,
                    "boxes": _numbers(boxes.tolist()),
                    "scores": found["scores"].double().cpu().tolist(),
                    "labels": [self._classes[label - 1] for label in found["labels"].tolist()],
                    "true_boxes": [list(corners) for corners in truth.corners],
                    "true_labels": [self._classes[label] for label in truth.labels],
                    "true_crowd": [int(crowd) for crowd in truth.crowd],
                }
            )
            self._seen.append(case)

    def rows(self) -> list[Row]:
        """A row for each image, in the order in which they came."""
        return list(self._rows)

    def write(self, folder: Path) -> list[Path]:
        """A picture of each image, and `detections.json` with the predicted boxes of all."""
        if not self._keep:
            raise ValueError("pictures are written of a scoring that was made with keep=True")
        folder.mkdir(parents=True, exist_ok=True)
        written = [self._drawn(row, case, folder) for row, case in zip(self._rows, self._seen, strict=True)]
        file = folder / "detections.json"
        write_whole(file, json_text([_detections(row) for row in self._rows], indent=1) + "\n")
        return [*written, file]

    def _drawn(self, row: Row, case: int, folder: Path) -> Path:
        name = str(row["case"]).replace("/", "_").replace("\\", "_")
        return draw(case_image(self._pictures.files[case], 3), row, self._classes, folder / f"{name}.png")


def _numbers(boxes: list[list[float]]) -> Value:
    return [[round(number, _DIGITS) for number in box] for box in boxes]


def _detections(row: Row) -> dict[str, Value]:
    return {key: row[key] for key in ("case", "boxes", "scores", "labels")}
