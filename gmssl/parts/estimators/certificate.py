"""A cheap proof that a given matching is optimal, so that a solve can be skipped.

Let v be the candidate and x any other feasible matching. A row i is *changed* if x and v differ there, an edge is
*touched* if it has a changed end. Energies of untouched edges are equal. If every touched edge e = (i, j) gains at most
what its changed ends are charged for it, then

    E(x) − E(v) ≥ Σ_{i changed} b_i(x(i)),    b_i(s) = c_is − c_{i,v(i)} − Σ_{e = (i,·)} t_e(s) − Σ_{e = (·,i)} h_e(s),

and if b_i(s) > 0 for all rows i and all allowed s ≠ v(i), v is the only optimum. With E_e(v), the energy of e under v,
and e_{s,t}, the cost of laying e upon the pair (s, t), 0 if that is no right edge, two choices of charges are proofs:

    coarse    t_e(s) = h_e(s) = E_e(v) − min_f min(0, M c_ef) ≥ 0         the most that e can gain at all
    fine      t_e(s) = E_e(v) − min_t min(0, e_{s,t})                     if the tail goes to s, wherever the head goes
              h_e(t) = max(0, E_e(v) − e_{v(i),t})                        if the head goes to t and the tail stays

where M is the largest number of equal right edges (1 in a kNN graph), and h_e = 0 for a self-loop, whose head is its
tail. Fine charges hold because a gain is at most t_e if the tail changes, and then h_e ≥ 0 adds to it, and at most h_e
if it does not. They know where a row goes, and charge an edge whose ends both change once instead of twice. In batched
operations, on a GPU, they take some three times as long, hence they are asked about the instances only that coarse ones
leave open; compiled, on the CPU, they are all there is, and costs of equal right edges are added up instead of
multiplied by M.

Under the target costs of I-MLE with λ = 80 and bounded affinities coarse charges decide nearly every instance: the
upstream gradient of the Hamming loss, ±1, dominates everything else. Fine ones reach down to λ = 20.
"""

from __future__ import annotations

from gmssl.lazy import torch
from gmssl.problem import Matching, Pairs, Problem, Topology, lift


def assigned(matching: torch.Tensor) -> torch.Tensor:
    """The column `[G,n]` of each row of a 0/1 matching `[G,n,m]`; m where a row stays unmatched."""
    taken, column = matching.max(2)
    return torch.where(taken > 0, column, matching.shape[2])


def copies(topology: Topology, m: int) -> torch.Tensor:
    """The largest number of equal right edges, `[G]` int64; 1 in a kNN graph."""
    name = _right_names(topology, m)
    count = name.new_zeros(len(name), (m + 1) ** 2)
    return count.scatter_add_(1, name, torch.ones_like(name)).amax(1)


def places(topology: Topology, m: int) -> torch.Tensor:
    """The right edge from s to t for s and t in 0 … m (m: no vertex), `[G,m+1,m+1]`; F if none, any of equal ones."""
    name = _right_names(topology, m)
    graphs, count = name.shape
    number = torch.arange(count, device=name.device).expand(graphs, count)
    table = name.new_full((graphs, (m + 1) ** 2), count)
    return table.scatter_(1, name, number).view(graphs, m + 1, m + 1)


def images(columns: torch.Tensor, topology: Topology, m: int) -> torch.Tensor:
    """The right edge upon which `columns [G,n]` lay each left edge, `[G,E]`; F if none."""
    tails, heads = (columns.gather(1, topology.left[..., end]) for end in (0, 1))
    return places(topology, m).flatten(1).gather(1, tails * (m + 1) + heads)


def lifted(matching: torch.Tensor, topology: Topology) -> Matching:
    """`gmssl.energy.lift` of a 0/1 matching `[G,n,m]`; on the CPU in the time of writing the result."""
    if matching.device.type != "cpu" or matching.dtype not in (torch.float32, torch.float64):
        return lift(matching, topology)
    from gmssl.parts.estimators.certificate_numba import lay

    edge = matching.new_zeros(len(matching), topology.left.shape[1], topology.right.shape[1])
    left, right, columns = (x.contiguous().numpy() for x in (topology.left, topology.right, assigned(matching)))
    lay(left, right, columns, matching.shape[2], edge.numpy())
    return Pairs(matching, edge)


