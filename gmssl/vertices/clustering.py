"""The module behind vertices `centroids`: a memory, and what k-means makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import normalize

from gmssl.gathering import of_first_rank
from gmssl.interfaces.epoch import Epoch
from gmssl.interfaces.vertices import Arrangement, Encoding
from gmssl.vertices.arranging import Pairs, views_of
from gmssl.vertices.memory import Memory
from gmssl.vertices.spherical_kmeans import spherical_kmeans


class Clustering(nn.Module):
    """See `gmssl.vertices.centroids.Centroids`.

    Attributes:
        centroids: `[H,K,D]` for H clusterings, K of the largest.
        there: which of them a clustering has, `[H,K]` bool.
        memory: None before the first epoch. No buffer, because DDP would send it to all ranks at every step.
        epoch: whose centroids these are, −1 before the first.
    """

    centroids: torch.Tensor
    there: torch.Tensor

    def __init__(self, numbers: tuple[int, ...], iterations: int, other_view: bool, channels: int) -> None:
        super().__init__()
        self.numbers, self.iterations, self.other_view = numbers, iterations, other_view
        self.memory: Memory | None = None
        self.epoch = -1
        most = max(numbers)
        self.register_buffer("centroids", normalize(torch.randn(len(numbers), most, channels), dim=2))
        there = torch.arange(most) < torch.tensor(numbers)[:, None]
        self.register_buffer("there", there, persistent=False)

    def forward(self, student: Encoding, teacher: Encoding, pairs: Pairs) -> Arrangement:
        """Arrange, and in training remember the right views after they were compared."""
        views = kept(pairs)
        seen = units(teacher, views)
        known = seen if self.memory is None else self.memory.recall(student.index, seen)
        if self.training and self.memory is not None:
            self.memory.take_in(student.index, seen)
        heads = range(len(self.numbers))
        asked = [views.index(right) if self.other_view else h % len(views) for _, right in pairs for h in heads]
        left = views_of(student, pairs, 0).repeat_interleave(len(heads), 0)
        right = self.centroids.to(left.dtype).repeat(len(pairs), 1, 1)
        allowed = self.there.repeat(len(pairs), 1)[:, None].expand(-1, left.shape[1], -1)
        return Arrangement(left, right, allowed, remembered=known[asked])

    @torch.no_grad()
    def begin_epoch(self, epoch: Epoch) -> None:
        """Cluster what is remembered; before the first epoch, fill the memory."""
        if self.epoch == epoch.number:
            return
        views = kept(epoch.pairs)
        if self.memory is None:
            memory = Memory.empty(len(views), epoch.images, self.centroids)
            for encoding in epoch.encodings():
                memory.take_in(encoding.index, units(encoding, views))
            self.memory = memory
        generator = torch.Generator().manual_seed(epoch.seed)
        for head, number in enumerate(self.numbers):
            rows = self.memory.rows[head % len(views)][self.memory.known]
            found = spherical_kmeans(rows, number, self.iterations, generator)
            self.centroids[head, :number] = of_first_rank(found.centroids)
        self.epoch = epoch.number

    def forget_images(self) -> None:
        """Centroids stay."""
        self.memory = None

    def get_extra_state(self) -> dict[str, Any]:
        """The memory, for checkpoints: plain tensors."""
        if self.memory is None:
            return {"epoch": self.epoch}
        return {"epoch": self.epoch, "rows": self.memory.rows, "known": self.memory.known}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Remember again."""
        self.epoch = state["epoch"]
        self.memory = None
        if "rows" in state:
            device = self.centroids.device
            self.memory = Memory(state["rows"].to(device), state["known"].to(device))

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Clustering:
        """The memory goes where buffers go: trainings move a module after they have restored it."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.memory is not None:
            self.memory = Memory(fn(self.memory.rows), fn(self.memory.known))
        return self


def kept(pairs: Pairs) -> list[int]:
    """The views that stand on the right of pairs."""
    return sorted({right for _, right in pairs})


def units(encoding: Encoding, views: list[int]) -> torch.Tensor:
    """Embeddings `[A,B,D]` of some views, of unit length, without gradient."""
    return normalize(encoding.embeddings[views].detach(), dim=2)
