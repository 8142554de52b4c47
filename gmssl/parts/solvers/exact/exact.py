"""Optimal matchings of small problems, with the proof."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import inf
from time import perf_counter
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.registry import field_of
from gmssl.interfaces.solver import Solver
from gmssl.lazy import numpy, torch
from gmssl.parts.solvers.exact.branch_and_bound import Search
from gmssl.parts.solvers.kernels.threads import stopping_after
from gmssl.parts.solvers.koopmans_beckmann import perhaps_products
from gmssl.parts.solvers.lagrange.ascent import climb, refuse_without_room_to_climb
from gmssl.parts.solvers.lagrange.dual import Ascent
from gmssl.parts.solvers.lagrange.outset import outset
from gmssl.parts.solvers.outcome import energies, refuse_unmatchable
from gmssl.parts.solvers.plain import Plain, plain
from gmssl.parts.solvers.proof import certified, on_device
from gmssl.parts.solvers.relabelling import on_cpu, opposite, turned
from gmssl.parts.solvers.tabu.robust_tabu import RobustTabu
from gmssl.problem import Problem, Solution
from gmssl.problem.gap import gap_scale_of

SHARE = 0.9  # of the tolerance closes a node; the rest is for rounding
TWICE = 2  # where the energy falls while the tree is searched, nodes were closed by the gap of a higher one


class Exact(Solver):
    """Branch and bound on the bound of `lagrange`, at the root with `bound: best`, from a matching of tabu search.

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
    seconds: float | None = Field(
        None,
        gt=0,
        description="time for each instance, the search for a matching included; None: until it is proven",
    )
    nodes: int = Field(1_000_000, ge=1, description="nodes of the search tree of each instance")
    iterations: int = Field(60, ge=1, description="steps of dual ascent at each node; ten times as many at the root")
    polish: field_of(RobustTabu) = Field(default_factory=RobustTabu, description="search for the matching")  # type: ignore[valid-type]
    threads: int | None = Field(None, ge=1, description="over nodes; None: as many as torch uses")

    def solve(self, problem: Problem) -> Solution:
        """Search; `bound` is the least over what was closed and what is open.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side, or the machine has no room for the tables.
        """
        refuse_without_room_to_climb(problem, every_pair=True)
        limit = None if self.seconds is None else self.seconds * len(problem.costs.vertex)
        with stopping_after(limit) as stop:
            return self._until(stop, problem.detach())

    def _until(self, stop: numpy.ndarray, problem: Problem) -> Solution:
        began, searched = perf_counter(), self.polish.until(stop).choose(problem)
        device, (n, m) = problem.costs.vertex.device, problem.costs.vertex.shape[1:]
        columns = torch.where(searched.columns < m, searched.columns, -1).cpu()
        here = on_cpu(problem)
        found = None if searched.ordinary else plain(here, columns)
        posed = here if found is None else found.problem
        shorter, begin = (posed, columns) if n <= m else (turned(posed), opposite(columns, m))
        units = _Units.of(here, columns, found)
        chosen = torch.empty_like(begin)
        bounds = torch.empty(len(begin), dtype=torch.float64, device=begin.device)
        # What all instances needed so far counts for each of them alike.
        spent = (perf_counter() - began) / max(1, len(begin))
        seconds, perhaps = None if self.seconds is None else self.seconds - spent, perhaps_products(shorter.costs.edge)
        for g, unit in enumerate(units):
            one = slice(g, g + 1)
            with stopping_after(seconds, stop) as own:
                chosen[g], bounds[g] = self._search(shorter.select(one), begin[one], perhaps[one], unit, own)
        refuse_unmatchable(bounds == torch.inf)
        chosen = chosen if n <= m else opposite(chosen, n)
        solution = certified(self, here, chosen, bounds, found)
        return on_device(solution, device)

    def _search(
        self, problem: Problem, columns: torch.Tensor, perhaps: torch.Tensor, units: _Units, stop: numpy.ndarray
    ) -> tuple[torch.Tensor, float]:
        """Columns `[n]` and bound of one instance with n ≤ m."""

        @cache
        def fair(energy: float) -> float:
            return SHARE * self.tolerance * units.relative_to(energy)

        best = columns
        # All nodes begin at multipliers that descend from the root's: steps here pay for the whole tree.
        root = Ascent(10 * self.iterations, self.iterations, self.tolerance, True, self.threads, stop)
        ascent = Ascent(self.iterations, self.iterations, self.tolerance, True, self.threads, stop)
        known = outset(root, problem, perhaps=perhaps)
        for _ in range(TWICE):
            # No energy yet: the root evaluates the given assignment itself, to the precision of its bounds.
            search = Search(problem, ascent, fair, self.nodes, best[0])
            bound = search.run(climb(root, problem, best, multipliers=known.multipliers), known.floor)
            best = search.columns[None]
            if stop[0] or search.energy - bound <= self.tolerance * units.relative_to(search.energy):
                break
        return best[0], bound


@dataclass(frozen=True)
class _Units:
    """What gaps of one instance are relative to, in the units of the costs that are searched, as in `certified`.

    Attributes:
        offset: given energy − searched energy.
        most: B where the instance is not ordinary, else +inf.
    """

    offset: float
    most: float

    @classmethod
    def of(cls, problem: Problem, columns: torch.Tensor, found: Plain | None) -> list[_Units]:
        """Of each instance of a batch with known `columns [G,n]`."""
        if found is None:
            return [cls(0.0, inf)] * len(columns)
        given, searched = (energies(each, columns) for each in (problem, found.problem))
        offset = torch.where(found.changed, given * found.factor - searched, 0.0)
        most = torch.where(found.changed, found.decisive, inf)
        return [cls(*pair) for pair in zip(offset.tolist(), most.tolist(), strict=True)]

    def relative_to(self, energy: float) -> float:
        """The magnitude that tolerances of gaps at this energy are multiplied by."""
        return gap_scale_of(self.offset + energy, self.most)
