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

from gmssl.interfaces.views import ViewBatch
from gmssl.objective.objective import MatchingObjective
from gmssl.recipe.recipe import load_recipe
from gmssl.system.clock import StageClock

RECIPES = Path(__file__).parents[2] / "recipes"
Views = tuple[torch.Tensor, ...]


class Features(nn.Module):
    """An encoder that is given its features."""

    channels = 1

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return features[:, :, None, None], features


class Nothing(nn.Identity):
    channels = 1


def objective(name: str, channels: int, overrides: tuple[str, ...] = (), dtype: torch.dtype = torch.float32):
    """The objective of a shipped recipe without its encoder and projector; what is thrown away is built small."""
    small = ["encoder={kind: timm, name: resnet18, channels: [8, 8, 8, 16]}", "data={kind: phantoms}"]
    recipe = load_recipe(RECIPES / f"{name}.yaml", [*small, f"projector.widths=[{channels}]", *overrides])
    model = MatchingObjective(recipe).to(dtype)
    model.encoder, model.main.projector = Features(), Nothing()
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


def byol_of_the_paper(embeddings: Views, teacher: nn.Module, weights: Views) -> torch.Tensor:
    """Σ over both directions of the mean of 2 − 2 cos(q(z), z') (Grill et al. 2020, Eq. 2), with nothing of ours.

    That is twice our loss plus 4: ours is the mean over directions, and has no constant. q is linear, batch
    normalisation, ReLU, linear. As in our heads, statistics are those of both views together; the authors' code takes
    one view at a time.
    """
    first, scale, shift, last, bias = weights
    hidden = torch.cat(embeddings) @ first.mT
    hidden = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + 1e-5).sqrt() * scale + shift
    predicted = (hidden.clamp(min=0) @ last.mT + bias).chunk(2)
    seen = [teacher(e).detach() for e in embeddings]
    cosines = [(q * z).sum(1) / (q.norm(dim=1) * z.norm(dim=1)) for q, z in zip(predicted, reversed(seen), strict=True)]
    return sum((2 - 2 * cosine).mean() for cosine in cosines)


EXACT = 1e-10, torch.float64
SINGLE = 1e-5, torch.float32
TEMPERATURES = st.sampled_from([0.05, 0.1, 0.2, 0.5, 1.0])
SIZES = st.sampled_from(["r18", "r50"])
# From four: with fewer, all rows may be right by chance, and gradients be differences (x − x*) / τ that leave float32
# fewer than five digits.
BATCHES, CHANNELS, NUMBERS = st.integers(4, 12), st.integers(3, 8), st.integers(4, 16)


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


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
@settings(max_examples=15)
@given(
    seed=st.integers(0, 999),
    size=SIZES,
    batch=BATCHES,
    channels=CHANNELS,
    temperature=TEMPERATURES,
)
def test_simclr_at_any_temperature(
    relative: float, dtype: torch.dtype, seed: int, size: str, batch: int, channels: int, temperature: float
) -> None:
    model = objective(f"simclr_{size}", channels, (f"solver.temperature={temperature}",), dtype)
    embeddings = views(seed, 2, batch, channels, dtype)
    expect_equal(loss_of(model, embeddings), simclr(embeddings, temperature), embeddings, relative)


