"""torch's default dtype and device are the caller's: they decide nothing in a problem, a part or a training step."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.objective import MatchingObjective
from gmssl.problem import Pairs, Problem
from gmssl.problem.formats import read, write_dat
from gmssl.recipe.recipe import load_recipe
from gmssl.system.clock import StageClock
from gmssl.testing.generators import knn_problem, paired_embeddings
from gmssl.testing.planted import planted_problems
from gmssl.testing.strategies import partial_problems, problems

PACKAGE = Path(__file__).parents[1] / "gmssl"
FLOATS = {"empty", "eye", "linspace", "logspace", "normal", "ones", "rand", "randn", "zeros"}
"""They take the default dtype; others take the dtype of their content."""

CONSTRUCTORS = FLOATS | {"arange", "as_tensor", "full", "randint", "randperm", "scalar_tensor", "tensor"}
CALLED_BY_USERS = ("problem", "interfaces", "objective", "parts", "testing", "benchmarking")
"""Folders whose code runs in processes of others; commands own their process and leave torch's defaults alone."""

ODD = [torch.bfloat16, torch.float64, torch.device("meta")]


@contextmanager
def default(odd: torch.dtype | torch.device) -> Iterator[None]:
    """Another default dtype, or another default device."""
    if isinstance(odd, torch.device):
        with odd:
            yield
        return
    before = torch.get_default_dtype()
    torch.set_default_dtype(odd)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def sources() -> Iterator[Path]:
    for folder in CALLED_BY_USERS:
        yield from sorted((PACKAGE / folder).rglob("*.py"))


def constructions(source: str) -> Iterator[ast.Call]:
    """Calls of torch that make a tensor, but for those in `__init__`: the state of a module follows torch's defaults,
    as the weights of torch's own modules do."""
    tree = ast.parse(source)
    born = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or id(node) in born or not isinstance(node.func, ast.Attribute):
            continue
        if ast.unparse(node.func.value) == "torch" and node.func.attr in CONSTRUCTORS:
            yield node


def missing(call: ast.Call) -> list[str]:
    """What a construction leaves to torch's defaults."""
    named = {keyword.arg for keyword in call.keywords}
    assert isinstance(call.func, ast.Attribute)
    needed = ("dtype", "device") if call.func.attr in FLOATS else ("device",)
    return [] if named & {None, "out"} else [name for name in needed if name not in named]


def test_every_construction_names_its_device_and_floats_their_dtype() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{call.lineno}: {ast.unparse(call)} names no {' and no '.join(missing(call))}"
        for path in sources()
        for call in constructions(path.read_text(encoding="utf-8"))
        if missing(call)
    ]
    assert not found, "\n".join(found)


def test_the_check_sees_what_it_should() -> None:
    seen = [ast.unparse(call) for call in constructions("torch.zeros(3); numpy.zeros(3); torch.stack([a])")]
    assert seen == ["torch.zeros(3)"]
    asked = {"torch.zeros(3)": ["dtype", "device"], "torch.arange(3)": ["device"], "torch.zeros(3, **like)": []}
    assert {source: missing(next(constructions(source))) for source in asked} == asked
    assert not list(constructions("def __init__(self):\n    torch.zeros(3)"))


