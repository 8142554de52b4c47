"""The two sides of a problem exchanged, and assignments with them: kernels know one order of their sizes."""

from __future__ import annotations

from gmssl.lazy import torch
from gmssl.pairs import Pairs
from gmssl.problem import Problem
from gmssl.topology import Topology


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
