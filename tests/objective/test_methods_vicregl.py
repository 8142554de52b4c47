"""VICRegL is two matching problems over one encoding: equal to lightly's loss, and to the paper's formula.

Maps and pooled embeddings enter where the projectors' outputs would; everything behind them is the recipe's.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import VICRegLLoss
from torch import nn

from gmssl.errors import RecipeError
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.health import measure
from gmssl.objective.matcher import Encoded
from gmssl.objective.objective import MatchingObjective, encode
from gmssl.recipe.recipe import load_recipe
from gmssl.system.clock import StageClock

RECIPES = Path(__file__).parents[2] / "recipes"
LOCAL, GLOBAL = 5, 7
EXACT = 1e-10, torch.float64
SINGLE = 1e-5, torch.float32


class Given(nn.Module):
    """An encoder whose images are the map, and in their first cell the pooled embedding."""

    channels = GLOBAL

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images[:, :LOCAL], images[:, LOCAL:, 0, 0]


class Nothing(nn.Identity):
    channels = 1


def objective(size: str, overrides: tuple[str, ...], dtype: torch.dtype) -> MatchingObjective:
    narrow = [
        f"projector.widths=[{GLOBAL}]", f"further.0.projector.widths=[{LOCAL}]", "data={kind: phantoms}",
        "encoder={kind: timm, name: resnet18, channels: [8, 8, 8, 16]}",
    ]  # fmt: skip
    recipe = load_recipe(RECIPES / f"vicregl_{size}.yaml", [*narrow, *overrides])
    model = MatchingObjective(recipe).to(dtype)
    model.encoder = Given()
    for matcher in model.matchers:
        matcher.projector = Nothing()
    return model


def views(seed: int, grids: list[tuple[int, int]], batch: int, dtype: torch.dtype) -> ViewBatch:
    random = torch.Generator().manual_seed(seed)
    images = tuple(torch.randn(batch, LOCAL + GLOBAL, *grid, generator=random, dtype=dtype) for grid in grids)
    affines = torch.randn(len(grids), batch, 2, 3, generator=random, dtype=dtype)
    return ViewBatch(
        tuple(image.requires_grad_() for image in images),
        affines,
        torch.zeros(len(grids), batch, 0),
        torch.arange(batch),
        torch.full((batch,), -1),
    )


def cell_positions(batch: ViewBatch, view: int) -> torch.Tensor:
    """`[B,h,w,2]`, cell by cell."""
    image, affine = batch.images[view].detach(), batch.affines[view]
    found = torch.empty(len(image), *image.shape[2:], 2, dtype=image.dtype)
    for row in range(image.shape[2]):
        for column in range(image.shape[3]):
            found[:, row, column] = affine @ torch.tensor([column + 0.5, row + 0.5, 1.0], dtype=image.dtype)
    return found


def of_lightly(batch: ViewBatch, alpha: float, matches: tuple[int, int]) -> torch.Tensor:
    features = [(image[:, LOCAL:, 0, 0], image[:, :LOCAL].permute(0, 2, 3, 1)) for image in batch.images]
    grids = [cell_positions(batch, view) for view in range(len(features))]
    small = (features[2:], grids[2:]) if len(features) > 2 else (None, None)
    return VICRegLLoss(alpha=alpha, num_matches=matches)(features[:2], grids[:2], *small).squeeze()


def of_the_paper(batch: ViewBatch, alpha: float, best: int) -> torch.Tensor:
    """α l(z, z') + (1 − α) (L_s + L_d) of two views, with both directions of L_s and L_d averaged; all in plain loops.

    l is VICReg of the paper: the variance and covariance terms of both branches are added (Eq. 6 there). L is the mean
    of l over the γ pairs.
    """

    def vicreg(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        total = 25 * (one - other).square().mean()
        for z in (one, other):
            total = total + 25 * torch.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()
            covariance = torch.cov(z.mT)
            total = total + (covariance - torch.diag(torch.diag(covariance))).square().sum() / z.shape[1]
        return total

    one, other = batch.images
    total = alpha * vicreg(one[:, LOCAL:, 0, 0], other[:, LOCAL:, 0, 0])
    cells = [image[:, :LOCAL].flatten(2).mT for image in (one, other)]
    places = [cell_positions(batch, view).flatten(1, 2) for view in (0, 1)]
    for compared in (places, cells):
        for a, b in ((0, 1), (1, 0)):
            pairs = []
            for image in range(len(one)):
                far = (compared[a][image][:, None] - compared[b][image][None]).norm(dim=2).detach()
                order = sorted(range(len(far)), key=lambda p: float(far[p].min()))[:best]
                pairs.append([(p, int(far[p].argmin())) for p in order])
            slots = range(len(pairs[0]))
            local = [
                vicreg(
                    torch.stack([cells[a][image, pairs[image][slot][0]] for image in range(len(one))]),
                    torch.stack([cells[b][image, pairs[image][slot][1]] for image in range(len(one))]),
                )
                for slot in slots
            ]
            total = total + (1 - alpha) * 0.5 * torch.stack(local).mean()
    return total


def expect_equal(ours: torch.Tensor, theirs: torch.Tensor, batch: ViewBatch, relative: float) -> None:
    """Value and gradients; gradients relative to the largest."""
    assert ours.item() == pytest.approx(theirs.item(), rel=relative)
    wanted = torch.autograd.grad(theirs, batch.images, retain_graph=True)
    for own, other in zip(torch.autograd.grad(ours, batch.images), wanted, strict=True):
        torch.testing.assert_close(own, other, rtol=0, atol=relative * float(other.abs().max()))


def shares(alpha: float, *further: float) -> tuple[str, ...]:
    return (f"weight={alpha}", *(f"further.{number}.weight={weight}" for number, weight in enumerate(further)))


sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))
alphas = st.sampled_from([0.25, 0.5, 0.75, 0.9])


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
@settings(max_examples=20)
@given(
    seed=st.integers(0, 999),
    batch=st.sampled_from([4, 8]),
    large=sizes,
    small=st.lists(sizes, max_size=2),
    alpha=alphas,
    best=st.integers(1, 20),
)
def test_lightly(
    relative: float, dtype: torch.dtype, seed: int, batch: int, large: tuple, small: list, alpha: float, best: int
) -> None:
    """Over sizes of maps, also unequal ones and with fewer cells than γ, numbers of small crops, α and γ."""
    overrides = (
        f"vertices.per_graph={batch}",
        f"views.small={len(small)}",
        f"further.0.vertices.best={best}",
        *shares(alpha, 2 * (1 - alpha)),
    )
    given_views = views(seed, [large, large, *small], batch, dtype)
    expected = of_lightly(given_views, alpha, (best, best))
    for size in ("r18", "r50"):
        ours = objective(size, overrides, dtype)(given_views, None, StageClock()).loss
        expect_equal(ours, expected, given_views, relative)


@settings(max_examples=10)
@given(seed=st.integers(0, 999), alpha=alphas, first=st.integers(1, 9), second=st.integers(1, 9))
def test_lightly_with_a_number_of_matches_for_each_direction(seed: int, alpha: float, first: int, second: int) -> None:
    """lightly and the authors' code take 20 in one direction and 4 in the other: two further problems."""
    model = objective("r18", ("vertices.per_graph=4", "views.small=1"), torch.float64)
    settings_of_it = model.settings.model_dump(mode="json")
    (both,) = settings_of_it["further"]
    settings_of_it["weight"] = alpha
    settings_of_it["further"] = [
        both | {"weight": 1 - alpha, "vertices": {"kind": "patches", "best": best, "search": search}}
        for search, best in (("left", first), ("right", second))
    ]
    model = MatchingObjective(load_recipe(settings_of_it)).double()
    model.encoder = Given()
    for matcher in model.matchers:
        matcher.projector = Nothing()
    given_views = views(seed, [(3, 3), (3, 3), (2, 2)], 4, torch.float64)
    ours = model(given_views, None, StageClock()).loss
    expect_equal(ours, of_lightly(given_views, alpha, (first, second)), given_views, 1e-10)


@settings(max_examples=10)
@given(seed=st.integers(0, 999), alpha=alphas, best=st.integers(1, 9), grid=sizes)
def test_the_paper(seed: int, alpha: float, best: int, grid: tuple[int, int]) -> None:
    """The paper adds up the variance and covariance terms of both branches, which lightly averages."""
    paper = tuple(
        f"{place}regularisers.{number}.weight={weight}"
        for place in ("", "further.0.")
        for number, weight in enumerate((50, 2))
    )
    overrides = ("vertices.per_graph=4", f"further.0.vertices.best={best}", *shares(alpha, 2 * (1 - alpha)), *paper)
    given_views = views(seed, [grid, grid], 4, torch.float64)
    ours = objective("r18", overrides, torch.float64)(given_views, None, StageClock()).loss
    expect_equal(ours, of_the_paper(given_views, alpha, best), given_views, 1e-10)


def test_the_main_problem_alone_is_vicreg() -> None:
    """What the step describes is the images; the loss is that of both problems."""
    given_views = views(0, [(2, 2), (2, 2)], 8, torch.float64)
    overrides = ("vertices.per_graph=4",)
    both = objective("r18", overrides, torch.float64)
    step = both(given_views, None, StageClock())
    alone = objective("r18", (*overrides, "weight=1", "further.0.weight=0"), torch.float64)
    images = alone(given_views, None, StageClock())
    without = objective("r18", (*overrides, "weight=0"), torch.float64)(given_views, None, StageClock())
    torch.testing.assert_close(step.loss, 0.75 * images.loss + without.loss)
    assert torch.equal(step.problem.costs.vertex, images.problem.costs.vertex)
    assert step.arrangement.sources is not None
    assert measure(step, both.settings.solver)["left_out"] == 0


def a_small_one(overrides: list[str]) -> tuple[MatchingObjective, ViewBatch]:
    """With an encoder and heads of its own, and views of two sizes."""
    narrow = [
        "data={kind: phantoms}", "views.large_size=32", "views.small=1", "views.small_size=16",
        "encoder.channels=[8, 8, 8, 16]", "vertices.per_graph=4",
        "projector.widths=[6]", "further.0.projector.widths=[6]",
    ]  # fmt: skip
    torch.manual_seed(0)
    model = MatchingObjective(load_recipe(RECIPES / "vicregl_r18.yaml", [*narrow, *overrides]))
    random = torch.Generator().manual_seed(0)
    images = tuple(torch.randn(4, 1, size, size, generator=random) for size in (32, 32, 16))
    affines = torch.eye(2, 3).repeat(3, 4, 1, 1)
    affines[..., 2] = 500 + torch.rand(3, 4, 2, generator=random)
    return model, ViewBatch(images, affines, torch.zeros(3, 4, 0), torch.arange(4), torch.full((4,), -1))


def test_local_heads_learn_and_the_teacher_follows_them() -> None:
    model, batch = a_small_one(["teacher={momentum: 0.5}"])
    model(batch, None, StageClock()).loss.backward()
    assert all(w.grad is not None and bool(w.grad.any()) for w in model.further[0].projector.parameters())
    copied = model.teacher.copies["projector_1"]
    with torch.no_grad():
        for weight in model.further[0].parameters():
            weight.add_(1)
    before = [w.clone() for w in copied.parameters()]
    model.follow(0)
    for old, new in zip(before, copied.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.5)


def test_positions_are_exact_under_bfloat16() -> None:
    """A pixel far from the corner of a large image is not rounded to the next even one."""
    found = []
    for enabled in (False, True):
        model, batch = a_small_one(["further.0.vertices.by=position"])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            encoded = Encoded(batch, model.settings.views.pairs, *encode(model.encoder, batch.images))
            embedded = model.further[0].embed(encoded, None)
            assert torch.isfinite(model(batch, None, StageClock()).loss)
        found.append(embedded.projected.positions)
    for exact, other in zip(*found, strict=True):
        assert torch.equal(exact, other)
        assert other.dtype == torch.float32


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("further.0.solver=lap", ["further.0: estimator 'exact'", "zero gradients", "given"]),
        ("further.0.loss=hamming", ["further.0: solver 'given'", "energy"]),
        ("further.0.target=swap", ["further.0: target 'swap'", "use target identity"]),
        ("further.0.vertices=queue", ["further.0: vertices 'queue'", "add teacher"]),
        ("further.0.vertices={kind: images, per_graph: 999}", ["further.0: vertices.per_graph is 999", "lower"]),
        (
            "further.0.affinity.vertex=[squared_distance, nearest_patches]",
            ["further.0: affinity", "use vertices images"],
        ),
        ("further.0.affinity.edge=[cosine_of_differences]", ["further.0: affinity.edge", "knn"]),
        ("further.0.solvr=lap", ["further.0.solvr: unknown key", "did you mean 'solver'?"]),
        ("further.0.vertices.best=0", ["further.0.vertices.best", "greater than or equal to 1"]),
        ("further.0.weight=-1", ["further.0.weight", "greater than or equal to 0"]),
        ("further=3", ["further: a list is needed"]),
        ("further.1.weight=2", ["further.1", "use 0..0"]),
        ("train.batch=1", ["2 images or more", "raise train.batch"]),
    ],
)
def test_faults_of_further_problems_name_their_place(override: str, parts: list[str]) -> None:
    overrides = ["vertices=both_views", "target=swap", override] if override == "train.batch=1" else [override]
    with pytest.raises(RecipeError) as caught:
        load_recipe(RECIPES / "vicregl_r18.yaml", overrides)
    for part in parts:
        assert part in str(caught.value)
