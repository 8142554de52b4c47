"""The centred and sharpened choice of the teacher: DINO."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.gathering import ranks, summed
from gmssl.interfaces.target import Target
from gmssl.interfaces.vertices import Arrangement, Truth
from gmssl.lazy import torch


class TeacherTarget(Target):
    """softmax((s − centre) / τ) of the scores s = −c that the teacher gives to the other view.

    The centre is a running mean of s over the batch and all ranks, taken after use, in training only (DINO, Caron et
    al. 2021, Algorithm 1 and Eq. 4). It keeps one prototype from winning always, the temperature all from being equal.
    """

    kind: ClassVar[str] = "teacher"
    truth: ClassVar[Truth] = "learnt"
    reads_reference: ClassVar[bool] = True

    temperature: float = Field(0.04, gt=0, description="τ: below that of the solver")
    momentum: float = Field(0.9, ge=0, le=1, description="of the centre")

    def build(self) -> torch.nn.Module:
        """See `Target.build`; the centre is a buffer and so part of checkpoints."""
        return _module(self.temperature, self.momentum)


def _module(temperature: float, momentum: float) -> torch.nn.Module:
    class Centred(torch.nn.Module):
        centre: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("centre", torch.zeros(()))

        def forward(self, costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
            target = ((-costs - self.centre) / temperature).softmax(2)
            if self.training:
                mean = summed(-costs.mean((0, 1))) / ranks()
                self.centre = self.centre * momentum + mean * (1 - momentum)
            return target

        def _load_from_state_dict(self, state: dict[str, torch.Tensor], prefix: str, *args: object) -> None:
            """The centre takes the number of prototypes when it first sees costs."""
            saved = state.get(f"{prefix}centre")
            if saved is not None:
                self.centre = torch.zeros_like(saved, device=self.centre.device)
            super()._load_from_state_dict(state, prefix, *args)  # type: ignore[arg-type]

    return Centred()
