"""Fusion moves for graph matching, by pylibmgm, as a solver of gmssl."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.parts.solvers.assignment.lap import Lap
from gmssl.parts.solvers.outcome import outcome
from gmssl.parts.solvers.relabelling import restored, shuffled
from gmssl.problem import Pairs, Problem, Solution, Topology
from gmssl_libmgm.models import build_models, solve_models

__all__ = ["Libmgm", "build_models", "solve_models"]


class Libmgm(Solver):
    """Fusion moves (Hutschenreiter et al., ICCV 2021): block-coordinate dual ascent whose greedy roundings are fused.

    pylibmgm's `QAPSolver`, on one CPU thread, one problem at a time. It draws at random; seeded here for each problem,
    its solutions depend on the problem and `seed` alone. Vertices are renamed at random first, so that ties are fair.
    """

    kind: ClassVar[str] = "libmgm"
    uses_edges: ClassVar[bool] = True

    seed: int = Field(1, ge=1, lt=2**31, description="of pylibmgm's random numbers, the same for each problem")
    greedy_generations: int = Field(10, ge=1, description="greedy roundings that are fused in each step")
    batches: int = Field(100, ge=1, description="largest number of batches of ten steps")

    def solve(self, problem: Problem) -> Solution:
        """Solve each instance; `converged` is False, since pylibmgm does not say.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side.
        """
        again, rows, columns = shuffled(problem.detach(), seed=0)
        found = solve_models(build_models(again), self.seed, self.greedy_generations, self.batches)
        chosen = _completed(again, found.to(rows.device))
        unknown = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
        return outcome(problem, restored(chosen, rows, columns), unknown, proven=False)


def _completed(problem: Problem, found: torch.Tensor) -> torch.Tensor:
    """`found [G,n]`, with matchings that leave out a vertex of the shorter side completed.

    The models make every complete matching cheaper than any other, but fusion moves need not end at the least. Such a
    matching becomes the allowed one that keeps most of its pairs, and among these the one of least vertex costs.
    """
    vertex, allowed = problem.costs.vertex, problem.topology.allowed
    partial = ((found >= 0).sum(1) < min(vertex.shape[1:])).nonzero().flatten()
    if len(partial) == 0:
        return found
    costs = vertex[partial].double()
    kept = found[partial, :, None] == torch.arange(vertex.shape[2], device=found.device)
    spread = costs.amax((1, 2), keepdim=True) - costs.amin((1, 2), keepdim=True)
    costs = costs - kept * (vertex.shape[1] * spread + 1)
    none = torch.zeros(len(partial), 0, 2, dtype=torch.long, device=found.device)
    edgeless = Problem(Pairs(costs, costs[:, :0, :0]), Topology(none, none, allowed[partial]))
    matched = Lap().solve(edgeless).matching.vertex > 0
    found = found.clone()
    found[partial] = torch.where(matched.any(2), matched.int().argmax(2), -1)
    return found
