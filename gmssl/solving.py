"""`solve`: the user calls a function, the solver carries the settings."""

from __future__ import annotations

from gmssl.errors import ProblemError
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution


def solve(problem: Problem, solver: Solver) -> Solution:
    """Find a matching of low energy for each instance of a batch.

    Args:
        problem: G matching problems; see `Problem.build`.
        solver: any solver part, for example `gmssl.part("solver", "robust_tabu")`.

    Returns:
        `Solution(matching, energy, bound, converged)`; energies are minimised.

    Raises:
        ProblemError: the problem has edges that the solver would ignore, or it forbids so much that a row (or, for
            n > m, a column) has no allowed partner.
    """
    costs, allowed = problem.costs, problem.topology.allowed
    if not solver.uses_edges and costs.edge.numel() and bool((costs.edge != 0).any()):
        raise ProblemError(
            f"solver {solver.kind!r} does not read edge costs, but the problem has {costs.edge.shape[1]}×"
            f"{costs.edge.shape[2]} of them; use a second-order solver (robust_tabu, exhaustive) or pass no edges."
        )
    shorter = allowed if costs.vertex.shape[1] <= costs.vertex.shape[2] else allowed.transpose(1, 2)
    lonely = ~shorter.any(2)
    if bool(lonely.any()):
        graph, vertex = (int(i) for i in lonely.nonzero()[0])
        side = "left" if shorter is allowed else "right"
        raise ProblemError(f"instance {graph} allows no partner for {side} vertex {vertex}; allow at least one pair.")
    with torch.no_grad() if not solver.differentiable else torch.enable_grad():
        return solver.solve(problem)
