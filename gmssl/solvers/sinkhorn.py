"""Entropy-regularised linear assignment."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.pairs import Pairs
from gmssl.problem import Problem, Solution
from gmssl.solvers.logits import row_logits


class SinkhornSolver(Solver):
    """Minimise ⟨c, x⟩ + τ Σ x log x over matrices whose rows sum to 1 and whose columns sum to n / m.

    Sinkhorn & Knopp's iterations on logarithms, differentiable by unrolling (Cuturi 2013; Mena et al. 2018). Rows are
    normalised last, so they are exact; `converged` tells whether columns are, too, within 1e-3. Masks that permit no
    such matrix are not refused: rows keep their sums, and `converged` is False.

    `Solution.energy` is ⟨c, x⟩ of the vertices, without the entropy; edges are not read, and `matching.edge` is zero.
    """

    kind: ClassVar[str] = "sinkhorn"
    differentiable: ClassVar[bool] = True

    temperature: float = Field(
        0.1, gt=0, description="τ: the smaller, the nearer to a linear assignment, and the slower"
    )
    iterations: int = Field(50, ge=1)

    def solve(self, problem: Problem) -> Solution:
        """Iterate.

        Raises:
            ProblemError: a row has no allowed column.
        """
        costs, allowed = problem.costs, problem.topology.allowed
        logits = row_logits(problem, self.temperature)
        n, m = logits.shape[1:]
        share = torch.tensor(n / m, dtype=logits.dtype, device=logits.device).log()
        possible = allowed.any(1, keepdim=True)  # a column that nobody may take stays empty
        for _ in range(self.iterations):
            total = torch.where(possible, logits, 0).logsumexp(1, keepdim=True)
            logits = logits - torch.where(possible, total - share, 0)
            logits = logits - logits.logsumexp(2, keepdim=True)
        vertex = logits.exp()
        converged = ((vertex.sum(1) - n / m).abs() <= 1e-3 * n / m).all(1)
        return Solution(
            Pairs(vertex, torch.zeros_like(costs.edge)), (costs.vertex * vertex).sum((1, 2)), None, converged
        )
