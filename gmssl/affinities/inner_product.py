"""Inner product of node embeddings."""

from __future__ import annotations

from typing import ClassVar, Literal

from gmssl.interfaces.affinity import Affinity, Side
from gmssl.lazy import torch


class InnerProduct(Affinity):
    """⟨ẑ_i, ẑ_a⟩, without normalisation."""

    kind: ClassVar[str] = "inner_product"
    scores: ClassVar[Literal["vertex", "edge"]] = "vertex"

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,n,m]`."""
        return left.nodes @ right.nodes.mT