def _right_names(topology: Topology, m: int) -> torch.Tensor:
    """A number below (m + 1)² for each right edge, `[G,F]`."""
    return topology.right[..., 0] * (m + 1) + topology.right[..., 1]


# This is relative to the largest cost of an instance: float32 sums of some hundred terms are exact to about 1e-5.
_TOLERANCE = 1e-4
# Fine charges of a row are seldom less than this share of its coarse ones: where even that is too much, none are tried.
_HOPE = 0.25


def proves_optimal(problem: Problem, candidate: torch.Tensor) -> torch.Tensor:
    """Which instances have the candidate as their only optimum, for certain.

    Args:
        problem: G problems.
        candidate: 0/1 matching `[G,n,m]` that matches min(n, m) vertices by allowed pairs; else the answer is False.

    Returns:
        bool `[G]`; False means "not proven".
    """
    complete = _is_complete(problem, candidate)
    if candidate.device.type == "cpu" and problem.costs.vertex.dtype in (torch.float32, torch.float64):
        return complete & _compiled(problem, candidate)
    return complete & _batched(problem, candidate)


def _compiled(problem: Problem, candidate: torch.Tensor) -> torch.Tensor:
    """Fine charges on the CPU, bool `[G]`."""
    from gmssl.parts.estimators.certificate_numba import prove

    costs, topology = problem.costs.detach(), problem.topology
    proven = torch.empty(len(candidate), dtype=torch.bool, device="cpu")
    tensors = (costs.vertex, costs.edge, topology.left, topology.right, topology.allowed, assigned(candidate))
    vertex, edge, left, right, allowed, columns = (tensor.contiguous().numpy() for tensor in tensors)
    may_be_unmatched = candidate.shape[1] > candidate.shape[2] or topology.partial
    prove(vertex, edge, left, right, allowed, columns, may_be_unmatched, _TOLERANCE, proven.numpy())
    return proven


def _batched(problem: Problem, candidate: torch.Tensor) -> torch.Tensor:
    """Coarse charges, then fine ones, on any device, bool `[G]`; for candidates that match the whole shorter side."""
    differences = _vertex_differences(problem, candidate)
    if problem.costs.edge.numel() == 0:
        return _all_positive(problem, candidate, differences)
    coarse = _coarse(problem, candidate)[..., None]
    proven = _all_positive(problem, candidate, differences - coarse)
    # Each of these questions waits for the device, and may save the fine charges, which take longer.
    if bool(proven.all()):
        return proven
    hopeful = ~proven & _all_positive(problem, candidate, differences - _HOPE * coarse)
    if not bool(hopeful.any()):
        return proven
    if bool(hopeful.all()):
        return _all_positive(problem, candidate, differences - _fine(problem, candidate))
    open_ = hopeful.nonzero().flatten()
    rest, left = problem.select(open_), candidate[open_]
    return proven.index_copy(0, open_, _all_positive(rest, left, differences[open_] - _fine(rest, left)))


def _is_complete(problem: Problem, candidate: torch.Tensor) -> torch.Tensor:
    """A one-to-one matching by allowed pairs of the whole shorter side, bool `[G]`."""
    chosen = candidate > 0.5
    full = (chosen & problem.topology.allowed).sum((1, 2)) == min(candidate.shape[1:])
    return full & (chosen == candidate).all(2).all(1) & (chosen.sum(1) <= 1).all(1) & (chosen.sum(2) <= 1).all(1)


def _all_positive(problem: Problem, candidate: torch.Tensor, brackets: torch.Tensor) -> torch.Tensor:
    """Whether those of b `[G,n,m+1]` that x may choose are positive, bool `[G]`; the last is for staying unmatched."""
    costs, topology = problem.costs, problem.topology
    n, m = candidate.shape[1:]
    may_be_unmatched = (candidate > 0.5).any(2) & (n > m or topology.partial)
    # A row without a column may also take none: a choice like any other where sides or permission leave it open.
    other = torch.cat([topology.allowed & (candidate < 0.5), may_be_unmatched[..., None]], 2)
    scale = _largest(costs.vertex)
    if costs.edge.numel():
        scale = torch.maximum(scale, _largest(costs.edge))
    # Rows without another choice can never change.
    return (brackets.masked_fill(~other, torch.inf) > _TOLERANCE * scale[:, None, None]).all(2).all(1)


def _largest(costs: torch.Tensor) -> torch.Tensor:
    """The largest absolute value, `[G]`; no copy is made of the costs."""
    return torch.maximum(costs.amax((1, 2)), -costs.amin((1, 2)))


