"""Edge affinities: how alike two edges are, each of which is the difference of its end nodes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gmssl.interfaces.affinity import Affinity, Side
from gmssl.lazy import torch


def differences(nodes_GnD: torch.Tensor, edges_GE2: torch.Tensor) -> torch.Tensor:
    """ẑ_i − ẑ_j for each edge (i, j), `[G,E,D]`."""
    channels = nodes_GnD.shape[2]
    tail, head = (nodes_GnD.gather(1, edges_GE2[..., end, None].expand(-1, -1, channels)) for end in (0, 1))
    return tail - head


class CosineOfDifferences(Affinity):
    """cos(ẑ_i − ẑ_j, ẑ_a − ẑ_b) for edges (i, j) and (a, b), with d / √(|d|² + ε²) in place of d / |d|.

    The derivative of d / |d| grows as 1 / |d|: message passing makes nodes with equal neighbourhoods equal, and the
    plain cosine then has gradients of 10^5 (measured; docs/lvm_med.md). With ε they are at most 1 / ε, and the term
    tends to the cosine for differences much longer than ε. `epsilon: 0` is refused: 0 / 0.
    """

    kind: ClassVar[str] = "cosine_of_differences"
    scores: ClassVar[Literal["vertex", "edge"]] = "edge"

    epsilon: float = Field(0.1, gt=0, description="length below which a difference loses weight")

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,E,F]` in (−1, 1)."""
        return self._shortened(left) @ self._shortened(right).mT

    def _shortened(self, side: Side) -> torch.Tensor:
        vectors = differences(side.nodes, side.edges)
        return vectors * (vectors.square().sum(2, keepdim=True) + self.epsilon**2).rsqrt()


class SoftplusOfDifferences(Affinity):
    """softplus(⟨ẑ_i − ẑ_j, ẑ_a − ẑ_b⟩) − ½, weighted by ½ in the authors' released code."""

    kind: ClassVar[str] = "softplus_of_differences"
    scores: ClassVar[Literal["vertex", "edge"]] = "edge"

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,E,F]`, above −½."""
        one, other = (differences(side.nodes, side.edges) for side in (left, right))
        return torch.nn.functional.softplus(one @ other.mT) - 0.5
