"""What people drew on the images: read, checked, and scored against one another."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Value, told
from gmssl.parts.tasks.images import case_size
from gmssl.parts.tasks.masks.metrics import by_class
from gmssl.parts.tasks.masks.reading import (
    FIELD_OF_VIEW,
    SECOND_OBSERVER,
    counted,
    label_map,
    labelled,
    roles_of,
)
from gmssl.parts.tasks.segmentation.settings import SegmentationSettings

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
class Annotation:
    """The masks of all cases.

    Attributes:
        settings: which numbers are which classes.
        cases: with files of masks.
        channels: of the images that are shown beside.
    """

    settings: SegmentationSettings
    cases: Sequence[Case]
    channels: int
    observed: dict[int, dict[str, Value]] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; the background is none."""
        return self.settings.names

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

    def check(self) -> list[Checked]:
        """Read all masks.

        Raises:
            DataError: some are missing, damaged, of another size than their image, or hold values of no class.
        """
        with ThreadPoolExecutor() as pool:  # decoding leaves the interpreter free
            found = list(pool.map(lambda case: _checked(self.settings, case), self.cases))
        faults = [fault for fault in found if isinstance(fault, str)]
        if faults:
            raise DataError(told(faults, REMEDY))
        return [check for check in found if isinstance(check, Checked)]


def _second(settings: SegmentationSettings, case: Case) -> np.ndarray:
    if roles_of(settings.classes):
        raise DataError(
            f"{case.name} has a second observer, whose classes cannot be told from one file. Give task.classes by grey "
            "values, or leave the role second_observer out."
        )
    return labelled(case.files[SECOND_OBSERVER], settings.classes, settings.threshold)


def _checked(settings: SegmentationSettings, case: Case) -> Checked | str:
    """Counts of a case, or what is wrong with it."""
    try:
        labels = label_map(case, settings.classes, settings.threshold)
        width, height = case_size(case.image)
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
