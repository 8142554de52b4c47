"""What targets of several kinds share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gmssl.lazy import torch

if TYPE_CHECKING:
    from gmssl.interfaces.vertices import Arrangement


def as_module(function: Callable[[torch.Tensor, Arrangement], torch.Tensor]) -> torch.nn.Module:
    """A module without weights around a function."""

    class Function(torch.nn.Module):
        def forward(self, costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
            return function(costs, arrangement)

    return Function()
