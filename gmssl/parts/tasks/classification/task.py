"""The task `classification`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Resampled, Row, Scores, Task, told
from gmssl.parts.tasks.classification.settings import ClassificationSettings

if TYPE_CHECKING:
    from gmssl.parts.tasks.classification.opened import Classified


class Classification(Task, ClassificationSettings):
    """One class, or grade, of a whole image: cross-entropy on a linear layer or an MLP on pooled features.

    Scores: accuracy, balanced accuracy (mean recall of the classes that occur), macro area under the ROC curve (one
    class against the others, mean of the classes that occur), macro F1; of grades also Cohen's kappa with quadratic
    weights.
    """

    kind: ClassVar[str] = "classification"
    learns_labels: ClassVar[bool] = True

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return self.size

    def summarise(self, rows: Sequence[Row], classes: Sequence[str]) -> Scores:
        """Scores of rows, without the cases."""
        from gmssl.parts.tasks.classification.scores import summary

        return summary(rows, len(classes), self.grades)

    def resampled(self, rows: Sequence[Row], classes: Sequence[str], metric: str | None = None) -> Resampled:
        """The scores of choices of rows, which are made tensors once."""
        from gmssl.parts.tasks.classification.scores import names_of, resampled

        return resampled(rows, len(classes), names_of(self.grades) if metric is None else [metric])

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
