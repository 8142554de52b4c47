"""Softplus of inner products of differences: the edge term of the released code."""

from __future__ import annotations

from typing import ClassVar, Literal

from gmssl.affinities.differences import differences
from gmssl.interfaces.affinity import Affinity, Side
from gmssl.lazy import torch


class SoftplusOfDifferences(Affinity):
    """softplus(⟨ẑ_i − ẑ_j, ẑ_a − ẑ_b⟩) − ½, weighted by ½ in the authors' released code."""

    kind: ClassVar[str] = "softplus_of_differences"
    scores: ClassVar[Literal["vertex", "edge"]] = "edge"

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,E,F]`, above −½."""
        one, other = (differences(side.nodes, side.edges) for side in (left, right))
        return torch.nn.functional.softplus(one @ other.mT) - 0.5
