"""What all tasks whose predictions are masks have in common: their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gmssl.interfaces.task import Resampled, Row, Scores, Task


class MaskTask(Task):
    """Rows hold `scores`, and `observer` where a second person has drawn masks, as `masks.metrics.by_class` gives."""

    unit: ClassVar[str] = "px"
    """Of distances: `px` or `mm`."""

    def summarise(self, rows: Sequence[Row], classes: Sequence[str]) -> Scores:
        """Scores of rows, without the cases."""
        from gmssl.parts.tasks.masks.metrics import beside_observer

        return beside_observer(rows, classes, self.unit)

    def resampled(self, rows: Sequence[Row], classes: Sequence[str], metric: str | None = None) -> Resampled:
        """The scores of choices of rows, which are made arrays once."""
        from gmssl.parts.tasks.masks.metrics import resampled

        return resampled(rows, classes, self.unit)
