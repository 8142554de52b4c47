"""How good gradient estimates are, against the exact gradient of the expected loss.

For one instance, g is the exact gradient (`expected_loss`), ĝ_1 … ĝ_D are single estimates, m is their mean:

    bias        ‖E ĝ − g‖ / ‖g‖
    direction   the angle's sine between E ĝ and g: the bias that is left after the best positive scaling
    variance    E ‖ĝ − E ĝ‖² / ‖g‖²
    cosine      E cos(ĝ, g), where an estimate of 0 counts as 0
    aligned     P(⟨ĝ, g⟩ > 0): a small enough step against ĝ lowers the expected loss
    descent     P(L(c − η ĝ/‖ĝ‖) < L(c)) for a step of length η = temperature / 2, on the expected loss itself
    zero        P(ĝ = 0): nothing is learnt from this draw

‖m − g‖² overestimates ‖E ĝ − g‖² by the variance of m, and by that of the enumerated g where it is a mean over draws;
both are known and subtracted. An optimiser such as Adam ignores the scale of gradients, so `direction` and `cosine`
matter more than `bias`. Descent is decided with common random numbers: both losses are means over the same draws.
The first `TRIED` estimates are tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gmssl.benchmarking.expected_loss import ExpectedLoss, all_costs, losses_of, used_costs
from gmssl.errors import ProblemError
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem

STEP = 0.5
"""η / temperature."""
TRIED = 16
"""Estimates of an instance along which a step is tried."""
FLAT = 0.01
"""‖g‖ below which an instance is left out: a matching that noise cannot change has nothing to learn from."""

MEASURES = ("bias", "direction", "variance", "cosine", "aligned", "descent", "zero")


@dataclass(frozen=True, eq=False)
class Quality:
    """The measures above of each instance, `[G]`; NaN where the exact gradient is below `FLAT` or its own error."""

    bias: torch.Tensor
    direction: torch.Tensor
    variance: torch.Tensor
    cosine: torch.Tensor
    aligned: torch.Tensor
    descent: torch.Tensor
    zero: torch.Tensor


@dataclass(frozen=True, eq=False)
class Landscape:
    """The expected loss around the instances: what a step is judged by.

    Attributes:
        problem: G instances with target.
        exact: their expected loss and its gradient.
        temperature: of the Gumbel noise.
        draws: of the noise for `descent`.
        seed: of these draws.
    """

    problem: Problem
    exact: ExpectedLoss
    temperature: float
    draws: int
    seed: int

    def lowers(self, directions_GDd: torch.Tensor) -> torch.Tensor:
        """Whether a step of length η against each direction lowers the expected loss, `[G,D]` bool."""
        found = []
        for graph, directions in enumerate(directions_GDd):
            one = self.problem.select(torch.tensor([graph]))
            used, loss, costs = used_costs(one), losses_of(one), all_costs(one)[0]
            generator = torch.Generator().manual_seed(self.seed + graph)
            noise = costs.new_empty(self.draws, len(costs)).exponential_(generator=generator).log_()
            disturbed = (costs + self.temperature * noise) @ used.T  # energies of all matchings, [N,K]
            before = loss[disturbed.argmin(1)]
            length = directions.norm(dim=1, keepdim=True)
            steps = -STEP * self.temperature * directions / length.clamp(min=torch.finfo(costs.dtype).tiny) @ used.T
            after = torch.stack([loss[(disturbed + step).argmin(1)] for step in steps])
            found.append(((after - before).mean(1) < 0) & (length[:, 0] > 0))
        return torch.stack(found)


def estimates(
    estimator: GradientEstimator, solver: Solver, problem: Problem, draws: int, generator: torch.Generator
) -> torch.Tensor:
    """D independent estimates of the gradient of the Hamming loss, `[G,D,d]` float64, for each of G instances.

    Raises:
        ProblemError: the problem has no target.
    """
    if problem.target is None:
        raise ProblemError("a loss needs a target; give the problem one.")
    repeated = problem.repeat(draws)
    target = problem.target.repeat(draws, 1, 1)
    costs = repeated.costs.map(lambda x: x.clone().requires_grad_())
    given = Problem(costs, repeated.topology, target)
    matching = estimator.match(solver, given, generator).matching.vertex
    loss = (matching * (1 - target) + target * (1 - matching)).sum()
    parts = torch.autograd.grad(loss, (costs.vertex, costs.edge), allow_unused=True)
    filled = [torch.zeros_like(c) if g is None else g for g, c in zip(parts, (costs.vertex, costs.edge), strict=True)]
    flat = torch.cat([x.flatten(1) for x in filled], 1).double()
    return flat.unflatten(0, (draws, -1)).transpose(0, 1)


def judge(estimates_GDd: torch.Tensor, landscape: Landscape) -> Quality:
    """The measures of each instance."""
    exact, draws = landscape.exact, estimates_GDd.shape[1]
    g, mean = exact.gradient, estimates_GDd.mean(1)
    size = (g.square().sum(1) - exact.error.square()).clamp(min=0).sqrt()
    known = size > exact.error.clamp(min=FLAT)
    size = torch.where(known, size, torch.nan)
    spread = estimates_GDd.var(1).sum(1) if draws > 1 else torch.zeros_like(size)
    far = ((mean - g).square().sum(1) - spread / draws - exact.error.square()).clamp(min=0).sqrt()
    inner = (estimates_GDd * g[:, None]).sum(2)
    lengths = estimates_GDd.norm(dim=2)
    cosines = torch.where(lengths > 0, inner / (lengths * size[:, None]), 0.0)
    mean_size = (mean.square().sum(1) - spread / draws).clamp(min=0).sqrt()
    cosine_of_mean = torch.where(mean_size > 0, (mean * g).sum(1) / (mean_size * size), 0.0).clamp(-1, 1)
    direction = torch.where(cosine_of_mean > 0, (1 - cosine_of_mean.square()).clamp(min=0).sqrt(), 1.0)
    share = lambda x: torch.where(known, x.double().mean(1), torch.nan)  # noqa: E731
    return Quality(
        bias=far / size,
        direction=torch.where(known, direction, torch.nan),
        variance=spread / size.square(),
        cosine=cosines.mean(1),
        aligned=share(inner > 0),
        descent=share(landscape.lowers(estimates_GDd[:, :TRIED])),
        zero=share(lengths == 0),
    )
