"""Loaders of a task's examples, whose order is the same for any number of workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from gmssl.interfaces.task import ExamplesToPredict, Opened, TrainingExamples


class _Places(Dataset[Any]):
    """The examples of one epoch by their place in its order."""

    def __init__(self, examples: TrainingExamples, epoch: int, order: Sequence[int]) -> None:
        self._examples, self._epoch, self._order = examples, epoch, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int) -> Any:
        return self._examples[self._epoch, self._order[place]]


class _Tested(Dataset[Any]):
    def __init__(self, examples: ExamplesToPredict) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> Any:
        return self._examples[index]


def training_loader(
    opened: Opened, examples: TrainingExamples, epoch: int, batch: int, workers: int
) -> DataLoader[Any]:
    """Batches of an epoch."""
    order = learnt_from(examples, epoch, batch)
    return _loader(opened, _Places(examples, epoch, order), batch, workers)


def learnt_from(examples: TrainingExamples, epoch: int, batch: int) -> list[int]:
    """The order of an epoch.

    A last batch of a single example is left out where there are others, because batch normalisation of maps of one cell
    has no variance then.
    """
    order = list(examples.epoch(epoch))
    return order[:-1] if len(order) > batch and len(order) % batch == 1 else order


def prediction_loader(opened: Opened, indices: Sequence[int], batch: int, workers: int) -> DataLoader[Any]:
    """Batches of what is predicted, in order."""
    return _loader(opened, _Tested(opened.testing(indices)), batch, workers)


def _loader(opened: Opened, data: Dataset[Any], batch: int, workers: int) -> DataLoader[Any]:
    # A loader draws a seed for its workers; with a generator of its own it leaves that of dropout alone.
    generator = torch.Generator().manual_seed(0)
    return DataLoader(
        data, batch_size=batch, shuffle=False, num_workers=workers, collate_fn=opened.collate, generator=generator
    )
