"""A constant learning rate."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.schedule import Schedule


class Constant(Schedule):
    """The learning rate of the optimiser, from the first step to the last."""

    kind: ClassVar[str] = "constant"

    def factor(self, step: int, steps: int, steps_per_epoch: int) -> float:
        """Always 1."""
        return 1.0
