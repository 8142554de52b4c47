"""The sampler: ranks share an epoch, and a resumed one goes on where it stood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.recipe.recipe import Recipe
from gmssl.system.workers import telling_limits
from gmssl.training.datamodule import EpochSampler, TrainingData
from gmssl.training.plan import make_plan
from gmssl.training.quiet import quiet

epochs = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.integers(0, 40), st.integers(0, 9))


@given(epochs, st.integers(0, 2**31))
def test_ranks_partition_the_epoch(shape: tuple[int, int, int, int, int], seed: int) -> None:
    ranks, batch, steps, spare, epoch = shape
    per_epoch = ranks * batch * steps
    images = per_epoch + spare
    keys = []
    for rank in range(ranks):
        sampler = EpochSampler(images, per_epoch, ranks, rank, seed)
        sampler.set_epoch(epoch)
        assert len(sampler) == batch * steps
        keys += list(sampler)
    assert len(set(keys)) == len(keys) == per_epoch
    assert {key // images for key in keys} == {epoch}


@given(epochs, st.integers(0, 2**31))
def test_a_step_holds_the_same_images_for_every_number_of_ranks(
    shape: tuple[int, int, int, int, int], seed: int
) -> None:
    ranks, batch, steps, spare, epoch = shape
    per_epoch = ranks * batch * steps

    def step_sets(world: int) -> list[set[int]]:
        parts = []
        for rank in range(world):
            sampler = EpochSampler(per_epoch + spare, per_epoch, world, rank, seed)
            sampler.set_epoch(epoch)
            parts.append(list(sampler))
        size = ranks * batch // world
        return [{key for part in parts for key in part[k * size : (k + 1) * size]} for k in range(steps)]

    assert step_sets(1) == step_sets(ranks)


@given(epochs, st.data())
def test_a_resumed_sampler_goes_on(shape: tuple[int, int, int, int, int], data: st.DataObject) -> None:
    ranks, batch, steps, spare, epoch = shape
    per_epoch = ranks * batch * steps
    first, second = (EpochSampler(per_epoch + spare, per_epoch, ranks, 0, 7) for _ in range(2))
    for sampler in (first, second):
        sampler.set_epoch(epoch)
    expected = list(first)
    taken = data.draw(st.integers(1, len(expected)))  # checkpoints are written after batches, never before the first
    iterator = iter(first)
    for _ in range(taken):
        next(iterator)
    second.load_state_dict(first.state_dict())
    assert list(second) == expected[taken:]


def test_epochs_are_shuffled_differently() -> None:
    sampler = EpochSampler(64, 64, 1, 0, 0)
    orders = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        orders.append(tuple(key % 64 for key in sampler))
    assert len(set(orders)) == 3
    assert all(sorted(order) == list(range(64)) for order in orders)
    assert torch.tensor(orders).shape == (3, 64)


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
