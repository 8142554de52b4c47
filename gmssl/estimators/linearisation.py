"""First order of the edge matching around a matching of vertices.

The matching of edges is a product, z_ef = x_is x_jt for e = (i,j), f = (s,t), so that a change h of x changes it by

    (D h)_ef = h_is x_jt + x_is h_jt.

D carries estimators that are defined for linear costs, those of one-of-n choices or assignments, to Lawler's problem:
the energy ⟨c_v, x⟩ + ⟨c_e, z(x)⟩ has the derivative c_v + Dᵀ c_e in x, the linear costs of the Frank–Wolfe step at x
(Vogelstein et al. 2015); a relaxed solution x(c_v + Dᵀ c_e), D held fixed, has the Jacobian (I; D) x' (I; D)ᵀ with
respect to the costs of vertices and edges. It is symmetric, and negative semidefinite if x' is. Without edges it is x'.
"""

from __future__ import annotations

from gmssl.lazy import torch
from gmssl.topology import Topology


def pushed(change: torch.Tensor, vertex: torch.Tensor, topology: Topology) -> torch.Tensor:
    """D h, `[G,E,F]`.

    Args:
        change: h `[G,n,m]`.
        vertex: x `[G,n,m]`, where D is taken.
        topology: edges of both graphs.
    """
    tails, heads = _ends(vertex, topology)
    return _at(change, topology, 0) * heads + tails * _at(change, topology, 1)


def pulled(edge: torch.Tensor, vertex: torch.Tensor, topology: Topology) -> torch.Tensor:
    """Dᵀ of numbers for edge pairs `[G,E,F]`, `[G,n,m]`; see `pushed`."""
    tails, heads = _ends(vertex, topology)
    return _collected(edge * heads, topology, 0, vertex) + _collected(edge * tails, topology, 1, vertex)


def _ends(vertex: torch.Tensor, topology: Topology) -> tuple[torch.Tensor, torch.Tensor]:
    """x_is and x_jt, `[G,E,F]`."""
    return _at(vertex, topology, 0), _at(vertex, topology, 1)


def _at(vertex: torch.Tensor, topology: Topology, end: int) -> torch.Tensor:
    """The number of the vertex pair at one end of each edge pair, `[G,E,F]`."""
    left, right = topology.left[..., end], topology.right[..., end]
    rows = vertex.gather(1, left[:, :, None].expand(-1, -1, vertex.shape[2]))
    return rows.gather(2, right[:, None, :].expand(-1, left.shape[1], -1))


def _collected(edge: torch.Tensor, topology: Topology, end: int, like: torch.Tensor) -> torch.Tensor:
    """Sums over the edge pairs whose end is a vertex pair; by matrices, whose sums have one order on every device."""
    n, m = like.shape[1:]
    rows, columns = (
        torch.nn.functional.one_hot(ends[..., end], size).to(edge)
        for ends, size in ((topology.left, n), (topology.right, m))
    )
    return rows.mT @ edge @ columns
