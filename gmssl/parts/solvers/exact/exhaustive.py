"""Exhaustive enumeration: the oracle of the other solvers."""

from __future__ import annotations

from math import comb, perm
from typing import ClassVar

from pydantic import Field

from gmssl.errors import ProblemError
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.parts.solvers.outcome import outcome, refuse_unmatchable
from gmssl.parts.solvers.plain import in_range
from gmssl.parts.solvers.relabelling import restored, shuffled
from gmssl.problem import Problem, Solution

CHUNK = 1 << 20  # matchings whose energies are in memory at once


class Exhaustive(Solver):
    """Evaluate every one-to-one matching and keep the best: exact, for a handful of vertices.

    Matchings are min(n,m)-permutations of max(n,m) vertices: 40 320 for 8 and 8, 30 240 for 5 and 10. Of a partial
    problem they are those of all sizes k, Σ C(n,k) C(m,k) k!: 13 327 for 6 and 6, 4051 for 5 and 6.
    """

    kind: ClassVar[str] = "exhaustive"
    exact: ClassVar[bool] = True
    uses_edges: ClassVar[bool] = True
    gives_bound: ClassVar[bool] = True
    solves_partial: ClassVar[bool] = True

    limit: int = Field(50_000, ge=1, description="most matchings of one instance; larger problems are refused")

    def solve(self, problem: Problem) -> Solution:
        """Enumerate; `bound` is the energy.

        Raises:
            ProblemError: more than `limit` matchings, or `allowed` permits none.
        """
        graphs, n, m = problem.costs.vertex.shape
        partial = problem.topology.partial
        count = sum(comb(n, k) * perm(m, k) for k in range(min(n, m) + 1)) if partial else perm(max(n, m), min(n, m))
        if count > self.limit:
            raise ProblemError(
                f"{n}×{m} vertices have {count} {'partial ' * partial}matchings, more than the limit of {self.limit}; "
                "use robust_tabu (or lap without edges), or raise the solver's `limit`."
            )
        # A minimum prefers the first of equal energies; renamed, that is anyone.
        again, rows, columns = shuffled(in_range(problem)[0], seed=0)
        choices = _injections(n, m, partial, rows.device)
        best, chosen = [], []
        group = max(1, CHUNK // count)
        for lo in range(0, max(graphs, 1), group):  # no instance at all is a group of none
            value, index = _energies(again, slice(lo, lo + group), choices).min(1)
            best.append(value)
            chosen.append(choices[index])
        refuse_unmatchable(torch.cat(best).isinf())
        converged = torch.ones(graphs, dtype=torch.bool, device=rows.device)
        return outcome(problem, restored(torch.cat(chosen), rows, columns), converged, proven=True)


def _injections(n: int, m: int, partial: bool, device: torch.device) -> torch.Tensor:
    """All ways to match the shorter side, or, if partial, some of it, as columns `[K,n]`, −1 for unmatched rows."""
    short, long = min(n, m), max(n, m)
    rows = torch.zeros(1, 0, dtype=torch.long, device=device)
    for _ in range(short):
        free = torch.ones(len(rows), long + 1, dtype=torch.bool, device=device).scatter_(1, rows, False)
        free[:, long] = partial  # alone, as any number of vertices may be
        which, following = free.nonzero().unbind(1)
        rows = torch.cat([rows[which], following[:, None]], 1)
    if n <= m:
        return torch.where(rows < m, rows, -1)
    columns = torch.full((len(rows), n + 1), -1, dtype=torch.long, device=device)
    return columns.scatter_(1, rows, torch.arange(m, device=device).expand(len(rows), m))[:, :n]


def _energies(problem: Problem, part: slice, choices: torch.Tensor) -> torch.Tensor:
    """Energies `[g,K]` of all matchings of the instances in `part`, float64; +inf where a pair is forbidden.

    A zero column stands for "unmatched". Edge pairs are summed into one table per left edge first, which handles
    duplicates, self-loops and both directions alike.
    """
    costs, topology = problem.costs, problem.topology
    m = costs.vertex.shape[2]
    vertex = costs.vertex[part].double().masked_fill(~topology.allowed[part], float("inf"))
    vertex = torch.cat([vertex, vertex.new_zeros(len(vertex), vertex.shape[1], 1)], 2)
    columns = torch.where(choices >= 0, choices, m)
    energies = vertex.gather(2, columns.T.expand(len(vertex), -1, -1)).sum(1)
    left, right, edge = topology.left[part], topology.right[part], costs.edge[part].double()
    flat = right[..., 0] * (m + 1) + right[..., 1]
    # A table of one left edge at a time: all of them would be E times the memory.
    for e in range(left.shape[1]):
        table = edge.new_zeros(len(edge), (m + 1) ** 2).scatter_add_(1, flat, edge[:, e])
        place = columns.T[left[:, e, 0]] * (m + 1) + columns.T[left[:, e, 1]]
        energies += table.gather(1, place)
    return energies
