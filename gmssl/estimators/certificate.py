"""A cheap proof that a given matching is optimal, so that a solve can be skipped.

Let v be the candidate and x any other feasible matching. A row i is *changed* if x and v differ there, an edge is
*touched* if it has a changed end. Energies of untouched edges are equal, therefore

    E(x) − E(v) ≥ Σ_{i changed} a_i − Σ_{e touched} s_e ≥ Σ_{i changed} ( a_i − Σ_{e ∋ i} s_e ),

    a_i = min_{t ≠ v(i), allowed} c_it − c_{i,v(i)}      what row i must pay for another partner,
    s_e = E_e(v) − min(0, M · min_f c_ef)  ≥ 0           what edge e can gain at most,

where E_e(v) is the energy of edge e under v and M the largest number of equal right edges (1 in a kNN graph). If every
bracket is positive, v is the only optimum. Under the target costs of I-MLE with λ = 80 and bounded affinities this
holds for nearly every instance: the upstream gradient of the Hamming loss, ±1, dominates everything else.
"""

from __future__ import annotations

from gmssl.energy import lift
from gmssl.lazy import torch
from gmssl.problem import Problem

# Relative to the largest cost of an instance: float32 sums of some hundred terms are exact to about 1e-5.
_TOLERANCE = 1e-4


def proves_optimal(problem: Problem, candidate: torch.Tensor) -> torch.Tensor:
    """Which instances have the candidate as their only optimum, for certain.

    Args:
        problem: G problems.
        candidate: 0/1 matching `[G,n,m]` that matches min(n, m) vertices by allowed pairs; where it does not, the
            answer is False.

    Returns:
        bool `[G]`; False means "not proven".
    """
    costs, topology = problem.costs, problem.topology
    n, m = candidate.shape[1:]
    chosen = candidate > 0.5
    paid = _other_partner(costs.vertex, chosen, topology.allowed, n > m or topology.partial)
    gain = _largest_gain(problem, candidate.to(costs.edge.dtype))
    bracket = paid - _sum_at_ends(gain, topology.left, n)
    scale = costs.vertex.abs().amax((1, 2))
    if costs.edge.numel():
        scale = torch.maximum(scale, costs.edge.abs().amax((1, 2)))
    full = (chosen & topology.allowed).sum((1, 2)) == min(n, m)
    full &= (chosen == candidate).all(2).all(1) & (chosen.sum(1) <= 1).all(1) & (chosen.sum(2) <= 1).all(1)
    return full & (bracket > _TOLERANCE * scale[:, None]).all(1)


def _other_partner(
    vertex: torch.Tensor, chosen: torch.Tensor, allowed: torch.Tensor, may_be_unmatched: bool
) -> torch.Tensor:
    """a_i, `[G,n]`. Rows without another partner can never change: +inf."""
    others = vertex.masked_fill(chosen | ~allowed, torch.inf).amin(2)
    if may_be_unmatched:
        others = torch.where(chosen.any(2), others.clamp(max=0), others)
    return others - (vertex * chosen).sum(2)


def _largest_gain(problem: Problem, candidate: torch.Tensor) -> torch.Tensor:
    """s_e, `[G,E]`."""
    edge, topology = problem.costs.edge, problem.topology
    if edge.numel() == 0:
        return edge.new_zeros(edge.shape[:2])
    now = (edge * lift(candidate, topology).edge).sum(2)
    codes = topology.right[..., 0] * candidate.shape[2] + topology.right[..., 1]
    copies = (codes[:, :, None] == codes[:, None, :]).sum(2).amax(1)
    return now - (copies[:, None] * edge.amin(2)).clamp(max=0)


def _sum_at_ends(values: torch.Tensor, edges: torch.Tensor, n: int) -> torch.Tensor:
    """Σ over the edges at each node, self-loops once, `[G,n]`."""
    total = values.new_zeros(values.shape[0], n).scatter_add_(1, edges[..., 0], values)
    return total.scatter_add_(1, edges[..., 1], values * (edges[..., 0] != edges[..., 1]))
