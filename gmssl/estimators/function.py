"""The autograd function behind `gmssl.estimators.forward`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from gmssl.estimators.forward import Forward, mean_over_samples
from gmssl.interfaces.solver import Solver
from gmssl.pairs import Pairs
from gmssl.problem import Problem, Solution
from gmssl.solving import solve

if TYPE_CHECKING:
    from gmssl.estimators.forward import Backward, Sampling


def differentiable_match(
    sampling: Sampling, solver: Solver, problem: Problem, generator: torch.Generator | None, backward: Backward
) -> Solution:
    """Solve `problem` under noise; the matching carries the estimator's gradient to vertex and edge costs."""
    # Half precision loses the differences of energies that a matching hangs on. This is what
    # custom_fwd(cast_inputs=float32) does, without naming a device when the module is imported.
    costs = problem.costs.map(lambda x: x if x.dtype == torch.float64 else x.float())
    with torch.autocast(costs.vertex.device.type, enabled=False):
        perturbed, noise = sampling.perturb(problem.with_costs(costs).detach(), generator)
        solution = solve(perturbed, solver)
        done = Forward(solver, perturbed, noise, solution.matching, sampling.samples)
        vertex, edge = _Match.apply(costs.vertex, costs.edge, done, backward)
    by_sample = lambda x: x.unflatten(0, (sampling.samples, -1))  # noqa: E731
    return Solution(
        matching=Pairs(vertex, edge),
        energy=by_sample(solution.energy).mean(0),
        bound=None if solution.bound is None else by_sample(solution.bound).mean(0),
        converged=by_sample(solution.converged).all(0),
        backward=done.record,
    )


class _Match(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, vertex: torch.Tensor, edge: torch.Tensor, done: Forward, backward: Backward
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.state = (done, backward)
        mean = mean_over_samples(done.matching, done.samples)
        return mean.vertex.clone(), mean.edge.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, vertex: torch.Tensor, edge: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        start = perf_counter()
        done, backward = ctx.state
        # A loss may be sent back under autocast; products of matrices there would be of half precision.
        with torch.autocast(vertex.device.type, enabled=False):
            gradient = backward(done, Pairs(vertex, edge))
        done.record.seconds += perf_counter() - start
        return gradient.vertex, gradient.edge, None, None
