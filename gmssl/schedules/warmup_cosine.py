"""Linear warm-up, then half a cosine."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.schedule import Schedule


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
