"""Vertex affinities of node embeddings: cosine, inner product, softplus of it, squared distance."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gmssl.interfaces.affinity import Affinity, Side
from gmssl.lazy import torch


class Cosine(Affinity):
    """cos(ẑ_i, ẑ_a): the global term of LVM-Med, Eq. 3."""

    kind: ClassVar[str] = "cosine"
    scores: ClassVar[Literal["vertex", "edge"]] = "vertex"

    epsilon: float = Field(1e-6, gt=0, description="smallest norm an embedding is divided by")

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,n,m]` in [−1, 1]."""
        unit = lambda x: torch.nn.functional.normalize(x, dim=2, eps=self.epsilon)  # noqa: E731
        return unit(left.nodes) @ unit(right.nodes).mT


class InnerProduct(Affinity):
    """⟨ẑ_i, ẑ_a⟩, without normalisation."""

    kind: ClassVar[str] = "inner_product"
    scores: ClassVar[Literal["vertex", "edge"]] = "vertex"

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,n,m]`."""
        return left.nodes @ right.nodes.mT


class Softplus(Affinity):
    """softplus(⟨ẑ_i, ẑ_a⟩) − ½, as the authors' released code scores vertex pairs where the paper has a cosine."""

    kind: ClassVar[str] = "softplus"
    scores: ClassVar[Literal["vertex", "edge"]] = "vertex"

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,n,m]`, above −½."""
        return torch.nn.functional.softplus(left.nodes @ right.nodes.mT) - 0.5


class SquaredDistance(Affinity):
    """−‖z_i − z_s‖² / D, minus the mean squared error over channels: VICReg's invariance (Bardes et al. 2022)."""

    kind: ClassVar[str] = "squared_distance"
    scores: ClassVar[Literal["vertex", "edge"]] = "vertex"

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,n,m]`, at most 0."""
        # Differences first: ‖a‖² + ‖b‖² − 2ab would lose the small distances that training leads to.
        return -(left.nodes[:, :, None] - right.nodes[:, None]).square().mean(3)