def test_vicreg_of_the_paper() -> None:
    """The paper (Eq. 6) adds up the variance terms of both views, the authors' code and lightly average them."""
    paper = ("regularisers.0.weight=50",)
    embeddings = views(0, 2, 16, 8, torch.float64)
    ours = loss_of(objective("vicreg_r18", 8, paper, torch.float64), embeddings)
    theirs = reference.VICRegLoss(lambda_param=25, mu_param=50, nu_param=1)(*embeddings)
    expect_equal(ours, theirs, embeddings, 1e-10)


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
@settings(max_examples=5)
@given(seed=st.integers(0, 999), hidden=NUMBERS, batch=st.sampled_from([16, 32]), channels=CHANNELS)
def test_byol_behind_its_predictor(
    relative: float, dtype: torch.dtype, seed: int, hidden: int, batch: int, channels: int
) -> None:
    """Also the gradient of the predictor's weights; a teacher that projects otherwise tells apart who sees what."""
    for size in ("r18", "r50"):
        torch.manual_seed(seed)
        model = objective(f"byol_{size}", channels, (f"predictor.widths=[{hidden},{channels}]",), dtype)
        projected = nn.Linear(channels, channels, dtype=dtype)
        model.teacher.copies["projector"] = projected
        embeddings = views(seed, 2, batch, channels, dtype)
        weights = tuple(model.main.predictor.parameters())
        expected = byol_of_the_paper(embeddings, projected, weights) / 2 - 2
        expect_equal(loss_of(model, embeddings), expected, (*embeddings, *weights), relative)


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
@settings(max_examples=10)
@given(
    seed=st.integers(0, 999),
    small=st.integers(0, 2),
    batch=BATCHES,
    channels=CHANNELS,
    number=NUMBERS,
    temperature=TEMPERATURES,
)
def test_swav(
    relative: float,
    dtype: torch.dtype,
    seed: int,
    small: int,
    batch: int,
    channels: int,
    number: int,
    temperature: float,
) -> None:
    overrides = (f"vertices.number={number}", f"views.small={small}", f"solver.temperature={temperature}")
    for size in ("r18", "r50"):
        torch.manual_seed(seed)
        model = objective(f"swav_{size}", channels, overrides, dtype)
        embeddings = views(seed, 2 + small, batch, channels, dtype)
        directions = nn.functional.normalize(model.main.vertices.prototypes, dim=1)
        scores = [nn.functional.normalize(e, dim=1) @ directions.mT for e in embeddings]
        theirs = reference.SwaVLoss(temperature=temperature, sinkhorn_iterations=3, sinkhorn_epsilon=0.05)(
            scores[:2], scores[2:]
        )
        expect_equal(loss_of(model, embeddings), theirs, (*embeddings, model.main.vertices.prototypes), relative)


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
@settings(max_examples=10)
@given(
    seed=st.integers(0, 999),
    size=SIZES,
    small=st.integers(0, 2),
    batch=BATCHES,
    channels=CHANNELS,
    number=NUMBERS,
    temperature=TEMPERATURES,
    sharp=st.sampled_from([0.03125, 0.0625, 0.25]),
)
def test_dino(
    relative: float,
    dtype: torch.dtype,
    seed: int,
    size: str,
    small: int,
    batch: int,
    channels: int,
    number: int,
    temperature: float,
    sharp: float,
) -> None:
    """Three steps, so that the centre has moved; the teacher's prototypes differ from the student's.

    lightly rounds the teacher's temperature to float32, hence powers of two, which that does not change.
    """
    overrides = (
        f"vertices.number={number}", f"views.small={small}", f"solver.temperature={temperature}",
        f"target.temperature={sharp}",
    )  # fmt: skip
    torch.manual_seed(seed)
    model = objective(f"dino_{size}", channels, overrides, dtype)
    teacher = model.teacher.copies["vertices"].prototypes
    teacher.data += torch.randn(teacher.shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    theirs = reference.DINOLoss(number, student_temp=temperature, warmup_teacher_temp_epochs=0).to(dtype)
    for step in range(3):
        embeddings = views(seed + step, 2 + small, batch, channels, dtype)
        units = [nn.functional.normalize(e, dim=1) for e in embeddings]
        student = [u @ nn.functional.normalize(model.main.vertices.prototypes, dim=1).mT for u in units]
        seen = [(u @ nn.functional.normalize(teacher, dim=1).mT).detach() for u in units[:2]]
        expected = theirs(seen, student, teacher_temp=sharp)
        expect_equal(loss_of(model, embeddings), expected, (*embeddings, model.main.vertices.prototypes), relative)


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
@settings(max_examples=10)
@given(
    seed=st.integers(0, 999),
    size=SIZES,
    batch=BATCHES,
    rounds=st.integers(1, 3),
    channels=CHANNELS,
    temperature=TEMPERATURES,
)
def test_moco(
    relative: float,
    dtype: torch.dtype,
    seed: int,
    size: str,
    batch: int,
    rounds: int,
    channels: int,
    temperature: float,
) -> None:
    """Through the memory bank, which begins as our queue and goes round twice by itself.

    The batch divides the size, as the authors' code asks; `test_the_queue_forgets_the_oldest` has another.
    """
    overrides = (f"vertices.size={rounds * batch}", f"solver.temperature={temperature}")
    torch.manual_seed(seed)
    model = objective(f"moco_v2_{size}", channels, overrides, dtype)
    model.main.vertices.keys = nn.functional.normalize(model.main.vertices.keys, dim=1)  # they were drawn in float32
    theirs = reference.NTXentLoss(temperature=temperature, memory_bank_size=(rounds * batch, channels)).to(dtype)
    theirs.memory_bank.bank = model.main.vertices.keys.clone()
    for step in range(2 * rounds + 1):
        embeddings = views(seed + step, 2, batch, channels, dtype)
        expected = theirs(embeddings[0], embeddings[1].detach())
        expect_equal(loss_of(model, embeddings), expected, embeddings, relative)


def test_the_queue_forgets_the_oldest() -> None:
    """lightly's bank, unlike the paper's queue, loses keys where a batch does not fit at the end."""
    model = objective("moco_v2_r18", 4, ("vertices.size=12",))
    theirs = reference.NTXentLoss(memory_bank_size=(12, 4))
    seen = []
    for step in range(4):
        embeddings = views(step, 2, 8, 4, torch.float32)
        loss_of(model, embeddings)
        theirs(embeddings[0], embeddings[1].detach())
        seen.append(nn.functional.normalize(embeddings[1].detach(), dim=1))
    torch.testing.assert_close(theirs.memory_bank.bank, torch.cat(seen)[-16:-4])
    last = torch.cat(seen)[-12:]
    kept = model.main.vertices.keys
    assert (torch.cdist(last, kept).amin(1) < 1e-6).all()
    model.eval()
    loss_of(model, views(9, 2, 8, 4, torch.float32))
    assert torch.equal(model.main.vertices.keys, kept)


def test_the_teacher_follows() -> None:
    model = objective("byol_r18", 4, ["predictor=null"])
    model.teacher.copies["projector"], model.main.projector = nn.Linear(4, 4), nn.Linear(4, 4)
    old, new = model.teacher.copies["projector"].weight.clone(), model.main.projector.weight.clone()
    model.follow(0.5)
    momentum = 1 - (1 - 0.99) * 0.5
    torch.testing.assert_close(model.teacher.copies["projector"].weight, momentum * old + (1 - momentum) * new)
    model.follow(1.0)  # final: 1
    torch.testing.assert_close(model.teacher.copies["projector"].weight, momentum * old + (1 - momentum) * new)
    assert not any(p.requires_grad for p in model.teacher.copies["vertices"].parameters())