def _vertex_differences(problem: Problem, candidate: torch.Tensor) -> torch.Tensor:
    """c_is − c_{i,v(i)}, `[G,n,m+1]`; a row that stays unmatched pays nothing."""
    vertex = problem.costs.vertex
    return torch.nn.functional.pad(vertex, (0, 1)) - (vertex * candidate).sum(2, keepdim=True)


def _coarse(problem: Problem, candidate: torch.Tensor) -> torch.Tensor:
    """What each row is charged by edges alone, `[G,n]`."""
    edge, left = problem.costs.edge, problem.topology.left
    equal = copies(problem.topology, candidate.shape[2])[:, None]
    gain = _energies(problem, candidate, equal) - (equal * edge.amin(2)).clamp(max=0)
    total = gain.new_zeros(candidate.shape[:2]).scatter_add_(1, left[..., 0], gain)
    # A self-loop has one end. Charged twice it would still be a proof, only a weaker one.
    return total.scatter_add_(1, left[..., 1], gain * (left[..., 0] != left[..., 1]))


def _fine(problem: Problem, candidate: torch.Tensor) -> torch.Tensor:
    """What each row is charged by edges for each of its choices, `[G,n,m+1]`."""
    edge, topology = problem.costs.edge, problem.topology
    m = candidate.shape[2]
    equal = copies(topology, m)[:, None]
    now = _energies(problem, candidate, equal)[..., None]
    least = equal[..., None] * _least(edge, topology.right[..., 0], m)
    stays = assigned(candidate).gather(1, topology.left[..., 0])[..., None]  # v(i), where the tail of each edge stays
    upon = _costs_of(edge, places(topology, m).gather(1, stays.expand_as(least)))
    # Where right edges repeat, `places` knows one of them. What the head could gain at most is a larger charge, and
    # larger charges only prove less.
    upon = torch.where(equal[..., None] == 1, upon, least.gather(2, stays))
    loop = (topology.left[..., 0] == topology.left[..., 1])[..., None]  # has no head that moves alone
    charges = torch.cat([now - least, (now - upon).clamp(min=0).masked_fill(loop, 0)], 1)
    return _sums(charges, topology.left.mT.flatten(1), candidate.shape[1])


def _least(edge: torch.Tensor, tails: torch.Tensor, m: int) -> torch.Tensor:
    """min_t min(0, e_{s,t}) for each s, `[G,E,m+1]`; 0 for s = m: nothing is gained by laying an edge upon none."""
    graphs, edges, others = edge.shape
    each, rest = divmod(others, m)
    if rest == 0 and bool((tails == torch.arange(m, device=tails.device).repeat_interleave(each)).all()):
        # Edges of a kNN graph stand in the order of their tails, which takes a fifth of the time.
        return torch.nn.functional.pad(edge.unflatten(2, (m, each)).amin(3).clamp(max=0), (0, 1))
    zeros = edge.new_zeros(graphs, edges, m + 1)
    return zeros.scatter_reduce_(2, tails[:, None].expand_as(edge), edge, "amin")


def _sums(values: torch.Tensor, vertices: torch.Tensor, n: int) -> torch.Tensor:
    """For each vertex, `[G,n,L]`, of the `values [G,K,L]` that belong to `vertices [G,K]`."""
    graphs, _, width = values.shape
    of_all_graphs = vertices + n * torch.arange(graphs, device=vertices.device)[:, None]
    total = values.new_zeros(graphs * n, width)
    return total.index_add_(0, of_all_graphs.flatten(), values.flatten(0, 1)).view(graphs, n, width)


def _energies(problem: Problem, candidate: torch.Tensor, equal: torch.Tensor) -> torch.Tensor:
    """E_e(v), `[G,E]`; `equal` is M `[G,1]`."""
    edge, topology = problem.costs.edge, problem.topology
    if bool((equal > 1).any()):
        return (edge * lift(candidate.to(edge.dtype), topology).edge).sum(2)
    image = images(assigned(candidate), topology, candidate.shape[2])
    return _costs_of(edge, image[..., None])[..., 0]


def _costs_of(edge: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """The costs of laying each left edge upon right edges `image [G,E,K]`; 0 upon none, number F."""
    last = edge.shape[2] - 1
    return edge.gather(2, image.clamp(max=last)) * (image <= last)
