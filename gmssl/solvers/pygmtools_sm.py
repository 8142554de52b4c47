"""Spectral matching."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution
from gmssl.solvers.pygmtools_affinity import raised
from gmssl.solvers.pygmtools_rounding import rounded


class Sm(Solver):
    """Spectral matching (Leordeanu & Hebert, ICCV 2005): the leading eigenvector of K, rounded.

    x'Kx, K ≥ 0, is maximised over vectors of norm one instead of matchings, by power iteration in pygmtools, on the
    CPU. Memory is 8·(n·m)² bytes. A baseline: `robust_tabu` finds lower energies in less time.
    """

    kind: ClassVar[str] = "sm"
    uses_edges: ClassVar[bool] = True

    iterations: int = Field(50, ge=1, description="largest number of power iterations")

    def solve(self, problem: Problem) -> Solution:
        """Solve each instance; `converged` is False, since pygmtools does not say.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side.
        """
        import pygmtools

        def soft(matrix: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
            n, m = allowed.shape[1:]
            # The numpy backend takes a third of the time of the torch backend on one problem.
            affinity = raised(matrix, allowed).numpy()
            weights = pygmtools.sm(affinity, n1max=n, n2max=m, max_iter=self.iterations, backend="numpy")
            return torch.from_numpy(weights)

        return rounded(problem, soft)
