"""DeepCluster-v2: value and gradient of the shipped recipes equal an independent reference; two processes equal one.

lightly has no such loss, so the reference is a cross-entropy over cosines with centroids, whose labels are found by
brute force in a memory of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from gmssl.interfaces.vertices import Encoding, Epoch
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.objective import MatchingObjective
from gmssl.recipe.recipe import load_recipe
from gmssl.system.clock import StageClock
from gmssl.testing.processes import in_processes

RECIPES = Path(__file__).parents[2] / "recipes"
IMAGES, CHANNELS = 24, 5
EXACT = 1e-10, torch.float64
SINGLE = 1e-5, torch.float32


class Features(nn.Module):
    """An encoder with a weight, that is given its features."""

    channels = CHANNELS

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(CHANNELS))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = features @ self.weight
        return features[:, :, None, None], features


class Nothing(nn.Identity):
    channels = CHANNELS


def objective(size: str, overrides: tuple[str, ...], dtype: torch.dtype) -> MatchingObjective:
    narrow = [
        f"projector.widths=[{CHANNELS}]", "data={kind: phantoms}",
        "encoder={kind: timm, name: resnet18, channels: [8, 8, 8, 16]}",
    ]  # fmt: skip
    torch.manual_seed(0)
    model = MatchingObjective(load_recipe(RECIPES / f"deepcluster_v2_{size}.yaml", [*narrow, *overrides]))
    model.encoder, model.main.projector = Features(), Nothing()
    return model.to(dtype)


def views(seed: int, count: int, images: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(images, CHANNELS, generator=random, dtype=dtype) for _ in range(count))


def begin(model: MatchingObjective, number: int, everything: tuple[torch.Tensor, ...], rows: slice) -> None:
    """An epoch, whose look at all images is a look at `everything`; this rank sees `rows` of each six images."""

    def encodings() -> Iterator[Encoding]:
        for part in torch.arange(IMAGES).split(6):
            yield Encoding(torch.stack(everything)[:, part[rows]], part[rows])

    model.main.vertices.begin_epoch(Epoch(number, IMAGES, number, model.settings.views.pairs, encodings))


def loss_of(model: nn.Module, images: tuple[torch.Tensor, ...], index: torch.Tensor) -> torch.Tensor:
    nothing = torch.zeros(len(images), len(index), 0)
    return model(ViewBatch(images, nothing, nothing, index, torch.full_like(index, -1)), None, StageClock()).loss


def reference(
    model: MatchingObjective, seen: list[torch.Tensor], images: tuple[torch.Tensor, ...], index: torch.Tensor, own: bool
) -> torch.Tensor:
    """Mean over pairs and clusterings; `seen` is what was last seen of each image in each large view."""
    temperature, losses = model.settings.solver.temperature, []
    for left, right in model.settings.views.pairs:
        for head, number in enumerate(model.settings.vertices.numbers):
            centroids = model.main.vertices.centroids[head, :number]
            asked = seen[head % 2 if own else right][index]
            cosines = nn.functional.cosine_similarity(asked[:, None], centroids, dim=2)
            scores = normalize(images[left], dim=1) @ centroids.mT / temperature
            losses.append(cross_entropy(scores, cosines.argmax(1)))
    return torch.stack(losses).mean()


@pytest.mark.parametrize(("relative", "dtype"), [SINGLE, EXACT])
@settings(max_examples=10)
@given(
    seed=st.integers(0, 999),
    size=st.sampled_from(["r18", "r50"]),
    small=st.integers(0, 2),
    numbers=st.lists(st.integers(2, 12), min_size=1, max_size=4),
    batch=st.integers(2, 16),
    temperature=st.sampled_from([0.05, 0.1, 1.0]),
    own=st.booleans(),
)
def test_value_and_gradient(relative, dtype, seed, size, small, numbers, batch, temperature, own) -> None:
    """Two epochs of two steps, so that labels come from the look at all images, from training, and from both."""
    overrides = (
        f"views.small={small}", f"vertices.numbers={numbers}", f"solver.temperature={temperature}",
        f"vertices.remembered={'clustered_view' if own else 'other_view'}",
    )  # fmt: skip
    model = objective(size, overrides, dtype)
    everything = views(seed, 2, IMAGES, dtype)
    seen = [view.clone() for view in everything]
    for epoch in range(2):
        begin(model, epoch, everything, slice(None))
        for step in range(2):
            index = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(seed + step))[:batch]
            images = tuple(view.requires_grad_() for view in views(seed + 10 * epoch + step, 2 + small, batch, dtype))
            ours = loss_of(model, images, index)
            theirs = reference(model, seen, images, index, own)
            assert ours.item() == pytest.approx(theirs.item(), rel=relative, abs=relative)
            found, wanted = (torch.autograd.grad(loss, images) for loss in (ours, theirs))
            # A gradient of the scores is softmax − label, a difference of numbers near 1 where the labels are sure: its
            # rounding is one of 1, however small it is, and the temperature divides it.
            least = 1e-3 / temperature
            for mine, other in zip(found, wanted, strict=True):
                torch.testing.assert_close(mine, other, rtol=0, atol=relative * max(float(other.abs().max()), least))
            for view in range(2):
                seen[view][index] = images[view].detach()


def run(model: nn.Module, rows: slice) -> dict[str, torch.Tensor]:
    """Two epochs of two steps; the last gradient, what was found and what is remembered."""
    inner = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
    for epoch in range(2):
        begin(inner, epoch, views(0, 2, IMAGES, torch.float64), rows)
        for step in range(2):
            index = torch.arange(6) + 6 * step
            images = tuple(view[rows] for view in views(1 + 2 * epoch + step, 2, 6, torch.float64))
            model.zero_grad()
            loss_of(model, images, index[rows]).backward()
    return {
        "gradient": inner.encoder.weight.grad,
        "centroids": inner.main.vertices.centroids,
        "memory": inner.main.vertices.memory.rows,
    }


NUMBERS = ("vertices.numbers=[7, 3]",)


def _train(rank: int, folder: str) -> None:
    model = nn.parallel.DistributedDataParallel(objective("r18", NUMBERS, torch.float64))
    torch.save(run(model, slice(3 * rank, 3 * rank + 3)), Path(folder) / f"{rank}.pt")


def test_ddp_equals_one_process(tmp_path: Path) -> None:
    in_processes(_train, str(tmp_path))
    expected = run(objective("r18", NUMBERS, torch.float64), slice(None))
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert expected["gradient"].abs().max() > 0
    for name, tensor in expected.items():
        assert torch.equal(ranks[0][name], ranks[1][name]), name
        torch.testing.assert_close(ranks[0][name], tensor, rtol=1e-9, atol=1e-12)
