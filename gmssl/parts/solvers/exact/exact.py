"""Optimal matchings of small problems, with the proof."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.registry import field_of
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.parts.solvers.exact.branch_and_bound import Search
from gmssl.parts.solvers.kernels.threads import stopping_after
from gmssl.parts.solvers.lagrange.ascent import climb
from gmssl.parts.solvers.lagrange.dual import Ascent, columns_of, rounded_down
from gmssl.parts.solvers.outcome import outcome, refuse_unmatchable
from gmssl.parts.solvers.relabelling import on_cpu, opposite, turned
from gmssl.parts.solvers.tabu.robust_tabu import RobustTabu
from gmssl.problem import Problem, Solution


class Exact(Solver):
    """Branch and bound on the bound of `lagrange`, from a matching that tabu search found.

    It proves energies to `tolerance`. For second-order problems of some ten vertices; a search that is stopped by
    `seconds` or `nodes` returns its best matching, a valid bound, and `converged` False.

    Source: branch and bound as for Lawler's QAP, with reduced-cost fixing (Adams & Johnson 1994; Hahn, Grant & Hall,
    "A branch-and-bound algorithm for the QAP based on the Hungarian method", EJOR 108 (1998)). Runs on the CPU.
    """

    kind: ClassVar[str] = "exact"
    exact: ClassVar[bool] = True
    uses_edges: ClassVar[bool] = True
    gives_bound: ClassVar[bool] = True

    tolerance: float = Field(1e-6, ge=0, description="relative gap that counts as proven")
    seconds: float | None = Field(None, gt=0, description="time for each instance; None: until it is proven")
    nodes: int = Field(1_000_000, ge=1, description="nodes of the search tree of each instance")
    iterations: int = Field(60, ge=1, description="steps of dual ascent at each node; ten times as many at the root")
    polish: field_of(RobustTabu) = Field(default_factory=RobustTabu, description="search for the matching")  # type: ignore[valid-type]
    threads: int | None = Field(None, ge=1, description="over nodes; None: as many as torch uses")

    def solve(self, problem: Problem) -> Solution:
        """Search; `bound` is the least over what was closed and what is open.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side.
        """
        problem, searched = problem.detach(), self.polish.solve(problem)
        device, (n, m) = problem.costs.vertex.device, problem.costs.vertex.shape[1:]
        columns = columns_of(searched.matching.vertex).cpu()
        here = on_cpu(problem)
        shorter, begin = (here, columns) if n <= m else (turned(here), opposite(columns, m))
        chosen, proven = torch.empty_like(begin), torch.empty(len(begin), dtype=torch.bool, device=begin.device)
        bounds = torch.empty_like(proven, dtype=torch.float64)
        for g in range(len(begin)):
            one = torch.tensor([g], device=begin.device)
            chosen[g], bounds[g], proven[g] = self._search(shorter.select(one), begin[one])
        refuse_unmatchable(bounds == torch.inf)
        chosen = chosen if n <= m else opposite(chosen, n)
        solution = outcome(problem, chosen.to(device), proven.to(device), proven=False)
        bound = rounded_down(bounds.to(device), problem.costs.vertex.dtype)
        return Solution(solution.matching, solution.energy, bound, solution.converged)

    def _search(self, problem: Problem, columns: torch.Tensor) -> tuple[torch.Tensor, float, bool]:
        """Columns `[n]`, bound and proof of one instance with n ≤ m."""
        with stopping_after(self.seconds) as stop:
            # All nodes begin at multipliers that descend from the root's: steps here pay for the whole tree.
            root = Ascent(10 * self.iterations, self.iterations, self.tolerance, True, self.threads, stop)
            dual = climb(root, problem, columns)
            ascent = Ascent(self.iterations, self.iterations, self.tolerance, True, self.threads, stop)
            # No energy yet: the root evaluates the given assignment itself, to the precision of its bounds.
            search = Search(problem, ascent, self.nodes, self.seconds, columns[0], float("inf"))
            return search.run(dual)
