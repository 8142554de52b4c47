"""A node belongs to the one half a side away."""

from __future__ import annotations

from typing import ClassVar

from gmssl.gathering import rank
from gmssl.interfaces.target import Target
from gmssl.interfaces.vertices import Arrangement, Truth
from gmssl.lazy import torch
from gmssl.targets.functions import as_module


class Swap(Target):
    """Row i of n belongs to column (i + n/2) mod n, of this rank's: with `both_views` the other view of the image."""

    kind: ClassVar[str] = "swap"
    truth: ClassVar[Truth] = "halves"

    def build(self) -> torch.nn.Module:
        """See `Target.build`."""
        return as_module(_swap)


def _swap(costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
    _, n, m = costs.shape
    first = n * rank() if m > n else 0  # graphs of this rank alone have no columns of others
    rows = torch.arange(n, device=costs.device)
    target = torch.zeros(costs.shape[1:], dtype=costs.dtype, device=costs.device)
    target[rows, (rows + n // 2) % n + first] = 1
    return target.expand(costs.shape)
