"""The target, for methods that trust it."""

from __future__ import annotations

from typing import ClassVar

from gmssl.energy import energy, lift
from gmssl.errors import ProblemError
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution


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
