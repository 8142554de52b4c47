"""Node i belongs to node i."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.target import Target
from gmssl.interfaces.vertices import Arrangement
from gmssl.lazy import torch
from gmssl.targets.functions import as_module


class Identity(Target):
    """The first min(n, m) nodes of either side belong together: LVM-Med, Barlow Twins, VICReg, VICRegL, MoCo, BYOL.

    Those that may not be matched (the padding of `patches`) belong to nobody.
    """

    kind: ClassVar[str] = "identity"

    def build(self) -> torch.nn.Module:
        """See `Target.build`."""
        return as_module(_identity)


def _identity(costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
    target = torch.eye(*costs.shape[1:], dtype=costs.dtype, device=costs.device).expand(costs.shape)
    whole = bool(arrangement.allowed.diagonal(dim1=1, dim2=2).all())
    return target if whole else target * arrangement.allowed
