"""Softplus of inner products: the vertex term of the released code."""

from __future__ import annotations

from typing import ClassVar, Literal

from gmssl.interfaces.affinity import Affinity, Side
from gmssl.lazy import torch


class Softplus(Affinity):
    """softplus(⟨ẑ_i, ẑ_a⟩) − ½, as the authors' released code scores vertex pairs where the paper has a cosine."""

    kind: ClassVar[str] = "softplus"
    scores: ClassVar[Literal["vertex", "edge"]] = "vertex"

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,n,m]`, above −½."""
        return torch.nn.functional.softplus(left.nodes @ right.nodes.mT) - 0.5
