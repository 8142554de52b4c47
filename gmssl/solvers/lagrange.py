"""Lagrange decomposition: a matching with a certificate of how far it is from the optimum at most."""

from __future__ import annotations

from threading import Timer
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.solver import Solver
from gmssl.lazy import numpy, torch
from gmssl.problem import Multipliers, Problem, Solution
from gmssl.registry import field_of
from gmssl.solvers.outcome import outcome, refuse_unmatchable
from gmssl.solvers.robust_tabu import RobustTabu
from gmssl.solvers.sides import opposite, turned
from gmssl.solvers.slices import in_slices


class Lagrange(Solver):
    """Dual ascent on a Lagrange decomposition, for a lower bound; tabu search, for the matching.

    With n ≤ m and P adjacent pairs p = (i, j) of left vertices, the relaxation has x_is ∈ [0, 1], one to one, and
    y_p[s,t] ≥ 0, whether i goes to s and j to t, under two views of the same products:

        Σ_t y_p[s,t] = x_is,  Σ_s y_p[s,t] = x_jt     each pair agrees with its vertices         (multipliers α, β)
        Σ_{j ∈ N(i)} y_(i,j)[s,t] ≤ x_is              of a vertex's neighbours one goes to t     (multipliers λ ≥ 0)

    For any multipliers the problem falls apart into one linear assignment and a minimum for each pair:

        bound = min_{x one to one} ⟨c + Σ_p α_p + Σ_p β_p − Σ_t λ, x⟩ + Σ_p min_{s≠t} (C_p − α_p − β_p + λ_i + λ_jᵀ)_st

    It is evaluated in float64. Multipliers climb by restarted primal–dual hybrid gradient steps; the assignments of the
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
    seconds: float | None = Field(None, gt=0, description="time for the ascent of a batch; None: as long as it takes")
    polish: field_of(RobustTabu) = Field(default_factory=RobustTabu, description="search for the matching")  # type: ignore[valid-type]
    threads: int | None = Field(None, ge=1, description="over the batch, on the CPU; None: as many as torch uses")

    def solve(self, problem: Problem, multipliers: Multipliers | None = None) -> Solution:
        """Solve; `converged` says that the relative gap is at most `tolerance`.

        Args:
            problem: G matching problems.
            multipliers: `Solution.multipliers` of problems with the same edges, for a warm start.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side.
        """
        problem, searched = problem.detach(), self.polish.solve(problem)
        n, m = problem.costs.vertex.shape[1:]
        columns = _columns(searched.matching.vertex)
        shorter, begin = (problem, columns) if n <= m else (turned(problem), opposite(columns, m))
        rounded, bound, multipliers = self._ascend(shorter, begin, multipliers)
        refuse_unmatchable(bound == torch.inf)
        rounded = rounded if n <= m else opposite(rounded, n)
        solution = self._better(problem, searched, columns, rounded)
        dtype = problem.costs.vertex.dtype
        bound = _rounded_down(bound, dtype)
        gap = solution.energy.double() - bound.double()
        converged = gap <= self.tolerance * solution.energy.double().abs()
        return Solution(solution.matching, solution.energy, bound, converged, multipliers)

    def _better(self, problem: Problem, searched: Solution, columns: torch.Tensor, rounded: torch.Tensor) -> Solution:
        """Search on from roundings that differ from what the first search found: the ascent returns better ones."""
        changed = (rounded != columns).any(1)
        if not bool(changed.any()):
            return searched
        index = changed.nonzero().flatten()
        again = self.polish.improve(problem.select(index), rounded[index][:, None])
        columns = columns.index_copy(0, index, again.to(columns))
        solution = outcome(problem, columns, searched.converged, proven=False)
        return solution

    def _ascend(
        self, problem: Problem, columns: torch.Tensor, multipliers: Multipliers | None
    ) -> tuple[torch.Tensor, torch.Tensor, Multipliers]:
        """Columns, bounds in float64 and multipliers of problems with n ≤ m."""
        graphs, n, m = problem.costs.vertex.shape
        edges, device = problem.topology.left.shape[1], columns.device
        if multipliers is None:
            shapes = (graphs, edges, m), (graphs, edges, m), (graphs, n, m, m)
            multipliers = Multipliers(*(torch.zeros(shape, device=device) for shape in shapes))
        stop = numpy.zeros(1, numpy.int64)
        timer = None if self.seconds is None else Timer(self.seconds, stop.fill, (1,))
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            if device.type == "cpu":
                return self._compiled(problem, columns, multipliers, stop)
            from gmssl.solvers.lagrange_torch import ascend

            return ascend(problem, columns, multipliers, self.iterations, self.every, self.tolerance, stop)
        finally:
            if timer is not None:
                timer.cancel()

    def _compiled(
        self, problem: Problem, columns: torch.Tensor, multipliers: Multipliers, stop: numpy.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor, Multipliers]:
        from gmssl.solvers.lagrange_ascent_numba import ascend_slice

        costs, topology = problem.costs, problem.topology
        given = [costs.vertex.double(), costs.edge.double(), topology.left, topology.right, topology.allowed]
        given = [x.contiguous().numpy() for x in given]
        duals = [x.clone() for x in (multipliers.tail, multipliers.head, multipliers.capacity)]
        columns, bound = columns.clone(), torch.empty(len(columns), dtype=torch.float64)
        steps = torch.empty(len(columns), dtype=torch.int64)
        changed = [x.numpy() for x in (*duals, columns, bound, steps)]

        def run(lo: int, hi: int) -> None:
            ascend_slice(
                *(x[lo:hi] for x in given), self.iterations, self.every, self.tolerance, stop,
                *(x[lo:hi] for x in changed),
            )  # fmt: skip

        in_slices(run, len(columns), self.threads or torch.get_num_threads())
        return columns, bound, Multipliers(*duals)


def _columns(vertex: torch.Tensor) -> torch.Tensor:
    """The column of each row, `[G,n]`, −1 where unmatched, of a matching `[G,n,m]`."""
    value, index = vertex.max(2)
    return torch.where(value > 0.5, index, -1)


def _rounded_down(bound: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Float64 bounds in another dtype, never above what they were."""
    given = bound.to(dtype)
    lower = torch.nextafter(given, torch.full_like(given, -torch.inf))
    return torch.where(given.double() > bound, lower, given)
