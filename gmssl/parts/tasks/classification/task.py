"""The task `classification`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.part import Settings
from gmssl.interfaces.task import Task, told

if TYPE_CHECKING:
    from gmssl.parts.tasks.classification.opened import Classified


class Augmentation(Settings):
    """Changes of a training image, drawn anew in each epoch."""

    scale: tuple[float, float] = Field(
        (1.0, 1.0),
        description="share of the area that a random crop keeps, at an aspect of 3:4 to 4:3; (1, 1): no crop",
    )
    flip: float = Field(0.0, ge=0, le=1, description="probability of a flip from left to right")
    rotation: float = Field(0.0, ge=0, le=180, description="largest rotation in degrees, either way")
    brightness: float = Field(0.0, ge=0, lt=1, description="largest change of brightness and contrast, as a share")

    @field_validator("scale")
    @classmethod
    def _the_range_is_one(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0 < scale[0] <= scale[1] <= 1:
            raise ValueError(f"{scale} is no range of shares; use for example [0.5, 1.0]")
        return scale

    @property
    def none(self) -> bool:
        """Whether every epoch sees the same images."""
        return self.scale == (1.0, 1.0) and not (self.flip or self.rotation or self.brightness)


class Classification(Task):
    """One class, or grade, of a whole image: cross-entropy on a linear layer or an MLP on pooled features.

    Scores: accuracy, balanced accuracy (mean recall of the classes that occur), macro area under the ROC curve (one
    class against the others, mean of the classes that occur), macro F1; of grades also Cohen's kappa with quadratic
    weights.
    """

    kind: ClassVar[str] = "classification"

    size: int = Field(224, ge=16, description="side of the images in pixels; the whole image is resized to a square")
    classes: tuple[str, ...] = Field((), description="labels in their order; default: those that occur, sorted")
    grades: bool = Field(False, description="the classes are grades, in their order: score quadratic kappa")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), max_length=3, description="widths of the hidden layers of the head; none: a linear layer"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="before each layer of the head")
    balanced_loss: bool = Field(False, description="weigh classes by the inverse of their frequency")
    metric: Literal["accuracy", "balanced_accuracy", "auroc", "f1", "kappa"] = Field(
        "accuracy", description="what the best epoch is chosen by, and the main score"
    )
    augmentation: Augmentation = Augmentation()

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return self.size

    def open(self, cases: Sequence[Case], channels: int) -> Classified:
        """Check that every case has a label.

        Raises:
            DataError: cases without a label, labels outside `classes`, a single class, or grades that are no whole
                numbers and whose order is not given.
        """
        from gmssl.parts.tasks.classification.opened import Classified

        without = [f"{case.name} has no label" for case in cases if case.label is None]
        if without:
            raise DataError(told(without, "Set cases.label to the column with the classes, or leave such cases out."))
        counts = Counter(str(case.label) for case in cases)
        classes = self.classes or tuple(sorted(counts, key=_grade if self.grades else str))
        strange = [f"{case.name} has the label {case.label!r}" for case in cases if case.label not in classes]
        if strange:
            raise DataError(told(strange, f"task.classes are {', '.join(classes)}; add it, or correct the labels."))
        if len(classes) < 2:
            raise DataError(
                f"all cases have the label {classes[0]!r}, but a classifier needs two. Correct cases.label."
            )
        return Classified(self, tuple(cases), channels, classes, {name: counts[name] for name in classes})


def _grade(label: str) -> int:
    try:
        return int(label)
    except ValueError:
        raise DataError(
            f"{label!r} is no whole number, so the order of the grades is not known. List them from low to high in "
            "task.classes, or set task.grades to false."
        ) from None
