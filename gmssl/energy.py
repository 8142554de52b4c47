"""Energy of a matching, and the edge matching that a vertex matching implies."""

from __future__ import annotations

from gmssl.lazy import torch
from gmssl.pairs import Costs, Matching, Pairs
from gmssl.topology import Topology


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
