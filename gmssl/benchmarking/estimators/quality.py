"""How good gradient estimates are, against the exact gradient of the expected loss: what is measured of one instance.

For instance i, g_i is the exact gradient (`expected_loss`) of variance e_i², ĝ_i1 … ĝ_iD are single estimates of mean
m_i and spread v_i = Σ_d ‖ĝ_id − m_i‖² / (D − 1). Of each instance these unbiased estimates of moments are kept, whose
sums make the measures of a whole batch (`statistics.py`):

    size     ‖g_i‖²             ‖g_i‖² − e_i²
    miss     ‖E ĝ_i − g_i‖²     ‖m_i − g_i‖² − v_i / D − e_i², may be negative
    spread   E ‖ĝ_i − E ĝ_i‖²   v_i
    inner    ⟨E ĝ_i, g_i⟩       ⟨m_i, g_i⟩
    length   ‖E ĝ_i‖²           ‖m_i‖² − v_i / D, may be negative

and these means over single estimates, NaN for an instance whose gradient is all but 0 (`FLAT`):

    cosine   E cos(ĝ, g), where an estimate of 0 counts as 0
    aligned  P(⟨ĝ, g⟩ > 0): a small enough step against ĝ lowers the expected loss
    descent  P(L(c − η ĝ/‖ĝ‖) < L(c)) for a step of length η = temperature / 2, on the expected loss itself
    zero     P(ĝ = 0): nothing is learnt from this draw

Descent is decided with common random numbers: both losses are means over the same draws. The first `TRIED` estimates
are tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from gmssl.benchmarking.estimators.expected_loss import ExpectedLoss, Smoothing, all_costs, losses_of, used_costs
from gmssl.errors import ProblemError
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.registry import part
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem

STEP = 0.5
"""η / temperature."""
TRIED = 8
"""Estimates of an instance along which a step is tried."""
STEP_DRAWS = 2048
"""Of the noise, under which a step is judged."""
FLAT = 0.01
"""‖g‖ below which an instance has no direction: a matching that noise cannot change has nothing to learn from.

Such gradients come from draws so rare that their mean, and its error, are unknown."""

SUMS = ("size", "miss", "spread", "inner", "length")
SHARES = ("cosine", "aligned", "descent", "zero")


@dataclass(frozen=True, eq=False)
class Quality:
    """The numbers above of each instance, `[G]` float64."""

    size: torch.Tensor
    miss: torch.Tensor
    spread: torch.Tensor
    inner: torch.Tensor
    length: torch.Tensor
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
        smoothing: the noise.
        seed: of the draws for `descent`.
        draws: how many.
    """

    problem: Problem
    exact: ExpectedLoss
    smoothing: Smoothing
    seed: int = 0
    draws: int = STEP_DRAWS

    @property
    def sizes(self) -> torch.Tensor:
        """‖g‖² without what the error of g adds to it, `[G]`."""
        return self.exact.gradient.square().sum(1) - self.exact.error.square()

    @property
    def steep(self) -> torch.Tensor:
        """Instances whose gradient has a direction, `[G]` bool: above `FLAT`, and above twice its error."""
        return self.sizes.clamp(min=0).sqrt() > (2 * self.exact.error).clamp(min=FLAT)

    def lowers(self, directions_GDd: torch.Tensor) -> torch.Tensor:
        """Whether a step of length η against each direction lowers the expected loss, `[G,D]` bool."""
        steep = self.steep.tolist()
        found = torch.zeros(directions_GDd.shape[:2], dtype=torch.bool, device="cpu")
        for graph, directions in enumerate(directions_GDd):
            some = directions.any(1)
            if not steep[graph] or not bool(some.any()):
                continue
            used, loss, disturbed = self._disturbed[graph]
            before = loss[disturbed.argmin(1)].mean()
            unit = torch.nn.functional.normalize(directions[some]).to(used)
            steps = -STEP * self.smoothing.temperature * unit @ used.T
            after = torch.stack([loss[(disturbed + step).argmin(1)].mean() for step in steps])
            found[graph, some] = after < before
        return found

    @cached_property
    def _disturbed(self) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Of each instance, in float32: costs used by matchings `[K,d]`, losses `[K]`, energies under noise `[N,K]`."""
        found = []
        for graph in range(len(self.problem.costs.vertex)):
            one = self.problem.select(torch.tensor([graph], device="cpu"))
            used, costs = used_costs(one).float(), all_costs(one)[0].float()
            generator = torch.Generator().manual_seed(self.seed + graph)
            noise = self.smoothing.noise.sample(costs.new_empty(self.draws, len(costs)), generator)
            found.append((used, losses_of(one).float(), (costs - noise) @ used.T))
        return found


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
    costs = repeated.costs.map(lambda x: x.clone().requires_grad_())
    given = repeated.with_costs(costs)
    matching = estimator.match(solver, given, generator).matching
    loss = part("loss", "hamming")(matching, given).sum()
    parts = torch.autograd.grad(loss, (costs.vertex, costs.edge), allow_unused=True)
    filled = [torch.zeros_like(c) if g is None else g for g, c in zip(parts, (costs.vertex, costs.edge), strict=True)]
    flat = torch.cat([x.flatten(1) for x in filled], 1).double()
    return flat.unflatten(0, (draws, -1)).transpose(0, 1)


def judge(estimates_GDd: torch.Tensor, landscape: Landscape) -> Quality:
    """The numbers of each instance."""
    exact, draws = landscape.exact, estimates_GDd.shape[1]
    g, mean, size = exact.gradient, estimates_GDd.mean(1), landscape.sizes
    spread = estimates_GDd.var(1).sum(1) if draws > 1 else torch.zeros_like(size)
    inner, lengths = (estimates_GDd * g[:, None]).sum(2), estimates_GDd.norm(dim=2)
    known = landscape.steep
    cosines = torch.where(lengths > 0, inner / (lengths * size.clamp(min=0).sqrt()[:, None]), 0.0)
    of_known = lambda x: torch.where(known, x.double().mean(1), torch.nan)  # noqa: E731
    return Quality(
        size=size,
        miss=(mean - g).square().sum(1) - spread / draws - exact.error.square(),
        spread=spread,
        inner=(mean * g).sum(1),
        length=mean.square().sum(1) - spread / draws,
        cosine=of_known(cosines),
        aligned=of_known(inner > 0),
        descent=of_known(landscape.lowers(estimates_GDd[:, :TRIED])),
        zero=of_known(lengths == 0),
    )
