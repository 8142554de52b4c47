"""Linear assignment: the exact matching when only vertices have costs."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.solver import Solver
from gmssl.lazy import numpy as np
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution
from gmssl.solvers.outcome import outcome, refuse_unmatchable
from gmssl.solvers.relabelling import restored, shuffled


class Lap(Solver):
    """Minimise Σ c_is x_is over one-to-one matchings, by shortest augmenting paths.

    SciPy's `linear_sum_assignment` (Crouse 2016, after Jonker & Volgenant 1987), O(n³), on the CPU. Edge costs are not
    read: `gmssl.solve` refuses problems that have some, and `Solution.energy` of a direct call includes them.
    """

    kind: ClassVar[str] = "lap"
    exact: ClassVar[bool] = True
    gives_bound: ClassVar[bool] = True

    def solve(self, problem: Problem) -> Solution:
        """Solve each instance; `bound` is the energy.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side.
        """
        from scipy.optimize import linear_sum_assignment

        again, rows, columns = shuffled(problem.detach(), seed=0)
        forbidden = ~again.topology.allowed
        costs = again.costs.vertex.double().masked_fill(forbidden, float("inf")).cpu().numpy()
        chosen = np.full(costs.shape[:2], -1, np.int64)
        unmatchable = np.zeros(len(costs), bool)
        for graph, cost in enumerate(costs):
            try:
                matched, partners = linear_sum_assignment(cost)
            except ValueError:  # infeasible
                unmatchable[graph] = True
            else:
                chosen[graph, matched] = partners
        refuse_unmatchable(torch.from_numpy(unmatchable))
        converged = torch.ones(len(costs), dtype=torch.bool, device=rows.device)
        return outcome(
            problem, restored(torch.from_numpy(chosen).to(rows.device), rows, columns), converged, proven=True
        )
