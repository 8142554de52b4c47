"""The matching without constraints: Barlow Twins."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.pairs import Pairs
from gmssl.problem import Problem, Solution


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
