"""A solver as a plugin: descent by swaps."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl import Costs, Problem, Solution, Topology, part
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.parts.solvers.outcome import outcome


class TwoSwap(Solver):
    """Steepest descent by swaps of two rows, from the linear assignment of the vertex costs to a local minimum.

    It never goes uphill and has one start, so `robust_tabu` finds lower energies: this is an example to copy, and a
    baseline. Memory is 8·E·N² bytes an instance, N = max(n, m).
    """

    kind: ClassVar[str] = "two_swap"
    uses_edges: ClassVar[bool] = True

    rounds: int = Field(100, ge=0, description="largest number of swaps")

    def solve(self, problem: Problem) -> Solution:
        """Descend; `agreed` says that no swap lowers the energy any more."""
        square = _square(problem)
        columns = part("solver", "lap").solve(square).matching.vertex.argmax(2)
        orders = _swaps(columns.shape[1]).to(columns.device)
        settled = unproven = torch.zeros_like(columns[:, 0], dtype=torch.bool)
        for _ in range(self.rounds):
            candidates = columns[:, orders]
            energies = _energies(square, candidates)
            least, which = energies.min(1)
            settled = least >= energies[:, 0]
            if settled.all():
                break
            chosen = candidates[torch.arange(len(which), device=which.device), which]
            columns = torch.where(settled[:, None], columns, chosen)
        found = columns[:, : problem.costs.vertex.shape[1]]
        return outcome(problem, found, unproven, proven=False, agreed=settled)


def _square(problem: Problem) -> Problem:
    """Dummies, free and allowed to all, fill the shorter side: matchings are permutations of N = max(n, m)."""
    costs, topology = problem.costs, problem.topology
    n, m = costs.vertex.shape[1:]
    missing = (0, max(n - m, 0), 0, max(m - n, 0))
    vertex = torch.nn.functional.pad(costs.vertex.double(), missing)
    allowed = torch.nn.functional.pad(topology.allowed, missing, value=True)
    return Problem(Costs(vertex, costs.edge.double()), Topology(topology.left, topology.right, allowed))


def _swaps(side: int) -> torch.Tensor:
    """The order 0..N−1, then all orders with two places swapped, `[K,N]`."""
    places = torch.cat([torch.zeros(1, 2, dtype=torch.long), torch.combinations(torch.arange(side), 2)])
    return torch.arange(side).repeat(len(places), 1).scatter_(1, places, places.flip(1))


def _energies(problem: Problem, candidates_GKN: torch.Tensor) -> torch.Tensor:
    """Energies `[G,K]` of permutations, infinite where they use a forbidden pair."""
    costs, topology = problem.costs, problem.topology
    side = candidates_GKN.shape[2]
    left, right = topology.left[:, None].expand(-1, candidates_GKN.shape[1], -1, -1), topology.right
    tails_GKE, heads_GKE = (candidates_GKN.gather(2, left[..., end]) for end in (0, 1))
    # What it costs that the ends of a left edge are put to a pair of right vertices: the sum over edges of that pair.
    images = (right[..., 0] * side + right[..., 1])[:, None].expand_as(costs.edge)
    table_GES = costs.edge.new_zeros(*costs.edge.shape[:2], side**2).scatter_add_(2, images, costs.edge)
    edges = table_GES.gather(2, (tails_GKE * side + heads_GKE).mT).sum(1)
    vertices = costs.vertex.gather(2, candidates_GKN.mT).sum(1)
    allowed = topology.allowed.gather(2, candidates_GKN.mT).all(1)
    return (vertices + edges).masked_fill(~allowed, torch.inf)
