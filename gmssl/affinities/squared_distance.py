"""Squared Euclidean distance of node embeddings."""

from __future__ import annotations

from typing import ClassVar, Literal

from gmssl.interfaces.affinity import Affinity, Side
from gmssl.lazy import torch


class SquaredDistance(Affinity):
    """−‖z_i − z_s‖² / D, minus the mean squared error over channels: VICReg's invariance (Bardes et al. 2022)."""

    kind: ClassVar[str] = "squared_distance"
    scores: ClassVar[Literal["vertex", "edge"]] = "vertex"

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,n,m]`, at most 0."""
        # Differences first: ‖a‖² + ‖b‖² − 2ab would lose the small distances that training leads to.
        return -(left.nodes[:, :, None] - right.nodes[:, None]).square().mean(3)
