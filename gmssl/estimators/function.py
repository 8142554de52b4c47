"""The autograd function behind `gmssl.estimators.perturbation`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from gmssl.energy import lift
from gmssl.estimators.certificate import proves_optimal
from gmssl.pairs import Pairs
from gmssl.problem import BackwardRecord, Problem, Solution
from gmssl.solving import solve

if TYPE_CHECKING:
    from gmssl.estimators.perturbation import Perturbation


def differentiable_match(perturbation: Perturbation, problem: Problem, generator: torch.Generator | None) -> Solution:
    """Solve `problem` under noise; the matching carries the estimator's gradient to vertex and edge costs."""
    # Half precision loses the differences of energies that a matching hangs on. This is what
    # custom_fwd(cast_inputs=float32) does, without naming a device when the module is imported.
    costs = problem.costs.map(lambda x: x if x.dtype == torch.float64 else x.float())
    with torch.autocast(costs.vertex.device.type, enabled=False):
        perturbed = perturbation.perturb(problem.with_costs(costs).detach(), generator)
        solution = solve(perturbed, perturbation.solver)
        record = BackwardRecord()
        vertex, edge = _Match.apply(costs.vertex, costs.edge, perturbation, perturbed, solution.matching, record)
    by_sample = lambda x: x.unflatten(0, (perturbation.samples, -1))  # noqa: E731
    return Solution(
        matching=Pairs(vertex, edge),
        energy=by_sample(solution.energy).mean(0),
        bound=None if solution.bound is None else by_sample(solution.bound).mean(0),
        converged=by_sample(solution.converged).all(0),
        backward=record,
    )


def _mean(pairs: Pairs, samples: int) -> Pairs:
    """`[S·G,...]` to `[G,...]`."""
    return pairs if samples == 1 else pairs.map(lambda x: x.unflatten(0, (samples, -1)).mean(0))


class _Match(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        vertex: torch.Tensor,
        edge: torch.Tensor,
        perturbation: Perturbation,
        perturbed: Problem,
        single: Pairs,
        record: BackwardRecord,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.state = (perturbation, perturbed, single, record)
        mean = _mean(single, perturbation.samples)
        return mean.vertex.clone(), mean.edge.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, vertex: torch.Tensor, edge: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        start = perf_counter()
        perturbation, perturbed, single, record = ctx.state
        gradient = _estimate(perturbation, perturbed, single, Pairs(vertex, edge), record)
        record.seconds += perf_counter() - start
        return gradient.vertex, gradient.edge, None, None, None, None


def _estimate(
    perturbation: Perturbation, perturbed: Problem, single: Pairs, upstream: Pairs, record: BackwardRecord
) -> Pairs:
    """max|g| · mean_s (z'_s − z_s) / λ."""
    largest = upstream.vertex.abs().amax((1, 2))
    if upstream.edge.numel():
        largest = torch.maximum(largest, upstream.edge.abs().amax((1, 2)))
    direction = upstream.scale(1 / largest.clamp(min=torch.finfo(largest.dtype).tiny))
    shifted = perturbed.with_costs(
        perturbed.costs + direction.repeat(perturbation.samples).scale(perturbation.strength)
    )
    moved = _solve_unless_certain(perturbation, shifted, record)
    return _mean(moved - single, perturbation.samples).scale(largest / perturbation.strength)


def _solve_unless_certain(perturbation: Perturbation, shifted: Problem, record: BackwardRecord) -> Pairs:
    """The solution under the target costs; instances whose ground truth is proven to be it are not solved."""
    target = shifted.target
    if target is None or perturbation.solver.differentiable:  # a relaxed solution is no matching, nothing to prove
        return solve(shifted, perturbation.solver).matching
    truth = lift(target.to(shifted.costs.vertex.dtype), shifted.topology)
    certain = proves_optimal(shifted, target)
    if len(certain) == 0:
        return truth
    record.certified = float(certain.float().mean())
    record.target_is_truth = record.certified
    if bool(certain.all()):
        return truth
    open_ = (~certain).nonzero().flatten()
    solved = solve(shifted.select(open_), perturbation.solver).matching
    hits = (solved.vertex == target[open_]).all(2).all(1).sum()
    record.target_is_truth += float(hits) / len(certain)
    return Pairs(truth.vertex.index_copy(0, open_, solved.vertex), truth.edge.index_copy(0, open_, solved.edge))
