"""How much of an energy difference each wrongly matched node accounts for, by vertex and by edge costs.

Let x be a matching, x* the true one, x(i) and x*(i) the partners of left node i, and call i *wrong* if they differ.
With X and X* the edge matchings that they imply,

    E(x) − E(x*) = Σ_i Σ_a c_ia (x_ia − x*_ia) + Σ_e Σ_f c_ef (X_ef − X*_ef).

The first sum is one over nodes already: v_i = c_{i,x(i)} − c_{i,x*(i)}, zero unless i is wrong. A bracket of the second
is the difference of one left edge e = (i, j). It is zero unless an end of e is wrong, so it is shared equally by the
wrong ends of e: half each if both are wrong, all of it if one is. Hence Σ_i v_i + e_i over wrong nodes is the whole
difference, and nothing is laid on nodes that are right. Costs are sums of terms, and all of this is linear in them, so
the same holds for each term alone.
"""

from __future__ import annotations

from gmssl.lazy import torch
from gmssl.problem import Topology, lift, vertex_matching


def vertex_shares(costs: torch.Tensor, chosen: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """v_i of all left nodes, `[G,n]`.

    Args:
        costs: of vertex pairs `[G,n,m]`.
        chosen, truth: partners x(i) and x*(i), `[G,n]` int64; −1 leaves a node unmatched.
    """
    m = costs.shape[2]
    return (costs * (vertex_matching(chosen, m, costs.dtype) - vertex_matching(truth, m, costs.dtype))).sum(2)


def edge_shares(costs: torch.Tensor, topology: Topology, chosen: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """e_i of all left nodes, `[G,n]`.

    Args:
        costs: of edge pairs `[G,E,F]`.
        topology: edges of both graphs.
        chosen, truth: as for `vertex_shares`.
    """
    m = topology.allowed.shape[2]
    edge = [lift(vertex_matching(columns, m, costs.dtype), topology).edge for columns in (chosen, truth)]
    of_edge = (costs * (edge[0] - edge[1])).sum(2)
    wrong = (chosen != truth).to(costs.dtype)
    tail, head = topology.left.unbind(2)
    at_tail = wrong.gather(1, tail)
    at_head = wrong.gather(1, head) * (tail != head)  # a self-loop has one end
    each = of_edge / (at_tail + at_head).clamp(min=1)
    return torch.zeros_like(wrong).scatter_add(1, tail, each * at_tail).scatter_add(1, head, each * at_head)
