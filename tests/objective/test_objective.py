"""The training step, on tensors that tell where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Bool, Float, Float32, Int64, jaxtyped
from torch import Tensor

from gmssl.interfaces.views import ViewBatch
from gmssl.objective.health import collapse, measure
from gmssl.objective.maps import cell_centres, flatten_maps
from gmssl.objective.matcher import Step, random_permutations, take
from gmssl.objective.objective import MatchingObjective
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.system.clock import StageClock

BATCH, SIZE = 10, 32
RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def recipe(settings_of_a_recipe: dict[str, Any]) -> Recipe:
    settings_of_a_recipe["views"] = {"kind": "multi_crop", "large": 2, "large_size": SIZE}
    settings_of_a_recipe["encoder"] = {
        "kind": "timm",
        "name": "resnet18",
        "in_channels": 1,
        "channels": [8, 8, 8, 16],
        "output_stride": 16,
    }
    settings_of_a_recipe["affinity"]["vertex"] = [
        {"kind": "cosine", "weight": 0.8},
        {"kind": "nearest_patches", "by": "position", "weight": 0.2},
        {"kind": "nearest_patches", "by": "feature", "weight": 0.2},
    ]
    # Loud noise: a step without a wrong match would have no gradient.
    settings_of_a_recipe["estimator"] = {"kind": "imle", "noise": {"kind": "gumbel", "temperature": 3.0}}
    return load_recipe(settings_of_a_recipe)


def make_batch(seed: int = 0, images: int = BATCH) -> ViewBatch:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(images, 1, SIZE, SIZE, generator=generator)
    # The second view is the same image with a little noise, so that a random encoder matches better than chance.
    second = first + 0.1 * torch.randn(first.shape, generator=generator)
    return ViewBatch(
        images=(first, second),
        affines=torch.eye(2, 3).expand(2, images, 2, 3),
        photometric=torch.zeros(2, images, 0),
        index=torch.arange(images),
        unreadable=torch.full((images,), -1),
    )


def step_of(recipe: Recipe, batch: ViewBatch | None = None, seed: int = 0) -> tuple[MatchingObjective, Step]:
    torch.manual_seed(0)
    objective = MatchingObjective(recipe)
    return objective, objective(batch or make_batch(), torch.Generator().manual_seed(seed), StageClock())


def test_every_weight_gets_a_finite_gradient_and_time_is_counted(recipe: Recipe) -> None:
    torch.manual_seed(0)
    objective, clock = MatchingObjective(recipe), StageClock()
    step = objective(make_batch(), torch.Generator().manual_seed(1), clock)
    step.loss.backward()
    for name, weight in objective.named_parameters():
        assert weight.grad is not None, name
        assert bool(torch.isfinite(weight.grad).all()), name
    assert any(bool(weight.grad.any()) for weight in objective.encoder.parameters() if weight.grad is not None)
    assert set(clock.seconds) == {"encoder", "graph", "costs", "match", "loss"}
    assert step.solution.backward.seconds > 0
    assert step.arrangement.left_out == 2


def test_the_same_seed_gives_the_same_step_bit_for_bit(recipe: Recipe) -> None:
    losses = [step_of(recipe, seed=seed)[1].problem.costs.vertex for seed in (1, 1, 2)]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])


def test_relabelling_permutes_the_problem_and_nothing_else(recipe: Recipe) -> None:
    _, first = step_of(recipe, seed=1)
    _, second = step_of(recipe, seed=2)
    for step in (first, second):
        order = step.relabelling[:, None, :].expand_as(step.problem.costs.vertex)
        identity = torch.eye(order.shape[1]).expand(order.shape)
        assert torch.equal(step.problem.target, identity.gather(2, order))
    back_one, back_two = (
        step.problem.costs.vertex.gather(2, step.relabelling.argsort(1)[:, None, :].expand(-1, 4, -1))
        for step in (first, second)
    )
    torch.testing.assert_close(back_one, back_two)


def test_graphs_do_not_see_each_other(recipe: Recipe) -> None:
    """Costs of a batch are those of its graphs alone (with batch normalisation switched off)."""
    objective, _ = step_of(recipe)
    objective.eval()
    batch = make_batch(images=8)
    whole = objective(batch, torch.Generator().manual_seed(0), StageClock())
    for graph in range(2):
        rows = slice(4 * graph, 4 * graph + 4)
        alone = ViewBatch(
            tuple(x[rows] for x in batch.images),
            batch.affines[:, rows],
            batch.photometric[:, rows],
            batch.index[rows],
            batch.unreadable[rows],
        )
        single = objective(alone, torch.Generator().manual_seed(1), StageClock())
        unlabelled = [
            step.problem.costs.vertex[g].gather(1, step.relabelling[g].argsort()[None].expand(4, -1))
            for step, g in ((whole, graph), (single, 0))
        ]
        torch.testing.assert_close(*unlabelled, atol=1e-5, rtol=1e-4)


def test_a_dead_encoder_matches_at_chance(recipe: Recipe) -> None:
    """All-equal costs: the label must not leak through ties (paper.md §3.8)."""
    torch.manual_seed(0)
    objective = MatchingObjective(recipe)
    with torch.no_grad():
        for weight in objective.parameters():
            weight.zero_()
    batch = make_batch(images=200)
    step = objective(batch, torch.Generator().manual_seed(0), StageClock())
    metrics = measure(step, recipe.solver)
    # 50 graphs of 4 nodes: the share of fixed points has a standard deviation of 0.25 / √50 = 0.035.
    assert abs(metrics["match_accuracy_noiseless"] - 0.25) < 0.15
    assert abs(metrics["match_accuracy"] - 0.25) < 0.15
    assert "collapsed" in str(collapse(metrics)) or "equal embeddings" in str(collapse(metrics))


def test_matching_is_float32_under_bfloat16(recipe: Recipe) -> None:
    torch.manual_seed(0)
    objective = MatchingObjective(recipe)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        step = objective(make_batch(), torch.Generator().manual_seed(0), StageClock())
    assert step.problem.costs.vertex.dtype == torch.float32
    assert step.problem.costs.edge.dtype == torch.float32
    step.loss.backward()
    assert all(bool(torch.isfinite(w.grad).all()) for w in objective.parameters() if w.grad is not None)


def test_margin_makes_the_true_pairs_dearer_and_is_not_measured(recipe: Recipe) -> None:
    recipe_with = load_recipe(recipe.model_dump() | {"margin": 0.5})
    _, plain = step_of(recipe)
    _, margin = step_of(recipe_with)
    assert plain.problem.target is not None
    torch.testing.assert_close(margin.problem.costs.vertex, plain.problem.costs.vertex + 0.5 * plain.problem.target)
    first, second = measure(plain, recipe.solver), measure(margin, recipe.solver)
    assert first["match_accuracy_noiseless"] == second["match_accuracy_noiseless"]


def test_health_of_a_lively_step(recipe: Recipe) -> None:
    _, step = step_of(recipe)
    metrics = measure(step, recipe.solver)
    assert metrics["match_accuracy_noiseless"] > metrics["match_accuracy_chance"] == 0.25
    assert metrics["zero_difference_edges"] == 0
    assert 1 <= metrics["feature_rank"] <= 32
    assert metrics["left_out"] == 2


@given(flip=st.booleans(), row=st.integers(0, 2), column=st.integers(0, 3))
def test_cell_centres_go_back_to_the_original(flip: bool, row: int, column: int) -> None:
    """A crop of 30×40 pixels of a box at (100, 50) that is 80 wide and 90 high."""
    scale_x, scale_y = 80 / 40, 90 / 30
    affine = torch.tensor(
        [[-scale_x, 0, 180.0], [0, scale_y, 50.0]] if flip else [[scale_x, 0, 100.0], [0, scale_y, 50.0]]
    )
    found = cell_centres(torch.Size((3, 4)), torch.Size((30, 40)), affine[None])[0, row * 4 + column]
    from_left = (column + 0.5) / 4
    expected = (100 + 80 * (1 - from_left if flip else from_left), 50 + 90 * (row + 0.5) / 3)
    torch.testing.assert_close(found, torch.tensor(expected))


def test_maps_of_different_sizes_are_padded_and_masked() -> None:
    images = (torch.zeros(2, 1, 32, 32), torch.zeros(2, 1, 16, 16))
    batch = ViewBatch(
        images, torch.eye(2, 3).expand(2, 2, 2, 3), torch.zeros(2, 2, 0), torch.arange(2), torch.arange(2)
    )
    maps = [torch.randn(2, 5, 2, 2), torch.randn(2, 5, 1, 1)]
    vectors, positions, valid = flatten_maps(maps, batch)
    assert vectors.shape == (2, 2, 4, 5)
    assert positions.shape == (2, 2, 4, 2)
    assert valid.tolist() == [[True] * 4, [True, False, False, False]]
    torch.testing.assert_close(vectors[0, 1, 2], maps[0][1, :, 1, 0])
    torch.testing.assert_close(positions[1, 0, 0], torch.tensor([8.0, 8.0]))


@given(st.integers(0, 2**31))
def test_random_permutations(seed: int) -> None:
    nodes = torch.arange(12.0).view(2, 6, 1)
    order = random_permutations(nodes, torch.Generator().manual_seed(seed))
    assert order.sort(1).values.tolist() == [list(range(6))] * 2
    assert torch.equal(take(nodes, order)[..., 0], nodes[..., 0].gather(1, order))


def test_shapes_agree_with_the_legend(recipe: Recipe) -> None:
    """Equal letters are equal sizes in the whole step (legend: gmssl/problem/pairs.py)."""
    _, step = step_of(recipe)
    problem, matching, arrangement = step.problem, step.solution.matching, step.arrangement
    with jaxtyped("context"):
        for tensor, annotation in (
            (step.embeddings_VBD, Float[Tensor, "V B D"]),
            (arrangement.left, Float[Tensor, "G n D"]),
            (arrangement.right, Float[Tensor, "G m D"]),
            (step.nodes[0], Float[Tensor, "G n F_nodes"]),
            (step.nodes[1], Float[Tensor, "G m F_nodes"]),
            (step.relabelling, Int64[Tensor, "G m"]),
            (problem.costs.vertex, Float32[Tensor, "G n m"]),
            (problem.costs.edge, Float32[Tensor, "G E F"]),
            (problem.topology.left, Int64[Tensor, "G E 2"]),
            (problem.topology.right, Int64[Tensor, "G F 2"]),
            (problem.topology.allowed, Bool[Tensor, "G n m"]),
            (problem.target, Float32[Tensor, "G n m"]),
            (matching.vertex, Float32[Tensor, "G n m"]),
            (matching.edge, Float32[Tensor, "G E F"]),
            (step.solution.energy, Float32[Tensor, " G"]),
            (step.solution.converged, Bool[Tensor, " G"]),
        ):
            assert isinstance(tensor, annotation), (tensor, annotation)


@pytest.mark.parametrize("solver", ["lap", "robust_tabu"])
def test_edges_that_no_term_scores_are_no_part_of_the_problem(
    settings_of_a_recipe: dict[str, Any], solver: str
) -> None:
    """Message passing needs a graph; a first-order matching must not see its edges, nor noise on them."""
    settings_of_a_recipe |= {
        "views": {"kind": "multi_crop", "large": 2, "large_size": SIZE},
        "encoder": {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 8, 16]},
        "message_passing": {"kind": "gcn", "width": 8},
        "affinity": {"vertex": ["cosine"]},
        "solver": solver,
    }
    recipe = load_recipe(settings_of_a_recipe)
    _, step = step_of(recipe)
    assert step.problem.costs.edge.shape == (2, 0, 0)
    assert step.edges[0].shape == (2, 8, 2)
    step.loss.backward()
    assert "zero_difference_edges" in measure(step, recipe.solver)


def test_weights_keep_their_names() -> None:
    """Checkpoints of every version have the main problem's weights at the top, in the order optimisers know."""
    recipe = load_recipe(RECIPES / "vicregl_r18.yaml", ["data={kind: phantoms}", "teacher={momentum: 0.9}"])
    objective = MatchingObjective(recipe)
    names = list(objective.state_dict())
    assert {name.partition(".")[0] for name in names} == {"encoder", "projector", "further", "teacher"}
    assert all(name.startswith("further.0.") for name in names if name.startswith("further."))
    other = MatchingObjective(recipe)
    other.load_state_dict(objective.state_dict(), strict=True)
    for one, two in zip(objective.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*main\.stray"):
        other.load_state_dict({**objective.state_dict(), "stray": torch.ones(1)}, strict=True)
