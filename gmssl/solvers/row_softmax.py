"""Row-wise softmax: the matching of contrastive losses, where each row is free to choose."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.pairs import Pairs
from gmssl.problem import Problem, Solution
from gmssl.solvers.logits import row_logits


class RowSoftmax(Solver):
    """Minimise ⟨c, x⟩ + τ Σ x log x over matrices whose rows are distributions over their allowed columns.

    The minimiser is x_i· = softmax(−c_i· / τ), differentiable in c. With cosine affinities and the likelihood loss this
    is NT-Xent (SimCLR). Each row sums to one also where n > m; columns are not constrained.

    `Solution.energy` is ⟨c, x⟩ of the vertices, without the entropy; edges are not read, and `matching.edge` is zero.
    """

    kind: ClassVar[str] = "row_softmax"
    exact: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True

    temperature: float = Field(0.1, gt=0, description="τ: the smaller, the nearer to the cheapest column of each row")

    def solve(self, problem: Problem) -> Solution:
        """Solve in closed form.

        Raises:
            ProblemError: a row has no allowed column.
        """
        costs = problem.costs
        logits = row_logits(problem, self.temperature)
        vertex = logits.softmax(2)
        matching = Pairs(vertex, torch.zeros_like(costs.edge))
        converged = torch.ones(len(vertex), dtype=torch.bool, device=vertex.device)
        return Solution(matching, (costs.vertex * vertex).sum((1, 2)), None, converged)
