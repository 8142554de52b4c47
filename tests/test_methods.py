"""Every method is a recipe: value and gradient of the shipped ones equal the losses of an independent library.

lightly is the reference. Embeddings enter where the projector's output would; everything behind it is the recipe's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly import loss as reference
from torch import nn

from gmssl.clock import StageClock
from gmssl.interfaces.views import ViewBatch
from gmssl.objective import MatchingObjective
from gmssl.recipe import load_recipe

RECIPES = Path(__file__).parents[1] / "recipes"
Views = tuple[torch.Tensor, ...]


class Features(nn.Module):
    """An encoder that is given its features."""

    channels = 1

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return features[:, :, None, None], features


class Nothing(nn.Identity):
    channels = 1


def objective(name: str, channels: int, overrides: tuple[str, ...] = (), dtype: torch.dtype = torch.float32):
    """The objective of a shipped recipe without its encoder and projector."""
    recipe = load_recipe(
        RECIPES / f"{name}.yaml", [f"projector.widths=[{channels}]", "data={kind: phantoms}", *overrides]
    )
    model = MatchingObjective(recipe).to(dtype)
    model.encoder, model.projector = Features(), Nothing()
    if model.teacher is not None:
        model.teacher.copies["encoder"], model.teacher.copies["projector"] = Features(), Nothing()
    return model


def views(seed: int, count: int, batch: int, channels: int, dtype: torch.dtype) -> Views:
    random = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(batch, channels, generator=random, dtype=dtype).requires_grad_() for _ in range(count))


def loss_of(model: MatchingObjective, embeddings: Views) -> torch.Tensor:
    nothing = torch.zeros(len(embeddings), 0)
    batch = ViewBatch(embeddings, nothing, nothing, nothing[0].long(), nothing[0].long())
    return model(batch, None, StageClock()).loss


def expect_equal(ours: torch.Tensor, theirs: torch.Tensor, embeddings: Views, relative: float) -> None:
    """Value and gradients; gradients relative to the largest."""
    assert ours.item() == pytest.approx(theirs.item(), rel=relative, abs=relative)
    wanted = torch.autograd.grad(theirs, embeddings, allow_unused=True)
    for own, other in zip(torch.autograd.grad(ours, embeddings, allow_unused=True), wanted, strict=True):
        if other is None or own is None:
            assert all(x is None or not x.any() for x in (own, other))
            continue
        torch.testing.assert_close(own, other, rtol=0, atol=relative * max(float(other.abs().max()), 1e-3))


def simclr(e: Views, temperature: float = 0.1) -> torch.Tensor:
    return reference.NTXentLoss(temperature=temperature)(*e)


def barlow_twins(e: Views) -> torch.Tensor:
    return reference.BarlowTwinsLoss(lambda_param=0.0051)(*e)


def vicreg(e: Views) -> torch.Tensor:
    return reference.VICRegLoss(lambda_param=25, mu_param=25, nu_param=1)(*e)


def byol(e: Views) -> torch.Tensor:
    """lightly's is −cos of one direction; the paper's (Eq. 2) is the sum of 2 − 2 cos over both."""
    one, other = e
    similarity = reference.NegativeCosineSimilarity()
    return similarity(one, other.detach()) + similarity(other, one.detach())


EXACT = 1e-10, torch.float64
SINGLE = 1e-5, torch.float32


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
@pytest.mark.parametrize(
    ("name", "expected"),
    [("simclr", simclr), ("barlow_twins", barlow_twins), ("vicreg", vicreg), ("byol", byol)],
)
@settings(max_examples=15)
@given(seed=st.integers(0, 99), batch=st.sampled_from([16, 32]), channels=st.integers(2, 24))
def test_two_views(
    name: str,
    expected: Callable[[Views], torch.Tensor],
    relative: float,
    dtype: torch.dtype,
    seed: int,
    batch: int,
    channels: int,
) -> None:
    for size in ("r18", "r50"):
        model = objective(f"{name}_{size}", channels, ("predictor=null",) if name == "byol" else (), dtype)
        embeddings = views(seed, 2, batch, channels, dtype)
        expect_equal(loss_of(model, embeddings), expected(embeddings), embeddings, relative)


@settings(max_examples=15)
@given(seed=st.integers(0, 99), temperature=st.sampled_from([0.05, 0.1, 0.5, 1.0]))
def test_simclr_at_any_temperature(seed: int, temperature: float) -> None:
    model = objective("simclr_r18", 8, (f"solver.temperature={temperature}",), torch.float64)
    embeddings = views(seed, 2, 7, 8, torch.float64)
    expect_equal(loss_of(model, embeddings), simclr(embeddings, temperature), embeddings, 1e-10)


def test_vicreg_of_the_paper() -> None:
    """The paper (Eq. 6) adds up the variance terms of both views, the authors' code and lightly average them."""
    paper = ("regularisers.0.weight=50",)
    embeddings = views(0, 2, 16, 8, torch.float64)
    ours = loss_of(objective("vicreg_r18", 8, paper, torch.float64), embeddings)
    theirs = reference.VICRegLoss(lambda_param=25, mu_param=50, nu_param=1)(*embeddings)
    expect_equal(ours, theirs, embeddings, 1e-10)


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
@settings(max_examples=10)
@given(seed=st.integers(0, 99), small=st.integers(0, 2))
def test_swav(relative: float, dtype: torch.dtype, seed: int, small: int) -> None:
    overrides = ("vertices.number=12", f"views.small={small}")
    for size in ("r18", "r50"):
        model = objective(f"swav_{size}", 6, overrides, dtype)
        embeddings = views(seed, 2 + small, 10, 6, dtype)
        directions = nn.functional.normalize(model.vertices.prototypes, dim=1)
        scores = [nn.functional.normalize(e, dim=1) @ directions.mT for e in embeddings]
        theirs = reference.SwaVLoss(temperature=0.1, sinkhorn_iterations=3, sinkhorn_epsilon=0.05)(
            scores[:2], scores[2:]
        )
        expect_equal(loss_of(model, embeddings), theirs, (*embeddings, model.vertices.prototypes), relative)


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
@settings(max_examples=10)
@given(seed=st.integers(0, 99), small=st.integers(0, 2))
def test_dino(relative: float, dtype: torch.dtype, seed: int, small: int) -> None:
    """Three steps, so that the centre has moved; the teacher's prototypes differ from the student's.

    lightly rounds the teacher's temperature to float32, hence one that it cannot change.
    """
    overrides = ("vertices.number=12", f"views.small={small}", "target.temperature=0.0625")
    model = objective("dino_r18", 6, overrides, dtype)
    teacher = model.teacher.copies["vertices"].prototypes
    teacher.data += torch.randn(teacher.shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    theirs = reference.DINOLoss(12, student_temp=0.1, teacher_temp=0.04, warmup_teacher_temp_epochs=0).to(dtype)
    for step in range(3):
        embeddings = views(seed + step, 2 + small, 10, 6, dtype)
        units = [nn.functional.normalize(e, dim=1) for e in embeddings]
        student = [u @ nn.functional.normalize(model.vertices.prototypes, dim=1).mT for u in units]
        seen = [(u @ nn.functional.normalize(teacher, dim=1).mT).detach() for u in units[:2]]
        expected = theirs(seen, student, teacher_temp=0.0625)
        expect_equal(loss_of(model, embeddings), expected, (*embeddings, model.vertices.prototypes), 3 * relative)


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
def test_moco(relative: float, dtype: torch.dtype) -> None:
    """Through the memory bank, until it has gone round."""
    model = objective("moco_v2_r18", 6, ("vertices.size=20",), dtype)
    theirs = reference.NTXentLoss(temperature=0.2, memory_bank_size=(20, 6))
    for step in range(6):
        embeddings = views(step, 2, 8, 6, dtype)
        theirs.memory_bank.bank = nn.functional.normalize(model.vertices.keys, dim=1)  # the first were drawn in float32
        expected = theirs(embeddings[0], embeddings[1].detach())
        expect_equal(loss_of(model, embeddings), expected, embeddings, relative)


def test_the_queue_forgets_the_oldest() -> None:
    model = objective("moco_v2_r18", 4, ("vertices.size=12",))
    seen = []
    for step in range(4):
        embeddings = views(step, 2, 8, 4, torch.float32)
        loss_of(model, embeddings)
        seen.append(nn.functional.normalize(embeddings[1].detach(), dim=1))
    last = torch.cat(seen)[-12:]
    kept = model.vertices.keys
    assert (torch.cdist(last, kept).amin(1) < 1e-6).all()
    model.eval()
    loss_of(model, views(9, 2, 8, 4, torch.float32))
    assert torch.equal(model.vertices.keys, kept)


def test_the_teacher_follows() -> None:
    model = objective("byol_r18", 4)
    model.teacher.copies["projector"], model.projector = nn.Linear(4, 4), nn.Linear(4, 4)
    old, new = model.teacher.copies["projector"].weight.clone(), model.projector.weight.clone()
    model.follow(0.5)
    momentum = 1 - (1 - 0.99) * 0.5
    torch.testing.assert_close(model.teacher.copies["projector"].weight, momentum * old + (1 - momentum) * new)
    model.follow(1.0)  # final: 1
    torch.testing.assert_close(model.teacher.copies["projector"].weight, momentum * old + (1 - momentum) * new)
    assert not any(p.requires_grad for p in model.teacher.copies["vertices"].parameters())
