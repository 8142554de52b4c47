"""Cases of segmentation that have been read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Backbone, Row, Scores, Value, told
from gmssl.parts.tasks.masks.metrics import by_class, summary
from gmssl.parts.tasks.masks.reading import (
    FIELD_OF_VIEW,
    SECOND_OBSERVER,
    counted,
    image_size,
    label_map,
    labelled,
    roles_of,
)
from gmssl.parts.tasks.segmentation.examples import Example, Prepared, Testing, Training
from gmssl.parts.tasks.segmentation.scoring import SegmentationScoring
from gmssl.parts.tasks.segmentation.task import Segmentation

REMEDY = (
    "Correct the files or task.classes (task.threshold reads one class with soft edges, as of JPEG), or leave such "
    "cases out."
)


@dataclass(frozen=True)
class Checked:
    """What is known of the masks of a case: pixels of each class, and of all that counts."""

    pixels: tuple[int, ...]
    whole: int


@dataclass
class OpenedSegmentation:
    """Cases with masks, as `gmssl.interfaces.task.Opened` describes."""

    settings: Segmentation
    cases: Sequence[Case]
    channels: int
    checked: Sequence[Checked]
    metric: str = "dice"
    higher_is_better: bool = True
    observed: dict[int, dict[str, Value]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._prepared = Prepared(self.settings, tuple(self.cases), self.channels)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; the background is none."""
        return self.settings.names

    @property
    def facts(self) -> Mapping[str, Value]:
        """Counts of cases, of those without any foreground, and the share of pixels of each class."""
        whole = sum(check.whole for check in self.checked)
        pixels = np.array([check.pixels for check in self.checked]).sum(axis=0)
        without = {
            f"cases without {name}": sum(check.pixels[at] == 0 for check in self.checked)
            for at, name in enumerate(self.classes)
        }
        return {
            "cases": len(self.cases),
            **without,
            **{f"share of {name}": float(count / whole) for name, count in zip(self.classes, pixels, strict=True)},
            "cases with a field of view": sum(FIELD_OF_VIEW in case.files for case in self.cases),
            "cases with a second observer": sum(SECOND_OBSERVER in case.files for case in self.cases),
        }

    def training(self, indices: Sequence[int], seed: int) -> Training:
        """Examples of these cases, changed at random.

        Raises:
            DataError: none of them has a pixel of any class, from which nothing can be learnt.
        """
        if not any(sum(self.checked[index].pixels) for index in indices):
            raise DataError(
                f"Not one of the {len(indices)} training cases has a pixel of {', '.join(self.classes)}. "
                "Correct the split, task.classes or the masks."
            )
        return Training(self._prepared, tuple(indices), seed)

    def testing(self, indices: Sequence[int]) -> Testing:
        """Examples of these cases as they are."""
        return Testing(self._prepared, tuple(indices))

    def collate(self, examples: Sequence[Example]) -> dict[str, Any]:
        """`images` uint8 `[B,K,S,S]`, `labels` uint8 `[B,S,S]`, and `cases`, their indices."""
        return {
            "images": torch.stack([example.image for example in examples]),
            "labels": torch.stack([example.labels for example in examples]),
            "cases": [example.case for example in examples],
        }

    def network(self, backbone: Backbone | None) -> Any:
        """The decoder on the backbone.

        Raises:
            RecipeError: there is no backbone, or its pyramid does not fit the network.
            DataError: segmentation-models-pytorch is not installed.
        """
        from gmssl.parts.tasks.segmentation.network import SegmentationNetwork

        if backbone is None:
            raise RecipeError(
                "segmentation has no network of its own: name an encoder with --encoder, such as `random` for the one "
                "of the recipe without pre-training."
            )
        return SegmentationNetwork(self.settings, backbone)

    def scoring(self, indices: Sequence[int], keep: bool = False) -> SegmentationScoring:
        """Score predictions of these cases on the grids of their annotations."""
        return SegmentationScoring(self, keep)

    def summarise(self, rows: Sequence[Row]) -> Scores:
        """The scores of `gmssl.parts.tasks.masks.metrics.summary`, and those of the second observer beside them."""
        found = summary(rows, self.classes)
        if not any("observer" in row for row in rows):
            return found
        human = summary(rows, self.classes, key="observer")
        return found | {f"observer {name}": value for name, value in human.items() if "." not in name}

    def truth(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Labels `[H,W]` of a case, and which pixels count; None for all."""
        case = self.cases[index]
        view = case.files.get(FIELD_OF_VIEW)
        labels = label_map(case, self.settings.classes, self.settings.threshold)
        return labels, None if view is None else counted(view)

    def observer(self, index: int) -> dict[str, Value] | None:
        """Scores of the second observer against the truth, computed once; None where there is none."""
        if SECOND_OBSERVER not in self.cases[index].files:
            return None
        if index not in self.observed:
            truth, counts = self.truth(index)
            theirs = _second(self.settings, self.cases[index])
            self.observed[index] = by_class(theirs, truth, self.classes, self.settings.tolerance, counted=counts)
        return self.observed[index]


def opened(settings: Segmentation, cases: Sequence[Case], channels: int) -> OpenedSegmentation:
    """Read and check the masks of all cases; see `Segmentation.open`."""
    with ThreadPoolExecutor() as pool:  # decoding leaves the interpreter free
        found = list(pool.map(lambda case: _checked(settings, case), cases))
    faults = [fault for fault in found if isinstance(fault, str)]
    if faults:
        raise DataError(told(faults, REMEDY))
    return OpenedSegmentation(settings, cases, channels, [check for check in found if isinstance(check, Checked)])


def _second(settings: Segmentation, case: Case) -> np.ndarray:
    if roles_of(settings.classes):
        raise DataError(
            f"{case.name} has a second observer, whose classes cannot be told from one file. Give task.classes by grey "
            "values, or leave the role second_observer out."
        )
    return labelled(case.files[SECOND_OBSERVER], settings.classes, settings.threshold)


def _checked(settings: Segmentation, case: Case) -> Checked | str:
    """Counts of a case, or what is wrong with it."""
    try:
        labels = label_map(case, settings.classes, settings.threshold)
        width, height = image_size(case.image)
        if labels.shape != (height, width):
            return f"the mask of {case.name} has {_size(labels)} pixels, and the image {width}×{height}"
        counts = np.ones(labels.shape, bool)
        if FIELD_OF_VIEW in case.files:
            counts = counted(case.files[FIELD_OF_VIEW])
            if counts.shape != labels.shape:
                return f"the field of view of {case.name} has {_size(counts)} pixels, and the image {width}×{height}"
            if not counts.any():
                return f"the field of view of {case.name} is empty"
        if SECOND_OBSERVER in case.files and (other := _second(settings, case)).shape != labels.shape:
            return f"the second observer's mask of {case.name} has {_size(other)} pixels, not {width}×{height}"
    except DataError as fault:
        return str(fault).rstrip(".")
    pixels = np.bincount(labels[counts], minlength=len(settings.names) + 1)
    return Checked(tuple(int(count) for count in pixels[1:]), int(counts.sum()))


def _size(values: np.ndarray) -> str:
    return f"{values.shape[1]}×{values.shape[0]}"
