"""The contract must refuse estimators that break a law: one broken estimator for each law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch

import gmssl
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.solver import Solver
from gmssl.problem import Pairs, Problem, Solution
from gmssl.testing.estimator_contract import EstimatorContract
from gmssl.testing.laws import laws_of, verdict

Change = Callable[[torch.Tensor], torch.Tensor]


class Altered(torch.autograd.Function):
    """The identity, with its gradient changed on the way back."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, change: Change) -> torch.Tensor:
        ctx.change = change
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.change(gradient), None


class Broken(GradientEstimator):
    """Blackbox differentiation, but for what subclasses get wrong."""

    kind: ClassVar[str] = "broken"

    def change(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        costs = problem.costs.map(lambda x: Altered.apply(x, self.change))
        return gmssl.part("estimator", "blackbox", strength=2.0).match(solver, problem.with_costs(costs), generator)


class Doubling(Broken):
    """Sums two samples and forgets to divide."""

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        solution = super().match(solver, problem, generator)
        return replace(solution, matching=solution.matching.scale(2.0))


class Dividing(Broken):
    """Divides by the gradient's square."""

    def change(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient**3 / gradient.square().sum().clamp(min=torch.finfo(gradient.dtype).tiny)


class Converting(Broken):
    """Goes through numpy, which has no bfloat16."""

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        problem.costs.vertex.detach().numpy()
        return super().match(solver, problem, generator)


class Comparing(Broken):
    """Needs a second choice."""

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        problem.costs.vertex.flatten(1).topk(2)
        return super().match(solver, problem, generator)


class Deaf(Broken):
    """Draws from torch's own generator, whichever it is given."""

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        return gmssl.part("estimator", "imle", strength=2.0).match(solver, problem, None)


class Restless(Broken):
    """Seeds itself by the system's entropy."""

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        fresh = torch.Generator()
        fresh.seed()
        return gmssl.part("estimator", "imle", strength=2.0).match(solver, problem, fresh)


class InPlace(Broken):
    """Adds its noise to the costs themselves."""

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        problem.costs.vertex.data.add_(0.1)
        return super().match(solver, problem, generator)


class Uphill(Broken):
    """Has the sign of affinities."""

    def change(self, gradient: torch.Tensor) -> torch.Tensor:
        return -gradient


class Sign(Broken):
    """Knows the direction only."""

    def change(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.sign()


class Centred(Broken):
    """Subtracts the mean gradient of the batch."""

    def change(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient - gradient.mean(0)


class Averaging(Broken):
    """Divides by the size of the batch, as the loss did already."""

    def change(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient / max(len(gradient), 1)


class VerticesOnly(Broken):
    """Forgets the edges."""

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        costs = Pairs(problem.costs.vertex, Altered.apply(problem.costs.edge, torch.zeros_like))
        return super().match(solver, problem.with_costs(costs), generator)


class Leaking(Broken):
    """Pulls towards the target, whatever the loss."""

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        if problem.target is not None:
            target = problem.target
            vertex = Altered.apply(problem.costs.vertex, lambda gradient: gradient + target)
            problem = problem.with_costs(Pairs(vertex, problem.costs.edge))
        return super().match(solver, problem, generator)


class Approximate(Broken):
    """Differentiates the solver, and forgets a factor."""

    differentiates_solver: ClassVar[bool] = True

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        costs = problem.costs.map(lambda x: Altered.apply(x, lambda gradient: gradient / 2))
        return gmssl.solve(problem.with_costs(costs), solver)


BROKEN = {
    "test_matching_is_a_mean_of_matchings": Doubling,
    "test_gradient_has_the_form_of_the_costs": Dividing,
    "test_half_precision": Converting,
    "test_smallest_problems": Comparing,
    "test_deterministic_given_a_generator": Deaf,
    "test_without_generator_torch_draws": Restless,
    "test_inputs_are_not_changed": InPlace,
    "test_gradient_never_points_uphill": Uphill,
    "test_scaling_the_loss_scales_the_gradient": Sign,
    "test_no_loss_no_gradient": Centred,
    "test_independent_of_batch": Averaging,
    "test_gradient_reaches_vertices_and_edges": VerticesOnly,
    "test_truth_does_not_leak": Leaking,
    "test_gradient_is_that_of_the_solver": Approximate,
}


def contract_of(estimator: GradientEstimator) -> EstimatorContract:
    return type("Contract", (EstimatorContract,), {"estimator": estimator, "examples": 60, "reproducible": True})()


def test_every_law_has_an_estimator_that_breaks_it():
    assert set(laws_of(EstimatorContract)) == set(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_estimator_is_caught(name):
    found = verdict(contract_of(BROKEN[name]()), name)
    assert found.holds is False
    assert found.reason


@pytest.mark.parametrize("name", [name for name in BROKEN if name != "test_gradient_is_that_of_the_solver"])
def test_what_breaks_nothing_passes(name):
    assert verdict(contract_of(Broken()), name).holds


def test_noise_excuses_from_independence_of_the_batch():
    found = verdict(contract_of(gmssl.part("estimator", "imle")), "test_independent_of_batch")
    assert found.holds is None
