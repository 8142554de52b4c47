"""A learning rate that is halved at equal intervals."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.schedule import Schedule


class Halving(Schedule):
    """2^−k in the k-th of `times + 1` equal parts of the run, k = 0 … times.

    LVM-Med trains with "Adam, learning rate 2e-3, halved four times" in 100 epochs; with `times: 4` that is every 20
    epochs.
    """

    kind: ClassVar[str] = "halving"

    times: int = Field(4, ge=0, description="how often the learning rate is halved in the whole run")

    def factor(self, step: int, steps: int, steps_per_epoch: int) -> float:
        """Factor 2^−⌊step · (times + 1) / steps⌋, and 2^−times from the end of the run on."""
        return 0.5 ** min(step * (self.times + 1) // steps, self.times)
