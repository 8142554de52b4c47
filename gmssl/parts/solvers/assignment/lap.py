"""Linear assignment on any device: the exact matching when only vertices have costs, and a block of other solvers."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.solver import Solver
from gmssl.lazy import numpy, torch
from gmssl.parts.solvers.kernels.threads import in_slices
from gmssl.parts.solvers.outcome import outcome, refuse_unmatchable
from gmssl.problem import Problem, Solution

SMALL = 1 << 18  # vertex pairs of a batch below which starting threads costs more than they save


def assign(
    costs: torch.Tensor, allowed: torch.Tensor | None = None, seed: int = 0, threads: int | None = None
) -> torch.Tensor:
    """Match all vertices of the shorter side one to one at the least total cost.

    Exact up to rounding in float64. Ties fall at random, by a seed drawn from the costs of an instance and `seed`: the
    same in every batch. On CUDA everything stays on the device and nothing waits for it.

    Args:
        costs: `[G,n,m]`, floating point, finite where allowed.
        allowed: bool `[G,n,m]`; None allows every pair.
        seed: of the choice among ties.
        threads: over the batch, on the CPU; None: as many as torch uses.

    Returns:
        The column of each row, int64 `[G,n]` on the device of `costs`; −1 where a row is unmatched, which for n ≤ m
        happens only where `allowed` permits no matching: all rows of such an instance are −1.
    """
    costs = costs.detach()
    if allowed is None:
        allowed = torch.ones((), dtype=torch.bool, device=costs.device).expand(costs.shape)
    if costs.is_cuda and find_spec("triton") is not None:
        from gmssl.parts.solvers.assignment.lap_triton import LARGEST, assign_on_device

        if max(costs.shape[1:]) <= LARGEST:
            return assign_on_device(costs, allowed, seed)
    return _compiled(costs.cpu(), allowed.cpu(), seed, threads).to(costs.device)


def _compiled(costs: torch.Tensor, allowed: torch.Tensor, seed: int, threads: int | None) -> torch.Tensor:
    from gmssl.parts.solvers.assignment.lap_numba import assign_slice

    if costs.dtype not in (torch.float32, torch.float64):
        costs = costs.float()
    given, mask = numpy.ascontiguousarray(costs.numpy()), numpy.ascontiguousarray(allowed.numpy())
    columns = numpy.empty(given.shape[:2], numpy.int64)

    def run(lo: int, hi: int) -> None:
        assign_slice(given[lo:hi], mask[lo:hi], seed, columns[lo:hi])

    in_slices(run, len(given), 1 if given.size < SMALL else threads or torch.get_num_threads())
    return torch.from_numpy(columns)


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
        refuse_unmatchable((columns < 0).all(1))
        return solution
