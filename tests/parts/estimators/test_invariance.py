"""What changes the units of the loss, or how its sum is split, changes no direction of an update: for every estimator.

Bare problems first, then the same through `MatchingObjective`. λ is 2 where an estimator has one: 80 would make the
second solution the target whatever the units, and hide that they had changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import gmssl
from gmssl.interfaces.estimator import GradientEstimator, SmoothNoise
from gmssl.interfaces.registry import find, kinds
from gmssl.interfaces.solver import Solver
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.matcher import Step
from gmssl.objective.objective import MatchingObjective
from gmssl.problem import Pairs, Problem
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.system.clock import StageClock
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.processes import in_processes
from gmssl.testing.variants import edgeless

HAMMING = gmssl.part("loss", "hamming")
PARTS = [k for k in kinds("estimator") if find("estimator", k).__module__.startswith("gmssl.estimators.")]
GRAPHS, PER_GRAPH = 6, 4
every_estimator = pytest.mark.parametrize("kind", PARTS)


class OfTheCosts(SmoothNoise):
    """Gumbel noise that is a function of the cost it is added to, and of the number of the sample.

    Whichever batch, rank or relabelling a graph comes in, it meets the same noise; an estimator cannot tell.
    """

    kind: ClassVar[str] = "of_the_costs"

    samples: int = 1

    def sample(self, like: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        number = torch.arange(self.samples).repeat_interleave(len(like) // self.samples)
        uniform = (like * (997.0 + 131.0 * number.view(-1, 1, 1))).frac().abs().clamp(1e-3, 1 - 1e-3)
        return -torch.log(-torch.log(uniform))

    def score(self, sample: torch.Tensor) -> torch.Tensor:
        return torch.expm1(-sample)


def estimator_of(kind: str) -> GradientEstimator:
    fields = find("estimator", kind).model_fields
    estimator = gmssl.part("estimator", kind, **({"strength": 2.0} if "strength" in fields else {}))
    if "noise" not in fields:
        return estimator
    return estimator.model_copy(update={"noise": OfTheCosts(samples=getattr(estimator, "samples", 1))})


def solver_of(estimator: GradientEstimator) -> Solver:
    if estimator.differentiates_solver:
        return gmssl.part("solver", "row_softmax", temperature=0.5)
    return gmssl.part("solver", "exhaustive")


def problem_of(estimator: GradientEstimator, seed: int = 3, dtype: torch.dtype = torch.float32) -> Problem:
    """As in training, with the target: certified skips take part."""
    drawn = paired_embeddings(GRAPHS, PER_GRAPH, noise=3.0, seed=seed)
    assert drawn.target is not None
    problem = Problem(drawn.costs.map(lambda x: x.to(dtype)), drawn.topology, drawn.target.to(dtype))
    return problem if solver_of(estimator).uses_edges else edgeless(problem)


def gradient(estimator: GradientEstimator, problem: Problem, reduce: Callable[[torch.Tensor], torch.Tensor]) -> Pairs:
    """∂L/∂c with L a function of the losses `[G]`."""
    costs = problem.costs.map(lambda x: x.clone().requires_grad_())
    given = problem.with_costs(costs)
    matching = estimator.match(solver_of(estimator), given, None).matching
    losses = HAMMING(matching, given) + 0.3 * matching.edge.sum((1, 2))  # edges have a gradient of their own
    vertex, edge = torch.autograd.grad(reduce(losses), (costs.vertex, costs.edge), allow_unused=True)
    assert vertex is not None
    return Pairs(vertex, torch.zeros_like(costs.edge) if edge is None else edge)


def assert_same(one: Pairs, other: Pairs) -> None:
    for a, b in ((one.vertex, other.vertex), (one.edge, other.edge)):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


# Bare problems.


@every_estimator
@settings(max_examples=10)
@given(seed=st.integers(0, 2**31))
def test_mean_and_sum_of_the_losses(kind: str, seed: int) -> None:
    estimator = estimator_of(kind)
    problem = problem_of(estimator, seed, torch.float64)
    assert_same(gradient(estimator, problem, torch.mean).scale(GRAPHS), gradient(estimator, problem, torch.sum))


@every_estimator
@settings(max_examples=10)
@given(seed=st.integers(0, 2**31), part=st.integers(1, GRAPHS - 1))
def test_accumulation_over_parts_of_a_batch(kind: str, seed: int, part: int) -> None:
    """Two micro-batches, each mean weighted by its share of the graphs, give what one batch gives."""
    estimator = estimator_of(kind)
    problem = problem_of(estimator, seed, torch.float64)
    whole = gradient(estimator, problem, torch.mean)
    parts = [
        gradient(estimator, problem.select(chosen), lambda x: x.mean() * len(x) / GRAPHS)
        for chosen in torch.arange(GRAPHS).split([part, GRAPHS - part])
    ]
    assert_same(Pairs(torch.cat([p.vertex for p in parts]), torch.cat([p.edge for p in parts])), whole)


@every_estimator
@pytest.mark.parametrize("scale", [2.0**16, 2.0**-16])
def test_scaled_as_by_a_grad_scaler(kind: str, scale: float) -> None:
    """A power of two leaves every bit of the mantissa: the unscaled gradient is the same to the last one."""
    estimator = estimator_of(kind)
    problem = problem_of(estimator)
    plain = gradient(estimator, problem, torch.mean)
    scaled = gradient(estimator, problem, lambda losses: scale * losses.mean())
    assert bool(plain.vertex.any())
    for a, b in ((plain.vertex, scaled.vertex), (plain.edge, scaled.edge)):
        assert torch.equal(scale * a, b)


@every_estimator
def test_autocast_changes_nothing(kind: str) -> None:
    """Costs in float32 are matched, and gradients computed, in float32: forward and backward."""
    estimator = estimator_of(kind)
    problem = problem_of(estimator)
    plain = gradient(estimator, problem, torch.mean)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = gradient(estimator, problem, torch.mean)
    assert torch.equal(found.vertex, plain.vertex)
    assert torch.equal(found.edge, plain.edge)


@pytest.mark.parametrize("kind", [k for k in PARTS if not find("estimator", k).differentiates_solver])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_costs_have_the_gradient_of_their_values(kind: str, dtype: torch.dtype) -> None:
    """That of the same numbers in float32, rounded. (A solver that is differentiated keeps the dtype of its costs; the
    objective gives it float32.)"""
    estimator = estimator_of(kind)
    half = problem_of(estimator)
    half = half.with_costs(half.costs.map(lambda x: x.to(dtype)))
    full = half.with_costs(half.costs.map(torch.Tensor.float))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = gradient(estimator, half, torch.mean)
    expected = gradient(estimator, full, torch.mean).map(lambda x: x.to(dtype))
    assert torch.equal(found.vertex, expected.vertex)
    assert torch.equal(found.edge, expected.edge)


# Through the objective.


class Flat(nn.Module):
    """An encoder with weights and no batch normalisation, whose statistics see how a batch is split.

    `precision`: it alone runs under autocast, and hands over float32.
    """

    channels = 6

    def __init__(self, precision: torch.dtype | None = None) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 6)
        self.precision = precision

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.precision is None:
            mapped = self.layer(images[:, :, 0, 0])
        else:
            with torch.autocast("cpu", dtype=self.precision):
                mapped = self.layer(images[:, :, 0, 0]).float()
        return mapped[:, :, None, None], mapped


class Nothing(nn.Identity):
    channels = 6


@dataclass(frozen=True)
class Building:
    """Stands for a part with weights."""

    module: Callable[[], nn.Module]

    def build(self, channels: int = 0) -> nn.Module:
        return self.module()


def recipe_of(estimator: GradientEstimator) -> Recipe:
    solver = solver_of(estimator)
    return load_recipe(
        {
            "data": "phantoms",
            "views": "multi_crop",
            "encoder": {"kind": "timm", "name": "resnet18"},
            "projector": {"kind": "mlp", "widths": [6]},
            "vertices": {"kind": "images", "per_graph": PER_GRAPH},
            "graph": {"kind": "knn", "neighbours": 2} if solver.uses_edges else "edgeless",
            "message_passing": "unchanged",
            "affinity": {"vertex": ["cosine"], "edge": ["cosine_of_differences"] if solver.uses_edges else []},
            "solver": solver.model_dump(),
            "estimator": estimator.kind,
            "loss": "hamming",
            "optimiser": "adamw",
            "schedule": "constant",
        }
    )


def objective_of(kind: str, precision: torch.dtype | None = None) -> MatchingObjective:
    torch.manual_seed(0)
    estimator = estimator_of(kind)
    parts = {
        "estimator": estimator,
        "encoder": Building(lambda: Flat(precision)),
        "projector": Building(Nothing),
    }
    return MatchingObjective(recipe_of(estimator).model_copy(update=parts))


def batch_of(rows: slice = slice(None), dtype: torch.dtype = torch.float32) -> ViewBatch:
    """Two noisy views of 4 · PER_GRAPH images, of which a rank or a micro-batch gets some."""
    random = torch.Generator().manual_seed(0)
    draw = lambda: torch.randn(4 * PER_GRAPH, 5, 1, 1, generator=random, dtype=torch.float64)  # noqa: E731
    image = draw()
    views = tuple((image + draw())[rows].to(dtype) for _ in range(2))
    index = torch.arange(4 * PER_GRAPH)[rows]
    affines = torch.eye(2, 3).expand(2, len(index), 2, 3)
    return ViewBatch(views, affines, torch.zeros(2, len(index), 0), index, torch.full_like(index, -1))


def forward(model: nn.Module, batch: ViewBatch, seed: int = 0) -> Step:
    """`seed` is that of the relabelling, and must not matter unless noise is drawn."""
    return model(batch, torch.Generator().manual_seed(seed), StageClock())


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.double().clone() for name, p in model.named_parameters() if p.grad is not None}


def joint_gradient(kind: str) -> dict[str, torch.Tensor]:
    """Of one process on one batch, in float64."""
    model = objective_of(kind).double()
    forward(model, batch_of(dtype=torch.float64)).loss.backward()
    return weights_of(model)


def assert_same_update(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    largest = max(float(g.abs().max()) for g in expected.values())
    assert largest > 0
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=tolerance, atol=tolerance * largest)


@every_estimator
def test_accumulated_backward_passes_of_the_objective(kind: str) -> None:
    model, half = objective_of(kind).double(), 2 * PER_GRAPH
    for number, rows in enumerate((slice(half), slice(half, None))):
        (forward(model, batch_of(rows, torch.float64), seed=number + 1).loss / 2).backward()
    assert_same_update(weights_of(model), joint_gradient(kind), 1e-9)


def _train(rank: int, folder: str) -> None:
    half = 2 * PER_GRAPH
    for kind in PARTS:
        model = nn.parallel.DistributedDataParallel(objective_of(kind).double())
        rows = slice(half * rank, half * (rank + 1))
        forward(model, batch_of(rows, torch.float64), seed=rank + 1).loss.backward()
        if rank == 0:
            torch.save(weights_of(model.module), Path(folder) / f"{kind}.pt")


def test_two_processes_update_as_one_on_the_joint_batch(tmp_path: Path) -> None:
    in_processes(_train, str(tmp_path))
    for kind in PARTS:
        assert_same_update(torch.load(tmp_path / f"{kind}.pt"), joint_gradient(kind), 1e-9)


def held(step: Step) -> Pairs:
    """The costs, whose gradient `backward` is to keep."""
    costs = step.problem.costs
    for tensor in (costs.vertex, costs.edge):
        if tensor.requires_grad:
            tensor.retain_grad()
    return costs


@every_estimator
def test_fp16_under_a_grad_scaler(kind: str) -> None:
    """The costs get 65536 times the gradient, bit for bit, and the weights the same update to rounding; no overflow.

    The loss is a 256th of itself: λ = 2 makes gradients that 65536 times would leave the range of fp16 in the encoder.
    """
    found = {}
    for scale in (1.0, 65536.0):
        model = objective_of(kind)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.0)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        with torch.autocast("cpu", dtype=torch.float16):
            step = forward(model, batch_of())
        costs = held(step)
        scaler.scale(step.loss / 256).backward()
        scaler.unscale_(optimiser)
        scaler.step(optimiser)
        scaler.update()
        assert scaler.get_scale() == scale, "a gradient was not finite"
        found[scale] = costs.map(lambda x: x.grad), weights_of(model)
    assert step.problem.costs.vertex.dtype == torch.float32
    (plain, plain_weights), (scaled, weights) = found.values()
    assert torch.equal(65536 * plain.vertex, scaled.vertex)
    if plain.edge is not None:
        assert torch.equal(65536 * plain.edge, scaled.edge)
    assert_same_update(weights, plain_weights, 2e-3)  # three roundings to 11 bits, and what underflows unscaled


@every_estimator
def test_bf16_matches_and_updates_as_float32_behind_a_rounded_encoder(kind: str) -> None:
    found = []
    for everything, precision in ((True, None), (False, torch.bfloat16)):
        model = objective_of(kind, precision)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=everything):
            step = forward(model, batch_of())
            costs = held(step)
            step.loss.backward()
        found.append((step, costs, weights_of(model)))
    (step, costs, weights), (reference, expected, expected_weights) = found
    assert costs.vertex.dtype == costs.edge.dtype == step.solution.matching.vertex.dtype == torch.float32
    assert torch.equal(costs.vertex, expected.vertex)
    assert torch.equal(costs.edge, expected.edge)
    assert torch.equal(step.solution.matching.vertex, reference.solution.matching.vertex)
    assert torch.equal(costs.vertex.grad, expected.vertex.grad)
    assert_same_update(weights, expected_weights, 2.0**-6)  # sums of left and right side, rounded to 8 bits in between
