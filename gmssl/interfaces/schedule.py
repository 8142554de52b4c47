"""Learning-rate schedules."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.parts import Part


class Schedule(Part):
    """A factor on the learning rate as a pure function of training progress; stepped once per optimiser step."""

    slot: ClassVar[str] = "schedule"

    @abstractmethod
    def factor(self, step: int, steps: int, steps_per_epoch: int) -> float:
        """Factor at optimiser step `step` (0-based) of `steps` in the whole run."""
