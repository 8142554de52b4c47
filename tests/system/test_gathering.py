"""Two processes: the loss and the gradient that DDP makes are those of one process on the joint batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gmssl.interfaces.views import ViewBatch
from gmssl.objective.objective import MatchingObjective
from gmssl.recipe.recipe import load_recipe
from gmssl.system.clock import StageClock
from gmssl.testing.processes import in_processes

RECIPES = Path(__file__).parents[2] / "recipes"
METHODS = ("barlow_twins", "byol", "deepcluster_v2", "dino", "moco_v2", "simclr", "swav", "vicreg", "vicregl")
SMALL = {
    "dino": ["vertices.number=12"], "moco_v2": ["vertices.size=20"], "swav": ["vertices.number=12"],
    "deepcluster_v2": ["vertices.numbers=[12, 5]"],
    "byol": ["vertices.per_graph=4", "predictor=null"], "vicreg": ["vertices.per_graph=4"],
    "vicregl": ["vertices.per_graph=4", "further.0.vertices.best=3"],
}  # fmt: skip


class Flat(nn.Module):
    """An encoder with weights and no batch normalisation, whose statistics would be another test."""

    channels = 6

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 6 * 4, dtype=torch.float64)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        map_ = self.layer(features[:, :, 0, 0]).unflatten(1, (6, 2, 2))
        return map_, map_.mean((2, 3))


class Nothing(nn.Identity):
    channels = 6


def model_of(method: str) -> MatchingObjective:
    torch.manual_seed(0)
    overrides = ["projector.widths=[6]", "data={kind: phantoms}", *SMALL.get(method, [])]
    model = MatchingObjective(load_recipe(RECIPES / f"{method}_r18.yaml", overrides)).double()
    model.encoder = Flat()
    for matcher in model.matchers:
        matcher.projector = Nothing()
    if model.teacher is not None:
        model.teacher.copies["encoder"], model.teacher.copies["projector"] = Flat(), Nothing()
        model.teacher.requires_grad_(False)
    return model


def losses_and_gradients(model: nn.Module, rows: slice) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Losses of two steps, and gradients of the second, so that queue and centre have moved."""
    objective = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
    losses = []
    for step in range(2):
        random = torch.Generator().manual_seed(step)
        images = tuple(torch.randn(8, 5, 1, 1, generator=random, dtype=torch.float64)[rows] for _ in range(2))
        affines = torch.randn(2, 8, 2, 3, generator=random, dtype=torch.float64)[:, rows]
        nothing = torch.zeros(2, 0)
        model.zero_grad()
        batch = ViewBatch(images, affines, nothing, torch.arange(8)[rows], nothing[0].long())
        loss = model(batch, None, StageClock()).loss
        loss.backward()
        losses.append(loss.detach())
    return torch.stack(losses), {name: p.grad.clone() for name, p in objective.named_parameters() if p.grad is not None}


def _train(rank: int, folder: str) -> None:
    for method in METHODS:
        model = nn.parallel.DistributedDataParallel(model_of(method), find_unused_parameters=True)
        torch.save(losses_and_gradients(model, slice(4 * rank, 4 * rank + 4)), Path(folder) / f"{method}_{rank}.pt")


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gradients")
    in_processes(_train, str(folder))
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_ddp_equals_one_process(joint: Path, method: str) -> None:
    """Of every method: the mean of the ranks' losses is that of the joint batch, and each rank has its gradient."""
    ranks = [torch.load(joint / f"{method}_{rank}.pt") for rank in range(2)]
    losses, expected = losses_and_gradients(model_of(method), slice(None))
    torch.testing.assert_close(torch.stack([own for own, _ in ranks]).mean(0), losses, rtol=1e-10, atol=1e-12)
    assert any(g.abs().max() > 0 for g in expected.values())
    for _, found in ranks:
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-12)
