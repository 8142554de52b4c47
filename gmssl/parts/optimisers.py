"""Optimisers: Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from gmssl.interfaces.optimiser import Optimiser
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
