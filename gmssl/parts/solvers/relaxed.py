"""Matchings without a search: row softmax, Sinkhorn, no constraints at all, and the given target."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.errors import ProblemError
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.problem import Pairs, Problem, Solution, energy, lift


def row_logits(problem: Problem, temperature: float) -> torch.Tensor:
    """−c / τ `[G,n,m]`, −inf where a pair is forbidden.

    Raises:
        ProblemError: a row has no allowed column.
    """
    allowed = problem.topology.allowed
    lonely = ~allowed.any(2)
    if bool(lonely.any()):
        graph, row = (int(i) for i in lonely.nonzero()[0])
        raise ProblemError(f"instance {graph} allows no column for row {row}; allow at least one pair.")
    return (-problem.costs.vertex / temperature).masked_fill(~allowed, float("-inf"))


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


class Unconstrained(Solver):
    """Minimise ⟨c, x⟩ + ½‖x‖² over all matrices x that vanish where pairs are forbidden: x = −c there.

    `Solution.energy` is ⟨c, x⟩ of the vertices, without the norm; edges are not read, and `matching.edge` is zero.
    """

    kind: ClassVar[str] = "unconstrained"
    exact: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True
    constrained: ClassVar[bool] = False

    def solve(self, problem: Problem) -> Solution:
        """Solve in closed form."""
        costs = problem.costs
        vertex = (-costs.vertex).masked_fill(~problem.topology.allowed, 0)
        converged = torch.ones(len(vertex), dtype=torch.bool, device=vertex.device)
        return Solution(
            Pairs(vertex, torch.zeros_like(costs.edge)), (costs.vertex * vertex).sum((1, 2)), None, converged
        )


class Given(Solver):
    """Nothing is solved: the matching is the target, and edges are matched as it implies. VICReg, BYOL.

    Its derivative is zero; the loss must read the costs (`energy`).
    """

    kind: ClassVar[str] = "given"
    differentiable: ClassVar[bool] = True
    uses_edges: ClassVar[bool] = True
    constant: ClassVar[bool] = True

    def solve(self, problem: Problem) -> Solution:
        """Copy.

        Raises:
            ProblemError: the problem has no target.
        """
        if problem.target is None:
            raise ProblemError(
                "solver 'given' returns the target, and the problem has none; pass Problem.build target=."
            )
        matching = lift(problem.target.to(problem.costs.vertex.dtype), problem.topology)
        converged = torch.ones(len(matching.vertex), dtype=torch.bool, device=matching.vertex.device)
        return Solution(matching, energy(problem.costs, matching), None, converged)
