"""Equivalent problems: vertices in random orders, so that ties fall at random, and the two sides exchanged.

In training the ground truth is often the identity: a solver that prefers low indices among equal costs would leak the
label. The orders follow from the costs and a seed alone: the same in every batch, different between instances.
"""

from __future__ import annotations

from gmssl.lazy import torch
from gmssl.problem import Pairs, Problem, Topology

# Odd constants of splitmix64 (Steele, Lea & Flood 2014) as signed integers; int64 products wrap around.
_GOLDEN = -0x61C8864680B583EB
_MIX1 = -0x40A7B892E31B1A47
_MIX2 = -0x6B2FB644ECCEEE15


def _mix(x: torch.Tensor) -> torch.Tensor:
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * _MIX1
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * _MIX2
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


def _orders(vertex: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Permutations `[G,n]` and `[G,m]` drawn from the bits of the costs `[G,n,m]`."""
    _, n, m = vertex.shape
    bits = vertex.detach().float().contiguous().view(torch.int32).long().flatten(1)
    place = torch.arange(1, max(n * m, n + m) + 1, device=vertex.device) * _GOLDEN
    # Each number is mixed with its place: a plain sum would not tell a problem from its permutations.
    content = _mix(bits + place[: n * m]).sum(1, keepdim=True)
    keys = _mix(_mix(content ^ seed) + place[: n + m])
    return keys[:, :n].argsort(1), keys[:, n:].argsort(1)


def shuffled(problem: Problem, seed: int) -> tuple[Problem, torch.Tensor, torch.Tensor]:
    """The problem with its vertices renamed at random: row i was row `rows[g, i]`, and so for columns.

    Returns:
        The renamed problem without target, `rows [G,n]`, `columns [G,m]`.
    """
    costs, topology = problem.costs, problem.topology
    rows, columns = _orders(costs.vertex, seed)

    def renamed(x: torch.Tensor) -> torch.Tensor:
        x = x.gather(1, rows[:, :, None].expand_as(x))
        return x.gather(2, columns[:, None, :].expand_as(x))

    left = rows.argsort(1).gather(1, topology.left.flatten(1)).view_as(topology.left)
    right = columns.argsort(1).gather(1, topology.right.flatten(1)).view_as(topology.right)
    again = Problem(Pairs(renamed(costs.vertex), costs.edge), Topology(left, right, renamed(topology.allowed)))
    return again, rows, columns


def restored(chosen: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """An assignment `[G,n]` of the renamed problem as one of the given problem; −1 and ≥ m stay as they are."""
    m = columns.shape[1]
    matched = (chosen >= 0) & (chosen < m)
    original = torch.where(matched, columns.gather(1, chosen.clamp(0, m - 1)), chosen)
    return torch.empty_like(original).scatter_(1, rows, original)


def turned(problem: Problem) -> Problem:
    """Right becomes left: costs `[G,m,n]`, `[G,F,E]`; without the target."""
    costs, topology = problem.costs, problem.topology
    return Problem(
        Pairs(costs.vertex.transpose(1, 2), costs.edge.transpose(1, 2)),
        Topology(topology.right, topology.left, topology.allowed.transpose(1, 2)),
    )


def opposite(columns: torch.Tensor, m: int) -> torch.Tensor:
    """The row of each column, `[G,m]`, of an assignment `columns [G,n]`; −1 (there also ≥ m) means unmatched."""
    graphs, n = columns.shape
    rows = torch.full((graphs, m + 1), -1, dtype=torch.long, device=columns.device)
    place = torch.where((columns < 0) | (columns >= m), m, columns)
    return rows.scatter_(1, place, torch.arange(n, device=columns.device).expand(graphs, n))[:, :m]


def with_dummies(columns: torch.Tensor, m: int) -> torch.Tensor:
    """Unmatched rows of `columns [G,n]` get columns of their own, m, m + 1, …"""
    unmatched = (columns < 0) | (columns >= m)
    return torch.where(unmatched, m - 1 + unmatched.cumsum(1), columns)


def on_cpu(problem: Problem) -> Problem:
    """The same problem in main memory, without the target."""
    costs, topology = problem.costs.map(torch.Tensor.cpu), problem.topology
    return Problem(costs, Topology(topology.left.cpu(), topology.right.cpu(), topology.allowed.cpu()))
