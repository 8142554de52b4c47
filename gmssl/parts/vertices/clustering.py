"""The module behind vertices `centroids`: a memory of the whole data set, and what k-means makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import normalize

from gmssl.interfaces.vertices import Arrangement, Encoding, Epoch
from gmssl.parts.vertices.arranging import Pairs, views_of
from gmssl.parts.vertices.spherical_kmeans import spherical_kmeans
from gmssl.system.gathering import gathered, of_first_rank


@dataclass
class Memory:
    """One row for each image and each view that is kept; the same on all ranks.

    Attributes:
        rows: vectors of unit length, `[A,N,D]` for A views of N images.
        known: which images have been seen, `[N]` bool.
    """

    rows: torch.Tensor
    known: torch.Tensor

    @classmethod
    def empty(cls, views: int, images: int, like: torch.Tensor) -> Memory:
        """A memory that has seen nothing, with D, dtype and device of `like` `[...,D]`."""
        return cls(
            like.new_zeros(views, images, like.shape[-1]), torch.zeros(images, dtype=torch.bool, device=like.device)
        )

    def take_in(self, index_B: torch.Tensor, units_ABD: torch.Tensor) -> None:
        """Overwrite the rows of the images of all ranks."""
        index, units = gathered(index_B), gathered(units_ABD, 1).to(self.rows.dtype)
        # An image may come twice, in the place of an unreadable one. A GPU keeps any of several writes to one place;
        # this makes them equal.
        _, image = index.unique(return_inverse=True)
        places = torch.arange(len(index), device=index.device)
        last = torch.zeros_like(places).scatter_reduce(0, image, places, "amax")
        self.rows[:, index] = units[:, last[image]]
        self.known[index] = True

    def recall(self, index_B: torch.Tensor, otherwise_ABD: torch.Tensor) -> torch.Tensor:
        """The remembered rows `[A,B,D]`; those of `otherwise` for images that were never seen."""
        rows = self.rows[:, index_B].to(otherwise_ABD.dtype)
        return torch.where(self.known[index_B][None, :, None], rows, otherwise_ABD)


class Clustering(nn.Module):
    """See `gmssl.parts.vertices.centroids.Centroids`.

    Attributes:
        centroids: `[H,K,D]` for H clusterings, K of the largest.
        there: which of them a clustering has, `[H,K]` bool.
        memory: the memory, or None before the first epoch. It is no buffer, because DDP would send that to all ranks at
            every step.
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
        """Arrange the nodes, and in training remember the right views after they were compared."""
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
        # A run resumed within an epoch goes on with the centroids that this epoch began with.
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
            # All ranks cluster the same rows, but float sums may differ between devices; so all take the result of one.
            self.centroids[head, :number] = of_first_rank(found.centroids)
        self.epoch = epoch.number

    def forget_images(self) -> None:
        """Forget the rows; the centroids stay."""
        self.memory = None

    def get_extra_state(self) -> dict[str, Any]:
        """The memory, for checkpoints: plain tensors."""
        if self.memory is None:
            return {"epoch": self.epoch}
        return {"epoch": self.epoch, "rows": self.memory.rows, "known": self.memory.known}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the memory."""
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
    """The views that are the right one of a pair."""
    return sorted({right for _, right in pairs})


def units(encoding: Encoding, views: list[int]) -> torch.Tensor:
    """Embeddings `[A,B,D]` of some views, of unit length, without gradient."""
    return normalize(encoding.embeddings[views].detach(), dim=2)
