"""The forward pass that all estimators share: S noisy problems, solved in one batch.

Costs c are minimised; ε_s is noise:

    z_s = solve(c − ε_s),    z = mean_s z_s

What an estimator adds is its `Backward`: how ∂L/∂z becomes ∂L/∂c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from gmssl.interfaces.estimator import Noise
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.problem import BackwardRecord, Matching, Pairs, Problem, Solution, solve
from gmssl.problem.solving import refuse_transformed


@dataclass(frozen=True, eq=False)
class Forward:
    """What the forward pass leaves for the backward pass.

    Attributes:
        solver: the solver of the problems.
        problem: the S·G problems that were solved, of costs c − ε.
        noise: ε, `[S·G,...]`.
        matching: their solutions z_s, `[S·G,...]`.
        samples: S; the samples are folded into the batch, sample-major.
        record: takes what the backward pass learns.
    """

    solver: Solver
    problem: Problem
    noise: Pairs
    matching: Matching
    samples: int
    record: BackwardRecord = field(default_factory=BackwardRecord)


Backward = Callable[[Forward, Pairs], Pairs]
"""From ∂L/∂z `[G,...]` to ∂L/∂c `[G,...]`; called outside autograd and autocast."""


@dataclass(frozen=True)
class Sampling:
    """Settings of the forward pass.

    Attributes:
        noise: distribution of ε on vertex costs.
        edge_noise: distribution of ε on edge costs.
        samples: S.
    """

    noise: Noise
    edge_noise: Noise
    samples: int = 1

    def match(
        self, solver: Solver, problem: Problem, generator: torch.Generator | None, backward: Backward
    ) -> Solution:
        """Solve under noise, and send gradients back by `backward`; see `GradientEstimator.match`.

        Raises:
            ProblemError: under a transform of `torch.func`; and what `solve` raises.
        """
        from gmssl.parts.estimators.function import with_gradient

        refuse_transformed(problem, "a gradient estimator")
        # Half precision loses the differences of energies that a matching hangs on. This is what
        # custom_fwd(cast_inputs=float32) does, without naming a device when the module is imported.
        costs = problem.costs.map(lambda x: x if x.dtype == torch.float64 else x.float())
        with torch.autocast(costs.vertex.device.type, enabled=False):
            perturbed, noise = self.perturb(problem.with_costs(costs).detach(), generator)
            solution = solve(perturbed, solver)
            done = Forward(solver, perturbed, noise, solution.matching, self.samples)
            mean = mean_over_samples(done.matching, done.samples)
            matching = with_gradient(costs, mean, partial(backward, done), done.record)
        by_sample = lambda x: x.unflatten(0, (self.samples, -1))  # noqa: E731
        return Solution(
            matching=matching,
            energy=by_sample(solution.energy).mean(0),
            bound=None if solution.bound is None else by_sample(solution.bound).mean(0),
            converged=by_sample(solution.converged).all(0),
            agreed=None if solution.agreed is None else by_sample(solution.agreed).all(0),
            backward=done.record,
        )

    def perturb(self, problem: Problem, generator: torch.Generator | None) -> tuple[Problem, Pairs]:
        """The S·G problems with costs c − ε, and ε."""
        repeated = problem.repeat(self.samples)
        vertex = self.noise.sample(repeated.costs.vertex, generator)
        edge = self.edge_noise.sample(repeated.costs.edge, generator)
        noise = Pairs(vertex, edge)
        return repeated.with_costs(repeated.costs - noise), noise


def mean_over_samples(pairs: Pairs, samples: int) -> Pairs:
    """`[S·G,...]` to `[G,...]`."""
    return pairs if samples == 1 else pairs.map(lambda x: x.unflatten(0, (samples, -1)).mean(0))


def normalised(upstream: Pairs) -> tuple[torch.Tensor, Pairs]:
    """max|g| `[G]`, and ĝ = g / max|g|; 0 where g is 0."""
    largest = upstream.vertex.abs().amax((1, 2))
    if upstream.edge.numel():
        largest = torch.maximum(largest, upstream.edge.abs().amax((1, 2)))
    return largest, upstream.scale(1 / largest.clamp(min=torch.finfo(largest.dtype).tiny))