@pytest.mark.parametrize("odd", ODD, ids=str)
class TestUnderOddDefaults:
    def test_noises(self, odd: torch.dtype | torch.device) -> None:
        like = torch.empty(4, 3, 5)
        for kind in ("gumbel", "gaussian", "sum_of_gamma", "none"):
            noise = gmssl.part("noise", kind)
            usual = noise.sample(like, torch.Generator().manual_seed(0))
            with default(odd):
                assert same(noise.sample(like, torch.Generator().manual_seed(0)), usual), kind

    def test_generators(self, odd: torch.dtype | torch.device) -> None:
        for make in (lambda: paired_embeddings(3, 5, noise=1, gumbel=0.5), lambda: knn_problem(3, 5)):
            usual = make()
            with default(odd):
                other = make()
            assert same(other.costs.vertex, usual.costs.vertex)
            assert same(other.costs.edge, usual.costs.edge)
            assert same(other.topology.left, usual.topology.left)
            assert same(other.target, usual.target)

    def test_drawn_problems_can_be_solved(self, odd: torch.dtype | torch.device) -> None:
        @settings(max_examples=20, deadline=None)
        @given(st.one_of(problems(), partial_problems(), planted_problems().map(lambda drawn: drawn.problem)))
        def check(problem: Problem) -> None:
            assert problem.costs.vertex.dtype in (torch.float32, torch.float64)
            assert bool(gmssl.solve(problem, gmssl.part("solver", "exhaustive")).converged.all())

        with default(odd):
            check()

    @pytest.mark.parametrize("kind", ["aimle", "blackbox", "identity", "imle", "perturbed", "straight_through"])
    def test_estimators(self, kind: str, odd: torch.dtype | torch.device) -> None:
        estimator, problem = gmssl.part("estimator", kind), paired_embeddings(4, 4, noise=1, gumbel=0.5)
        usual = gradient(estimator, problem)
        with default(odd):
            found = gradient(estimator, problem)
        assert same(found.vertex, usual.vertex)
        assert same(found.edge, usual.edge)

    def test_costs_of_leaving_pairs_out(self, odd: torch.dtype | torch.device) -> None:
        problem = paired_embeddings(3, 4, noise=1)
        usual = problem.partially(0.3)
        with default(odd):
            assert same(problem.partially(0.3).costs.vertex, usual.costs.vertex)

    def test_qaplib(self, odd: torch.dtype | torch.device, tmp_path: Path) -> None:
        matrix: Any = [[0, 0.1], [16777217, 0]]
        with default(odd):
            write_dat(tmp_path / "x.dat", matrix, matrix)
            read(tmp_path / "x.dat")
        assert "16777217" in (tmp_path / "x.dat").read_text(encoding="utf-8")

    def test_a_training_step(self, odd: torch.dtype | torch.device, settings_of_a_recipe: dict[str, Any]) -> None:
        objective = MatchingObjective(load_recipe(settings_of_a_recipe | METHOD))
        batch = make_batch()
        usual = step(objective, batch)
        with default(odd):
            found = step(objective, batch)
        for name, value in usual.items():
            assert same(found[name], value), name


METHOD = {
    "views": {"kind": "multi_crop", "large": 2, "large_size": 32},
    "encoder": {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 8, 16], "output_stride": 16},
    "affinity": {
        "vertex": [{"kind": "cosine"}, {"kind": "nearest_patches", "by": "position", "weight": 0.2}],
        "edge": ["cosine_of_differences"],
    },
    "solver": "exhaustive",
    "estimator": {"kind": "imle", "noise": {"kind": "gumbel", "temperature": 3.0}},
}


def make_batch() -> ViewBatch:
    images, views = 8, gmssl.part("views", "multi_crop")
    pixels = torch.randint(256, (2, images, 1, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    return ViewBatch(
        images=tuple(views.plain(crop) for crop in pixels),
        affines=torch.eye(2, 3).expand(2, images, 2, 3),
        photometric=torch.zeros(2, images, 0),
        index=torch.arange(images),
        unreadable=torch.full((images,), -1),
    )


def step(objective: MatchingObjective, batch: ViewBatch) -> dict[str, torch.Tensor]:
    """Loss, costs and gradients of one step, by name."""
    objective.zero_grad()
    done = objective(batch, torch.Generator().manual_seed(1), StageClock())
    done.loss.backward()
    gradients = {name: weight.grad.clone() for name, weight in objective.named_parameters() if weight.grad is not None}
    return {"loss": done.loss.detach(), "costs": done.problem.costs.vertex.detach(), **gradients}


def gradient(estimator: Any, problem: Problem) -> Pairs:
    costs = problem.costs.map(lambda x: x.clone().requires_grad_())
    solver = gmssl.part("solver", "exhaustive")
    matching = estimator.match(solver, problem.with_costs(costs), torch.Generator().manual_seed(0)).matching
    loss = (matching.vertex * problem.costs.vertex).sum() + (matching.edge * problem.costs.edge).sum()
    return Pairs(*torch.autograd.grad(loss, (costs.vertex, costs.edge)))


def same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    """Equal bits, dtype and device."""
    assert one is not None
    assert other is not None
    return one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)
