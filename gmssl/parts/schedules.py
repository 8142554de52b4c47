"""Learning-rate schedules: a factor for every optimiser step."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.optimiser import Schedule


class Constant(Schedule):
    """The learning rate of the optimiser, from the first step to the last."""

    kind: ClassVar[str] = "constant"

    def factor(self, step: int, steps: int, steps_per_epoch: int) -> float:
        """Always 1."""
        return 1.0


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


class WarmupCosine(Schedule):
    """Rises linearly to 1 in `warmup` epochs, then falls as half a cosine to `floor` (Loshchilov & Hutter 2017).

    A warm-up longer than the run is cut to the run.
    """

    kind: ClassVar[str] = "warmup_cosine"

    warmup: float = Field(10.0, ge=0, description="epochs of linear warm-up")
    floor: float = Field(0.0, ge=0, le=1, description="factor at the end of the run")

    def factor(self, step: int, steps: int, steps_per_epoch: int) -> float:
        """(step + 1) / w for step < w; floor + (1 − floor) (1 + cos π(step − w)/(steps − w)) / 2 afterwards."""
        warm = min(round(self.warmup * steps_per_epoch), steps)
        if step < warm:
            return (step + 1) / warm
        progress = min((step - warm) / max(steps - warm, 1), 1.0)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * progress)) / 2
