"""Optimisers: Adam, and Adam with decoupled weight decay; schedules: a factor on the learning rate for every step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from gmssl.interfaces.optimiser import Optimiser, Schedule
from gmssl.lazy import torch


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015), which LVM-Med pre-trains with at a learning rate of 2e-3.

    `weight_decay` is added to the gradient (an L2 penalty); for decoupled decay use `adamw`.
    """

    kind: ClassVar[str] = "adam"

    learning_rate: float = Field(2e-3, gt=0)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    weight_decay: float = Field(0.0, ge=0)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Adam over all parameters alike."""
        return torch.optim.Adam(
            list(parameters), lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay
        )


class AdamW(Optimiser):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    Parameters of at most one dimension (biases, scales and shifts of normalisations) are not decayed, as is usual for
    self-supervised pre-training.
    """

    kind: ClassVar[str] = "adamw"

    learning_rate: float = Field(1e-3, gt=0)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    weight_decay: float = Field(0.01, ge=0)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Two groups: matrices and kernels with decay, the rest without."""
        every = list(parameters)
        groups = [
            {"params": [p for p in every if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in every if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW([g for g in groups if g["params"]], lr=self.learning_rate, betas=self.betas)


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
