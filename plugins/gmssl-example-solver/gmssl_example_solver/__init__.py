"""A solver as a plugin: descent by swaps."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl import Costs, Matching, Problem, Solution, Topology, energy, part, solve
from gmssl.energy import lift, vertex_matching
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch


class TwoSwap(Solver):
    """Steepest descent by swaps of two rows, from the linear assignment of the vertex costs to a local minimum.

    It never goes uphill and has one start, so `robust_tabu` finds lower energies: this is an example to copy, and a
    baseline. Memory is `G·N⁴` numbers, N = max(n, m): meant for graphs of some ten nodes.
    """

    kind: ClassVar[str] = "two_swap"
    uses_edges: ClassVar[bool] = True

    rounds: int = Field(100, ge=0, description="largest number of swaps")

    def solve(self, problem: Problem) -> Solution:
        """Descend; `converged` says that no swap lowers the energy any more."""
        graphs, n, m = problem.costs.vertex.shape
        columns = _square(_start(problem).vertex)
        allowed, costs = _tables(problem, columns.shape[1])
        swaps = torch.combinations(torch.arange(columns.shape[1], device=columns.device), 2)
        converged = torch.full((graphs,), len(swaps) == 0, device=columns.device)
        for _ in range(self.rounds if len(swaps) else 0):
            candidates = _swapped(columns, swaps)
            energies = _energies(candidates, allowed, costs)
            best, which = energies[:, 1:].min(1)
            better = best < energies[:, 0] - 1e-9 * energies[:, 0].abs()
            converged = ~better
            chosen = candidates[torch.arange(graphs, device=columns.device), which + 1]
            columns = torch.where(better[:, None], chosen, columns)
            if not bool(better.any()):
                break
        matching = lift(vertex_matching(columns[:, :n], m, problem.costs.vertex.dtype), problem.topology)
        return Solution(matching, energy(problem.costs, matching), None, converged)


def _start(problem: Problem) -> Matching:
    """A full matching of allowed pairs; ties fall at random, never towards the identity, which may be the label."""
    vertex, allowed = problem.costs.vertex, problem.topology.allowed
    none = torch.zeros(len(vertex), 0, 2, dtype=torch.int64, device=vertex.device)
    edgeless = Problem(Costs(vertex, vertex.new_zeros(len(vertex), 0, 0)), Topology(none, none, allowed))
    return solve(edgeless, part("solver", "lap")).matching


def _square(matching_Gnm: torch.Tensor) -> torch.Tensor:
    """The columns `[G,N]` of a permutation that extends a matching: dummies take what it leaves over."""
    n, m = matching_Gnm.shape[1:]
    side = max(n, m)
    full = torch.nn.functional.pad(matching_Gnm, (0, side - m, 0, side - n)) > 0.5
    left_over = full.any(1).int().argsort(dim=1, stable=True)  # unused columns first
    lonely = ~full.any(2)
    place = (lonely.cumsum(1) - 1).clamp(min=0)
    return torch.where(lonely, left_over.gather(1, place), full.int().argmax(2))


def _tables(problem: Problem, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`allowed [G,N,N]` and the costs `[G, N⁴]` of putting i to s and j to t, zero for dummies."""
    costs, topology = problem.costs, problem.topology
    graphs, n, m = costs.vertex.shape
    wide, high = side - m, side - n
    allowed = torch.nn.functional.pad(~topology.allowed, (0, wide, 0, high)).logical_not()
    (i, j), (s, t) = topology.left.unbind(2), topology.right.unbind(2)
    index = ((i * side + j) * side**2)[:, :, None] + (s * side + t)[:, None, :]
    table = costs.edge.new_zeros(graphs, side**4, dtype=torch.float64)
    table.scatter_add_(1, index.flatten(1), costs.edge.double().flatten(1))
    vertex = torch.nn.functional.pad(costs.vertex, (0, wide, 0, high)).double()
    table.view(graphs, side, side, side, side).diagonal(0, 1, 2).diagonal(0, 1, 2).add_(vertex)
    return allowed, table


def _swapped(columns_GN: torch.Tensor, swaps_K2: torch.Tensor) -> torch.Tensor:
    """The permutation itself, then all its neighbours, `[G,1+K,N]`."""
    candidates = columns_GN[:, None].repeat(1, 1 + len(swaps_K2), 1)
    row = torch.arange(1, 1 + len(swaps_K2), device=columns_GN.device)
    a, b = swaps_K2.unbind(1)
    candidates[:, row, a], candidates[:, row, b] = columns_GN[:, b], columns_GN[:, a]
    return candidates


def _energies(candidates_GKN: torch.Tensor, allowed: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """`[G,K]`, infinite for candidates that use a forbidden pair: Σ_ij table[i, j, x_i, x_j]."""
    graphs, count, side = candidates_GKN.shape
    x = candidates_GKN
    pair = torch.arange(side**2, device=x.device).view(side, side) * side**2
    index = pair + x[:, :, :, None] * side + x[:, :, None, :]
    energies = table.gather(1, index.flatten(1)).view(graphs, count, -1).sum(2)
    legal = allowed.gather(2, x.transpose(1, 2)).all(1)
    return energies.masked_fill(~legal, torch.inf)
