"""The integer tables of `fold_numba` in batched torch operations, on any device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gmssl.parts.solvers.kernels.simd_numba import GAIN_LIMIT
from gmssl.problem import Problem


@dataclass(frozen=True)
class Tables:
    """Integer costs of G instances, n×n with dummy columns from m on, K the largest degree of a left vertex.

    `single [G,n,n]`: placement. `neighbour [G,n,K]`: adjacent vertices, n where there are fewer than K.
    `pairs [G,n,K,n,n]`: cost of i at s with its neighbour at t. `banned [G,n,n]`: forbidden placements.
    """

    single: torch.Tensor
    neighbour: torch.Tensor
    pairs: torch.Tensor
    banned: torch.Tensor


def tabulate(problem: Problem, rename: torch.Tensor, renames: torch.Tensor) -> Tables:
    """Fold the costs of G problems with n ≥ m.

    Args:
        problem: costs in float32.
        rename, renames: `[G,n]`, `[G,m]`, the new names of rows and columns.
    """
    costs, topology = problem.costs, problem.topology
    graphs, n, _ = costs.vertex.shape
    unit, penalty = _headroom(problem)
    vertex, edge = (torch.round(x.double() * unit[:, None, None]).int() for x in (costs.vertex, costs.edge))
    cell = (rename[:, :, None] * n + renames[:, None, :]).flatten(1)
    single = torch.zeros(graphs, n * n, dtype=torch.int32, device=cell.device).scatter_(1, cell, vertex.flatten(1))
    banned = torch.zeros_like(single, dtype=torch.bool).scatter_(1, cell, ~topology.allowed.flatten(1))
    single += penalty[:, None] * banned
    left, right = (
        names.gather(1, x.flatten(1)).view_as(x) for names, x in ((rename, topology.left), (renames, topology.right))
    )
    (i, k), (s, t) = left.unbind(2), right.unbind(2)
    loops = (i == k)[:, :, None] & (s == t)[:, None, :]
    single.scatter_add_(1, (i[:, :, None] * n + s[:, None, :]).flatten(1), (edge * loops).flatten(1))
    neighbour, pairs = _pairs(n, edge, left, right)
    return Tables(single.view(graphs, n, n), neighbour, pairs, banned.view(graphs, n, n))


def _pairs(n: int, edge: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`neighbour` and `pairs` of `Tables`. Sums of integers do not depend on the order that scatter operations take."""
    graphs, device = len(edge), edge.device
    (i, k), (s, t) = left.unbind(2), right.unbind(2)
    adjacent = torch.zeros(graphs, n * n, dtype=torch.int32, device=device)
    for pair in (i * n + k, k * n + i):
        adjacent.scatter_add_(1, pair, (i != k).int())
    adjacent = adjacent.view(graphs, n, n) > 0
    degree = max(1, int(adjacent.sum(2).max()))
    slot = (adjacent.cumsum(2) - 1).flatten(1)
    listed = torch.where(adjacent, torch.arange(n, device=device).expand_as(adjacent), n)
    pairs = torch.zeros(graphs, n * degree * n * n, dtype=torch.int32, device=device)
    proper = (i != k)[:, :, None] & (s != t)[:, None, :]
    for head, tail, ahead, behind in ((i, k, s, t), (k, i, t, s)):
        # The slot of a self-loop may be −1, which is no index; `proper` makes its costs 0.
        entry = head * degree + slot.gather(1, head * n + tail).clamp(min=0)
        place = entry[:, :, None] * (n * n) + (ahead * n + behind)[:, None, :]
        pairs.scatter_add_(1, place.flatten(1), (edge * proper).flatten(1))
    # n, which stands for no neighbour, sorts behind all vertices.
    return listed.sort(2).values[:, :, :degree], pairs.view(graphs, n, degree, n, n)


def _headroom(problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """`fold_numba.headroom` of each instance: `[G]` float64 and int32. Floating point, so edges come one by one."""
    costs, (left, right) = problem.costs, (problem.topology.left, problem.topology.right)
    graphs, _, m = costs.vertex.shape
    repeated = torch.zeros(graphs, m * m, dtype=torch.int64, device=left.device)
    flat = right[..., 0] * m + right[..., 1]
    times = repeated.scatter_add_(1, flat, torch.ones_like(flat)).amax(1).double()
    dearest = costs.vertex.abs().amax(2).double()
    for e in range(left.shape[1] if right.shape[1] else 0):
        cost = (times * costs.edge[:, e].abs().amax(1).double())[:, None]
        tail, head = left[:, e].split(1, 1)
        dearest.scatter_add_(1, tail, cost)
        dearest.scatter_add_(1, head, torch.where(tail == head, 0, cost))
    most, masked = dearest.amax(1), ~problem.topology.allowed.flatten(1).all(1)
    whole = 0.999 * GAIN_LIMIT / torch.where(masked, 18, 6).double()
    unit = torch.where(most > 0, whole / torch.where(most > 0, most, 1), 1.0)
    return unit, torch.where(masked, 2 * whole, 0).int()
