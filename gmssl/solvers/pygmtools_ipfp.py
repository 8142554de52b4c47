"""Integer projected fixed points."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.solver import Solver
from gmssl.lazy import numpy as np
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution
from gmssl.solvers.pygmtools_rounding import rounded


class Ipfp(Solver):
    """Integer projected fixed point method (Leordeanu, Hebert & Sukthankar, NIPS 2009).

    Ascent of x'Kx: each iteration solves the linear assignment of the gradient and searches the line towards it; the
    best assignment met is the result. By pygmtools, on the CPU. Memory is 8·(n·m)² bytes. A baseline: `robust_tabu`
    finds lower energies in less time.
    """

    kind: ClassVar[str] = "ipfp"
    uses_edges: ClassVar[bool] = True

    iterations: int = Field(50, ge=1, description="largest number of linear assignments")

    def solve(self, problem: Problem) -> Solution:
        """Solve each instance; `converged` is False, since pygmtools does not say.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side.
        """
        import pygmtools

        def soft(matrix: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
            n, m = allowed.shape[1:]
            start = _spread(allowed)
            affinity = _shifted(matrix, start, allowed).numpy()
            with np.errstate(divide="ignore", invalid="ignore"):  # the line search at a fixed point is 0/0
                weights = pygmtools.ipfp(
                    affinity, n1max=n, n2max=m, x0=start.numpy(), max_iter=self.iterations, backend="numpy"
                )
            return torch.from_numpy(weights)

        return rounded(problem, soft)


def _spread(allowed: torch.Tensor) -> torch.Tensor:
    """The start: rows `[1,n,m]` sum to 1, columns to at most 1 (about), over allowed pairs; 1/m without a mask."""
    x = allowed.double()
    for _ in range(20):
        x = x / x.sum(1, keepdim=True).clamp(min=1)
        x = x / x.sum(2, keepdim=True)
    return x


def _shifted(matrix: torch.Tensor, start: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """K with a constant and a penalty; every iterate v, as sums of rows are 1, sees the same constant n².

    pygmtools keeps only assignments of a value above −1, and stops when the relative change of the value is below a
    thousandth. A constant, added to all entries, makes the value of the start 0, so that changes are relative to what
    the ascent gained; the scale keeps values above −1. Both leave gradients (up to a constant) and order as they are.

    The entries of a forbidden pair a with all pairs b get −1: as the v_b sum to n, the gradient at a falls by n,
    whatever v is. All gradients of the scaled K are below 1 in absolute value and n of them are chosen, so no
    assignment uses a forbidden pair if one avoids them, and then the penalty is no part of any value.
    """
    n = allowed.shape[1]
    scale = 4 * n**2 * matrix.abs().amax().clamp(min=torch.finfo(matrix.dtype).tiny)
    scaled = matrix / scale
    v = start.transpose(1, 2).flatten(1)
    value = torch.einsum("ga,gab,gb->", v, scaled, v)
    forbidden = (~allowed).double().transpose(1, 2).flatten(1)
    penalty = forbidden[:, :, None] + forbidden[:, None, :]
    return scaled + (1e-9 - value) / n**2 - penalty
