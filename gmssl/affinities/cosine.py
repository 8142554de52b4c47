"""Cosine similarity of node embeddings."""

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
