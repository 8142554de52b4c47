"""Lagrange decomposition: a matching with a certificate of how far it is from the optimum at most."""

from __future__ import annotations

from time import perf_counter
from typing import ClassVar, Literal

from pydantic import Field, PrivateAttr

from gmssl.interfaces.registry import field_of
from gmssl.interfaces.solver import Listener, Solver
from gmssl.lazy import torch
from gmssl.parts.solvers.curve import Curve
from gmssl.parts.solvers.kernels.threads import stopping_after
from gmssl.parts.solvers.lagrange.ascent import climb, refuse_unfit, refuse_without_room_to_climb
from gmssl.parts.solvers.lagrange.dual import Ascent
from gmssl.parts.solvers.lagrange.outset import Bound, outset
from gmssl.parts.solvers.lagrange.rising import rise
from gmssl.parts.solvers.outcome import energies, refuse_unmatchable
from gmssl.parts.solvers.plain import plain
from gmssl.parts.solvers.proof import certified, in_given, in_units
from gmssl.parts.solvers.relabelling import opposite, turned
from gmssl.parts.solvers.tabu.robust_tabu import RobustTabu
from gmssl.problem import Multipliers, Problem, Solution


class Lagrange(Solver):
    """Dual ascent on a Lagrange decomposition, for a lower bound; tabu search, for the matching.

    With n ≤ m and P adjacent pairs p = (i, j) of left vertices, the relaxation has x_is ∈ [0, 1], one to one, and
    y_p[s,t] ≥ 0, whether i goes to s and j to t, under two views of the same products:

        Σ_t y_p[s,t] = x_is,  Σ_s y_p[s,t] = x_jt     each pair agrees with its vertices         (multipliers α, β)
        Σ_{j ∈ N(i)} y_(i,j)[s,t] ≤ x_is              of a vertex's neighbours one goes to t     (multipliers λ ≥ 0)

    For any multipliers the problem falls apart into one linear assignment and a minimum for each pair:

        bound = min_{x one to one} ⟨c + Σ_p α_p + Σ_p β_p − Σ_t λ, x⟩ + Σ_p min_{s≠t} (C_p − α_p − β_p + λ_i + λ_jᵀ)_st

    It is evaluated in float64. Where edge costs are products of a number of either edge (Koopmans and Beckmann), the
    multipliers begin at those of Gilmore and Lawler's bound, and the projected eigenvalue bound counts if it is higher;
    `bound` says otherwise. Multipliers climb by restarted primal–dual hybrid gradient steps; the assignments of the
    reduced costs are rounded matchings, and where one beats the tabu search, the search goes on from it.

    Sources: LVM-Med, Sec. 3.4; Swoboda et al., "A study of Lagrangean decompositions and dual ascent solvers for graph
    matching", CVPR 2017; Adams & Johnson, "Improved linear programming-based lower bounds for the quadratic assignment
    problem" (1994), of whose relaxation this is the part on adjacent pairs.
    """

    kind: ClassVar[str] = "lagrange"
    uses_edges: ClassVar[bool] = True
    gives_bound: ClassVar[bool] = True

    iterations: int = Field(500, ge=0, description="steps of dual ascent at most")
    every: int = Field(50, ge=1, description="steps between evaluations of bound and rounding")
    tolerance: float = Field(1e-4, ge=0, description="relative gap at which an instance is done, and converged")
    seconds: float | None = Field(
        None,
        gt=0,
        description="time for a batch, all of which is used where the gap stays open: searches and ascents take turns; "
        "None: one search and one ascent",
    )
    pairs: Literal["adjacent", "all"] = Field(
        "all", description="left pairs that are relaxed: all is tighter, adjacent faster where edges are few"
    )
    bound: Bound = Field(
        "best",
        description="decomposition: the ascent from zero; gilmore_lawler: from the multipliers of that bound; best: "
        "where edge costs are products (Koopmans-Beckmann) the higher of that and the projected eigenvalue bound, "
        "else decomposition",
    )
    polish: field_of(RobustTabu) = Field(default_factory=RobustTabu, description="search for the matching")  # type: ignore[valid-type]
    threads: int | None = Field(None, ge=1, description="over the batch, on the CPU; None: as many as torch uses")

    _listener: Listener | None = PrivateAttr(None)

    def watched(self, listener: Listener) -> Lagrange:
        """The same solver, which tells `listener` a better matching after each search and each ascent."""
        telling = self.model_copy()
        telling._listener = listener
        return telling

    def solve(self, problem: Problem, multipliers: Multipliers | None = None) -> Solution:
        """Solve; `converged` says that the relative gap is at most `tolerance`.

        Args:
            problem: G matching problems.
            multipliers: `Solution.multipliers` of problems with the same edges, for a warm start.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side, or the machine has no room for the tables.
        """
        refuse_without_room_to_climb(problem, self.pairs == "all")
        if multipliers is not None:
            refuse_unfit(multipliers, problem, self.pairs == "all")
        began, problem = perf_counter(), problem.detach()
        n, m = problem.costs.vertex.shape[1:]
        curve = Curve(problem, self._listener)

        def told(found: torch.Tensor) -> None:
            for g, each in enumerate(found if n <= m else opposite(found, n)):
                curve.learn(g, each)

        with stopping_after(self.seconds) as stop:
            # The search comes first: its energy is what the gap is measured against, and so what ends the ascent early.
            polish = self.polish.until(stop)
            searched = polish.choose(problem)
            found = None if searched.ordinary else plain(problem, searched.columns)
            posed = problem if found is None else found.problem
            columns = torch.where(searched.columns < m, searched.columns, -1)
            shorter, begin = (posed, columns) if n <= m else (turned(posed), opposite(columns, m))
            told(begin)
            ascent = Ascent(self.iterations, self.every, self.tolerance, self.pairs == "all", self.threads, stop)
            known, climbs = outset(ascent, shorter, self.bound, warm=multipliers is not None), perf_counter()
            dual = climb(ascent, shorter, begin, multipliers=in_units(multipliers, found) or known.multipliers)
            told(dual.columns)
            if self.seconds is not None:
                took = perf_counter() - climbs
                dual = rise(shorter, dual, known.floor, ascent, polish, took, began + self.seconds, told)
            refuse_unmatchable(dual.bound == torch.inf)
            bound = torch.maximum(dual.bound, known.floor)
            rounded = dual.columns if n <= m else opposite(dual.columns, n)
            columns = _search_on(polish, posed, columns, rounded, bool(stop[0]))
        solution = certified(self, problem, columns, bound, found, in_given(dual.multipliers, found))
        curve.end(solution.energy)
        return solution


def _search_on(
    polish: RobustTabu, problem: Problem, columns: torch.Tensor, rounded: torch.Tensor, late: bool
) -> torch.Tensor:
    """Search again, unless it is late, from roundings of the ascent, which returns one only where it is better."""
    better = (rounded != columns).any(1).nonzero().flatten()
    if not len(better):
        return columns
    part = problem.select(better)
    # The search counts in fixed point: what it ends with may cost a little more than what it was given.
    known = [columns[better], rounded[better]]
    if not late:
        known.append(polish.improve(part, rounded[better][:, None]).to(columns))
    paid = torch.stack([energies(part, x) for x in known])
    best = torch.stack(known)[paid.argmin(0), torch.arange(len(better), device=columns.device)]
    return columns.index_copy(0, better, best)
