"""Multi-start robust tabu search: the second-order solver of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.solver import Solver
from gmssl.lazy import numpy, torch
from gmssl.pairs import Costs, Pairs
from gmssl.problem import Problem, Solution
from gmssl.solvers.outcome import outcome, refuse_unmatchable
from gmssl.solvers.slices import in_slices
from gmssl.topology import Topology


class RobustTabu(Solver):
    """Search for the matching of least energy by swaps, uphill too, with a short memory (Taillard 1991).

    Start 0 is the linear assignment of the vertex costs, the others are random; from 24 vertices on, the second half of
    the starts recombines two earlier results. Presets by n: 10: 8×50; 16: 12×50, or 24×50; 32: 32×250.

    Compiled with numba for problems on the CPU (its first call in a fresh installation compiles for some seconds), in
    batched torch operations on other devices. Which start wins may differ between the two, as their random numbers do.
    """

    kind: ClassVar[str] = "robust_tabu"
    uses_edges: ClassVar[bool] = True

    starts: int = Field(12, ge=1, description="independent searches per instance")
    iterations: int = Field(50, ge=0, description="swaps per search")
    agree: int | None = Field(
        4,
        ge=2,
        description="stop once that many searches end at the best energy of an instance; None: never",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of the random starts and tenures")
    threads: int | None = Field(None, ge=1, description="over the batch, on the CPU; None: as many as torch uses")

    def solve(self, problem: Problem) -> Solution:
        """Search; `converged` tells whether the agreement rule ended the search of an instance before its budget.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side.
        """
        search = self._compiled if problem.costs.vertex.device.type == "cpu" else self.search_in_torch
        columns, converged = search(problem.detach())
        refuse_unmatchable((columns < 0).all(1))
        return outcome(problem, columns, converged, proven=False)

    def search_in_torch(self, problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
        """The batched reference, on any device: columns `[G,n]` (≥ m: unmatched; −1: impossible), converged `[G]`."""
        from gmssl.solvers.robust_tabu_torch import search

        def run(turned: Problem) -> tuple[torch.Tensor, torch.Tensor]:
            single = turned.with_costs(_single_precision(turned.costs))
            return search(single, self.starts, self.iterations, self.agree, self.seed)

        return _with_longer_left(problem, run)

    def _compiled(self, problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
        return _with_longer_left(problem, self._in_threads)

    def _in_threads(self, problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
        from gmssl.solvers.robust_tabu_layout import lay_out
        from gmssl.solvers.robust_tabu_starts import solve_slice

        costs, topology = _single_precision(problem.costs), problem.topology
        vertex, edge = _array(costs.vertex), _array(costs.edge)
        left, right, allowed = _array(topology.left), _array(topology.right), _array(topology.allowed)
        graphs, n, m = costs.vertex.shape
        columns, converged = numpy.empty((graphs, n), numpy.int64), numpy.empty(graphs, bool)
        given = numpy.empty((graphs, 0, n), numpy.int64)

        def run(lo: int, hi: int) -> None:
            part = slice(lo, hi)
            solve_slice(
                vertex[part], edge[part], left[part], right[part], allowed[part], given[part],
                self.starts, self.iterations, self.agree or 0, self.seed, *lay_out(n, m, left.shape[1], self.starts),
                columns[part], converged[part],
            )  # fmt: skip

        in_slices(run, graphs, self.threads or torch.get_num_threads())
        return torch.from_numpy(columns), torch.from_numpy(converged)


def _with_longer_left(
    problem: Problem, search: Callable[[Problem], tuple[torch.Tensor, torch.Tensor]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Swap the sides where n < m, so that only columns need dummies; and swap the answer back."""
    costs, topology = problem.costs, problem.topology
    graphs, n, m = costs.vertex.shape
    if n >= m:
        return search(problem)
    turned = Problem(
        Pairs(costs.vertex.transpose(1, 2), costs.edge.transpose(1, 2)),
        Topology(topology.right, topology.left, topology.allowed.transpose(1, 2)),
    )
    rows, converged = search(turned)  # the row of each column
    columns = torch.full((graphs, n + 1), -1, dtype=torch.long, device=rows.device)
    right = torch.arange(m, device=rows.device).expand(graphs, m)
    columns.scatter_(1, torch.where(rows < 0, n, rows.clamp(max=n)), right)
    return columns[:, :n], converged


def _array(tensor: torch.Tensor) -> numpy.ndarray:
    return numpy.ascontiguousarray(tensor.numpy())


def _single_precision(costs: Costs) -> Costs:
    """Costs in float32; very large or small float64 ones are scaled into its range, which no argmin notices."""
    if costs.vertex.dtype != torch.float64:
        return costs.map(lambda x: x.float())
    largest = costs.vertex.abs().amax((1, 2))
    if costs.edge.numel():
        largest = torch.maximum(largest, costs.edge.abs().amax((1, 2)))
    fits = ((largest > 1e-30) & (largest < 1e30)) | (largest == 0)
    factor = torch.where(fits, torch.ones_like(largest), 1 / largest.clamp(min=1e-300))
    return costs.scale(factor).map(lambda x: x.float())
