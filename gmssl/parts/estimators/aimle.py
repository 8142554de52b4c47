"""Adaptive implicit maximum-likelihood estimation."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.estimator import GradientEstimator, Noise
from gmssl.interfaces.registry import field_of, part
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.parts.estimators.forward import Forward, Sampling, normalised
from gmssl.parts.estimators.second_solve import solve_unless_certain
from gmssl.problem import Matching, Pairs, Problem, Solution


class Aimle(GradientEstimator):
    """Adaptive I-MLE (Minervini, Franceschi & Niepert 2023): λ follows a target number of non-zeros of the gradient.

    A small λ has little bias and a gradient that is nearly always 0, a large one the reverse. The gradient is that of
    `imle` at the least λ of a grid whose expected number of non-zeros reaches `target`:

        N(λ) = mean_s ‖z'_s(λ) − z_s‖₀ over vertex pairs,    λ ∈ {strongest / 2^k, k = 0 … candidates − 1},

    or `strongest` where none does. `central` takes z'_s(λ) − z'_s(−λ), over 2λ, in place of the one-sided difference.

    The paper moves one λ by a constant from step to step, against a running mean of N. Here every instance has its own,
    found within the step by solving all candidates in one batch: there is nothing to store, resume or synchronise, and
    gradients stay a function of problem and noise. Instances do not depend on the others of their batch, so that
    accumulation and the number of devices change nothing, which a running mean over batches would break. The price is
    `candidates` (twice as many if central) solves instead of one, and that an instance on the verge of another matching
    has a large gradient, up to candidates' least λ. Exchanging two rows changes 4 entries, the default target; more
    `samples` make N an expectation and not one draw.
    """

    kind: ClassVar[str] = "aimle"

    target: float = Field(4.0, gt=0, description="expected non-zeros of the vertex gradient of an instance")
    strongest: float = Field(80.0, gt=0, description="largest λ, on the upstream gradient normalised to a maximum of 1")
    candidates: int = Field(10, ge=1, description="λs on the grid, each half of the one before")
    central: bool = Field(False, description="central differences: twice the solves, less bias")
    noise: field_of(Noise) = Field(default_factory=lambda: part("noise", "gumbel"))  # type: ignore[valid-type]
    edge_noise: field_of(Noise) | None = Field(  # type: ignore[valid-type]
        None, description="noise of the edge costs; none takes `noise` for both"
    )
    samples: int = Field(1, ge=1, description="S, noise samples of each problem, solved in one batch")

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        """See `GradientEstimator.match`."""
        sampling = Sampling(self.noise, self.edge_noise or self.noise, self.samples)
        return sampling.match(solver, problem, generator, self._adapted)

    def _adapted(self, done: Forward, upstream: Pairs) -> Pairs:
        """max|g| · mean_s (z'_s − z_s) / λ at each instance's own λ, `[G,...]`."""
        largest, direction = normalised(upstream)
        halvings = torch.arange(self.candidates, dtype=largest.dtype, device=largest.device).flip(0)
        strengths = self.strongest / 2.0**halvings  # increasing
        difference, nonzeros = self._candidates(done, direction, strengths)
        reached = nonzeros >= self.target
        reached[-1] = True
        chosen = reached.to(torch.int8).argmax(0)  # the first of them
        every = torch.arange(len(largest), device=largest.device)
        width = 2 if self.central else 1
        return difference.map(lambda x: x[chosen, every]).scale(largest / (width * strengths[chosen]))

    def _candidates(self, done: Forward, direction: Pairs, strengths: torch.Tensor) -> tuple[Pairs, torch.Tensor]:
        """mean_s of the differences, `Pairs` of `[K,G,...]`, and N `[K,G]`, for each of K strengths."""
        count, solved = len(strengths), len(done.matching.vertex)
        shape = (count, self.samples, solved // self.samples)
        step = direction.repeat(self.samples).repeat(count).scale(strengths.repeat_interleave(solved))
        repeated = done.problem.repeat(count)

        def at(costs: Pairs) -> Matching:
            return solve_unless_certain(done.solver, repeated.with_costs(costs), done.record)

        # Backward first: the record keeps what the forward one tells.
        origin = at(repeated.costs - step) if self.central else done.matching.repeat(count)
        difference = at(repeated.costs + step) - origin
        nonzeros = (difference.vertex != 0).sum((1, 2)).to(strengths).view(shape).mean(1)
        return difference.map(lambda x: x.unflatten(0, shape).mean(1)), nonzeros
