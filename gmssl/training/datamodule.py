"""The loader of a training has a state, so that a resumed run sees exactly the batches that were still to come."""

from __future__ import annotations

import functools
import signal
from collections.abc import Iterator

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.loops.progress import _ProcessedTracker
from torch.utils.data import Sampler
from torchdata.stateful_dataloader import StatefulDataLoader
from torchdata.stateful_dataloader.sampler import StatefulDistributedSampler

from gmssl.errors import PluginError
from gmssl.interfaces.balance import Balance, Groups
from gmssl.interfaces.views import ImageViews, ViewBatch
from gmssl.parts.data.dataset import EPOCHS, ViewDataset, collate, key_of
from gmssl.recipe.recipe import Recipe
from gmssl.system.cluster.steps import WARNINGS
from gmssl.system.workers import hand_over, open_more_files
from gmssl.training.plan import Plan

FIRST_LOOK = EPOCHS - 1
"""The epoch from which the views of `TrainingData.first_look` are drawn; no training gets as far as that."""


class Packed:
    """A `ViewBatch` in a plain object, because Lightning's bf16 plugin would try to rebuild a (frozen) dataclass."""

    def __init__(self, views: ViewBatch) -> None:
        self.views = views

    def pin_memory(self) -> Packed:
        """A page-locked copy; torch's loader calls this."""
        return Packed(self.views.pin_memory())


def pack(items: list[tuple[ImageViews, int, int]]) -> Packed:
    """A batch from the items of a `ViewDataset`."""
    return Packed(collate(items))


class EpochSampler(StatefulDistributedSampler):
    """The keys of one rank in an epoch, for a `ViewDataset`: workers learn from them what views are drawn from.

    Ranks take turns, so that step k of an epoch holds the same images for every number of ranks.
    """

    def __init__(self, balance: Balance, groups: Groups, per_epoch: int, ranks: int, rank: int, seed: int) -> None:
        super().__init__(range(per_epoch), num_replicas=ranks, rank=rank, seed=seed, drop_last=True)
        self._balance, self._groups = balance, groups
        self.yielded = 0
        self.next_yielded: int | None = None  # set by `load_state_dict`

    def __iter__(self) -> Iterator[int]:
        self.yielded, self.next_yielded = self.next_yielded or 0, None
        order = self._balance.epoch(self._groups, self.total_size, self.seed, self.epoch)
        if len(order.index) != self.total_size:
            raise PluginError(
                f"balance {self._balance.kind!r} gives {len(order.index)} images for an epoch of {self.total_size}; "
                "correct its method `epoch`."
            )
        own = slice(self.rank + self.yielded * self.num_replicas, None, self.num_replicas)
        for index, copy in zip(map(int, order.index[own]), map(int, order.copy[own]), strict=True):
            self.yielded += 1
            yield key_of(len(self._groups.of), self.epoch, index, copy)


class TrainingData(LightningDataModule):
    """The batches of one rank, of `train.batch_per_step` images each."""

    def __init__(self, recipe: Recipe, plan: Plan) -> None:
        super().__init__()
        self._recipe = recipe
        self._plan = plan

    def train_dataloader(self) -> StatefulDataLoader[Packed]:
        """The loader of this rank."""
        train, trainer = self._recipe.train, self._trainer()
        sampler = EpochSampler(
            self._recipe.balance,
            self._plan.groups,
            self._plan.steps_per_epoch * train.batch,
            trainer.world_size,
            trainer.global_rank,
            self._recipe.seed,
        )
        # Lightning tells the sampler its epoch only after the first iterator was made, and a loader with workers draws
        # keys at once: without this line, a run resumed in epoch 3 would start with keys of epoch 0.
        done = trainer.fit_loop.epoch_progress.current
        assert isinstance(done, _ProcessedTracker)
        sampler.set_epoch(done.processed)
        return self._loader(sampler)

    def first_look(self) -> StatefulDataLoader[Packed]:
        """This rank's share of the views of all images, each once, in an order of their own.

        Every batch is whole, so that batch statistics are as good as in training: the last one goes on with the images
        of the first.
        """
        trainer, batch = self._trainer(), self._recipe.train.batch_per_step
        return self._loader(
            first_look_keys(len(self._plan.images), batch, trainer.world_size, trainer.global_rank, self._recipe.seed)
        )

    def _trainer(self) -> Trainer:
        assert self.trainer is not None, "Lightning asks for the loader after it has attached its trainer"
        return self.trainer

    def _loader(self, sampler: Sampler[int] | list[int]) -> StatefulDataLoader[Packed]:
        recipe, train = self._recipe, self._recipe.train
        open_more_files()
        return StatefulDataLoader(
            ViewDataset(
                self._plan.images, recipe.views, recipe.encoder.in_channels, recipe.seed, recipe.balance.copied
            ),
            batch_size=train.batch_per_step,
            sampler=sampler,
            num_workers=train.workers,
            collate_fn=functools.partial(hand_over, pack),
            drop_last=True,
            pin_memory=self._trainer().strategy.root_device.type == "cuda",
            worker_init_fn=functools.partial(_begin_worker),
        )


def first_look_keys(images: int, batch: int, ranks: int, rank: int, seed: int) -> list[int]:
    """The keys of one rank, in whole batches; step k holds the same images for any number of ranks."""
    order = np.random.default_rng((seed, FIRST_LOOK)).permutation(images)
    steps = -(-images // (batch * ranks))
    keys = FIRST_LOOK * images + np.resize(order, (steps, ranks, batch))[:, rank]
    return [int(key) for key in keys.ravel()]


def _begin_worker(worker: int) -> None:
    """Keep a worker on one thread: many workers with pools of threads would take the cores from the training.

    And alive when SLURM warns all processes that the time is nearly up: the training stops by itself.
    """
    torch.set_num_threads(1)
    for number in WARNINGS:
        signal.signal(number, signal.SIG_IGN)
