"""Adam."""

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
