"""The sampler: ranks share an epoch, and a resumed one goes on where it stood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.loops.progress import _ProcessedTracker
from torch.utils.data import DistributedSampler
from torchdata.stateful_dataloader import StatefulDataLoader

from gmssl.errors import DataError, PluginError
from gmssl.interfaces.balance import Balance, Groups
from gmssl.interfaces.registry import part
from gmssl.parts.data.dataset import EPOCHS, ViewDataset, collate
from gmssl.recipe.recipe import Recipe
from gmssl.system.workers import telling_limits
from gmssl.training.datamodule import EpochSampler, Packed, TrainingData
from gmssl.training.plan import make_plan
from gmssl.training.quiet import quiet

BALANCES = st.sampled_from(
    [
        part("balance", "none"),
        part("balance", "weights"),
        part("balance", "weights", rule="square_root"),
        part("balance", "duplicates"),
        part("balance", "duplicates", most=1),
    ]
)
epochs = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.integers(0, 40), st.integers(0, 9))


def sampler_of(images: int, per_epoch: int, ranks: int = 1, rank: int = 0, seed: int = 7, **given: Any) -> EpochSampler:
    """Of four groups, of which the first has half of the images and the last an eighth or one."""
    of = np.minimum(np.log2(images / (1 + np.arange(images))).astype(np.int64), 3)
    names, of = np.unique(of, return_inverse=True)
    groups = Groups(tuple(f"group {name}" for name in names), of)
    return EpochSampler(given.get("balance", part("balance", "none")), groups, per_epoch, ranks, rank, seed)


def keys_of(epoch: int, *given: Any, **settings: Any) -> list[int]:
    sampler = sampler_of(*given, **settings)
    sampler.set_epoch(epoch)
    keys = list(sampler)
    assert len(keys) == len(sampler)
    return keys


@given(epochs, BALANCES, st.integers(0, 2**31))
def test_ranks_partition_the_epoch(shape: tuple[int, int, int, int, int], balance: Balance, seed: int) -> None:
    ranks, batch, steps, spare, epoch = shape
    per_epoch = ranks * batch * steps
    images = per_epoch + spare
    parts = [keys_of(epoch, images, per_epoch, ranks, rank, seed, balance=balance) for rank in range(ranks)]
    keys = [key for part in parts for key in part]
    assert len(set(keys)) == len(keys) == per_epoch
    assert {key // images % EPOCHS for key in keys} == {epoch}


@given(epochs, BALANCES, st.integers(0, 2**31))
def test_a_step_holds_the_same_images_for_every_number_of_ranks(
    shape: tuple[int, int, int, int, int], balance: Balance, seed: int
) -> None:
    ranks, batch, steps, spare, epoch = shape
    per_epoch = ranks * batch * steps

    def step_sets(world: int) -> list[set[int]]:
        parts = [
            keys_of(epoch, per_epoch + spare, per_epoch, world, rank, seed, balance=balance) for rank in range(world)
        ]
        size = ranks * batch // world
        return [{key for part in parts for key in part[k * size : (k + 1) * size]} for k in range(steps)]

    assert step_sets(1) == step_sets(ranks)


@given(epochs, BALANCES, st.data())
def test_a_resumed_sampler_goes_on(
    shape: tuple[int, int, int, int, int], balance: Balance, data: st.DataObject
) -> None:
    ranks, batch, steps, spare, epoch = shape
    per_epoch = ranks * batch * steps
    first, second = (sampler_of(per_epoch + spare, per_epoch, ranks, balance=balance) for _ in range(2))
    for sampler in (first, second):
        sampler.set_epoch(epoch)
    expected = list(first)
    taken = data.draw(st.integers(1, len(expected)))  # checkpoints are written after batches, never before the first
    iterator = iter(first)
    for _ in range(taken):
        next(iterator)
    second.load_state_dict(first.state_dict())
    assert list(second) == expected[taken:]


@given(epochs, st.integers(0, 2**31))
def test_without_a_balance_the_order_is_torch_s(shape: tuple[int, int, int, int, int], seed: int) -> None:
    """Runs from before there were balances go on as they began."""
    ranks, batch, steps, spare, epoch = shape
    per_epoch = ranks * batch * steps
    images = per_epoch + spare
    for rank in range(ranks):
        torch_s = DistributedSampler(range(images), ranks, rank, shuffle=True, seed=seed, drop_last=True)
        torch_s.num_samples, torch_s.total_size = per_epoch // ranks, per_epoch
        torch_s.set_epoch(epoch)
        keys = keys_of(epoch, images, per_epoch, ranks, rank, seed)
        assert keys == [epoch * images + index for index in torch_s]


def test_epochs_are_shuffled_differently() -> None:
    orders = [tuple(key % 64 for key in keys_of(epoch, 64, 64)) for epoch in range(3)]
    assert len(set(orders)) == 3
    assert all(sorted(order) == list(range(64)) for order in orders)


def test_a_balance_of_another_length_is_refused() -> None:
    sampler = sampler_of(8, 16)
    with pytest.raises(PluginError, match=r"'none' gives 8 images for an epoch of 16; correct"):
        list(sampler)


@pytest.mark.parametrize("balance", ["none", "weights", "duplicates"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_that_is_resumed_gives_the_batches_that_were_to_come(
    tiny: Callable[..., Recipe], balance: str, workers: int
) -> None:
    recipe = tiny(f"balance={balance}", "data.number=30", "train.batch=8", f"train.workers={workers}")
    with quiet():
        whole = [batch.views for batch in _loader(recipe, epoch=2)]
        first = _loader(recipe, epoch=2)
        iterator = iter(first)
        for _ in range(2):
            next(iterator)
        second = _loader(recipe, epoch=2)
        second.load_state_dict(first.state_dict())
        rest = [batch.views for batch in second]
    assert len(whole) == (6 if balance == "duplicates" else 3)
    assert len(rest) == len(whole) - 2
    for one, other in zip(whole[2:], rest, strict=True):
        assert torch.equal(one.index, other.index)
        assert all(torch.equal(a, b) for a, b in zip(one.images, other.images, strict=True))


def test_what_the_balance_makes_of_copies_reaches_the_views(tiny: Callable[..., Recipe]) -> None:
    recipe = tiny("balance=duplicates", "data.number=30", "train.batch=8")
    plan = make_plan(recipe)
    keys = EpochSampler(recipe.balance, plan.groups, 48, 1, 0, recipe.seed)
    keys.set_epoch(2)
    items = ViewDataset(plan.images, recipe.views, 1, recipe.seed, recipe.balance.copied)
    expected = collate([items[key] for key in keys])
    with quiet():
        found = [batch.views for batch in _loader(recipe, epoch=2)]
    assert any(key >= EPOCHS * 30 for key in keys)
    assert torch.equal(torch.cat([views.index for views in found]), expected.index)
    assert torch.equal(torch.cat([views.images[0] for views in found]), expected.images[0])


def _loader(recipe: Recipe, epoch: int) -> StatefulDataLoader[Packed]:
    data = TrainingData(recipe, make_plan(recipe))
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        world_size=1,
        global_rank=0,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        fit_loop=SimpleNamespace(epoch_progress=SimpleNamespace(current=_ProcessedTracker(processed=epoch))),
    )
    return data.train_dataloader()


def test_a_worker_that_cannot_hand_over_its_batch_ends_the_loop(
    tiny: Callable[..., Recipe], starved: Callable[..., Any], within: Callable[[float], Any]
) -> None:
    recipe = tiny("train.workers=1")
    plan = make_plan(recipe)
    # The pixels of both views find room; to hand them over takes more.
    data = TrainingData(recipe, replace(plan, images=starved(plan.images, room=2)))
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    data.trainer = SimpleNamespace(world_size=1, global_rank=0, strategy=strategy)  # type: ignore[assignment]
    refused = pytest.raises(DataError, match=r"too many open files.*--workers 0")
    with quiet(), within(20), refused, telling_limits():
        list(data.first_look())
