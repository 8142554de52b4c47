"""Linear assignment: the exact matching when only vertices have costs."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution
from gmssl.solvers.assignment import assign
from gmssl.solvers.outcome import outcome, refuse_unmatchable


class Lap(Solver):
    """Minimise Σ c_is x_is over one-to-one matchings, by shortest augmenting paths (Jonker & Volgenant 1987).

    O(n²m) for n ≤ m, in float64; compiled with numba on the CPU, one Triton kernel on CUDA. Edge costs are not read:
    `gmssl.solve` refuses problems that have some, and `Solution.energy` of a direct call includes them.
    """

    kind: ClassVar[str] = "lap"
    exact: ClassVar[bool] = True
    gives_bound: ClassVar[bool] = True

    threads: int | None = Field(None, ge=1, description="over the batch, on the CPU; None: as many as torch uses")

    def solve(self, problem: Problem) -> Solution:
        """Solve each instance; `bound` is the energy.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side.
        """
        columns = assign(problem.costs.vertex, problem.topology.allowed, threads=self.threads)
        converged = torch.ones(len(columns), dtype=torch.bool, device=columns.device)
        solution = outcome(problem.detach(), columns, converged, proven=True)
        refuse_unmatchable((columns < 0).all(1))  # last: on a GPU it is the only wait for the device
        return solution
