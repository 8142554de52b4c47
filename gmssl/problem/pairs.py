"""`Pairs`, one number for every vertex pair and every edge pair, and the energy: the inner product of two of them.

Costs and matchings are the same kind of thing; the energy of a matching is the inner product of the two.

Shape letters, used in the whole package: G graph pairs in the batch, n/m left/right vertices, E/F left/right edges,
S noise samples, V views, B images, P map positions, C encoder channels, D node channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gmssl.lazy import torch
from gmssl.problem.topology import Topology


@dataclass(frozen=True, eq=False)
class Pairs:
    """A number for each vertex pair, `vertex [G,n,m]`, and for each edge pair, `edge [G,E,F]`."""

    vertex: torch.Tensor
    edge: torch.Tensor

    def map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> Pairs:
        """Apply `function` to the vertex and to the edge numbers."""
        return Pairs(function(self.vertex), function(self.edge))

    def __add__(self, other: Pairs) -> Pairs:
        return Pairs(self.vertex + other.vertex, self.edge + other.edge)

    def __sub__(self, other: Pairs) -> Pairs:
        return Pairs(self.vertex - other.vertex, self.edge - other.edge)

    def scale(self, factor: torch.Tensor | float) -> Pairs:
        """Multiply by a number, or by one number per instance (`factor [G]`)."""
        if isinstance(factor, torch.Tensor) and factor.ndim == 1:
            factor = factor[:, None, None]
        return Pairs(self.vertex * factor, self.edge * factor)

    def repeat(self, samples: int) -> Pairs:
        """Fold `samples` copies into the batch: `[G,...]` becomes `[S·G,...]`, sample-major."""
        return self if samples == 1 else self.map(lambda x: x.repeat(samples, 1, 1))

    def detach(self) -> Pairs:
        """The same numbers, cut off from the autograd graph."""
        return self.map(lambda x: x.detach())

    def select(self, instances: torch.Tensor | slice) -> Pairs:
        """The instances named by an index, a boolean mask or a slice of the batch; a slice copies nothing."""
        return self.map(lambda x: x[instances])


Costs: TypeAlias = Pairs
Matching: TypeAlias = Pairs


def energy(costs: Costs, matching: Matching) -> torch.Tensor:
    """Inner product of costs and matching, `[G]`, to be minimised.

    Lawler's quadratic assignment problem: Σ c^v_is x_is + Σ c^e_ef x_is x_jt with e = (i,j), f = (s,t)
    (LVM-Med, Eq. 4, with costs = −affinities).
    """
    return (costs.vertex * matching.vertex).sum((1, 2)) + (costs.edge * matching.edge).sum((1, 2))


def lift(vertex: torch.Tensor, topology: Topology) -> Matching:
    """The matching of edges that a matching of vertices implies.

    Args:
        vertex: vertex matching `[G,n,m]`, 0/1 (or relaxed: the product is formed all the same).
        topology: edges of both graphs.

    Returns:
        `Pairs(vertex, edge)` with `edge[g,e,f] = vertex[g,i,s] · vertex[g,j,t]` for e = (i,j), f = (s,t), `[G,E,F]`.
    """
    return Pairs(vertex, _ends(vertex, topology, 0) * _ends(vertex, topology, 1))


def _ends(vertex: torch.Tensor, topology: Topology, end: int) -> torch.Tensor:
    """x[g, left[e, end], right[f, end]] as `[G,E,F]`."""
    left, right = topology.left[..., end], topology.right[..., end]
    rows = vertex.gather(1, left[:, :, None].expand(-1, -1, vertex.shape[2]))
    return rows.gather(2, right[:, None, :].expand(-1, left.shape[1], -1))


def vertex_matching(columns: torch.Tensor, m: int, dtype: torch.dtype) -> torch.Tensor:
    """The 0/1 matrix `[G,n,m]` of an assignment `columns [G,n]`; −1 (or any index ≥ m) leaves a row unmatched."""
    matched = (columns >= 0) & (columns < m)
    matching = torch.zeros(*columns.shape, m, dtype=dtype, device=columns.device)
    return matching.scatter_(2, columns.clamp(0, m - 1)[..., None], matched[..., None].to(dtype))
