"""Embeddings of the whole data set, as its images were last seen."""

from __future__ import annotations

from dataclasses import dataclass

from gmssl.gathering import gathered
from gmssl.lazy import torch


@dataclass
class Memory:
    """One row for each image and each view that is kept; the same on all ranks.

    Attributes:
        rows: of unit length, `[A,N,D]` for A views of N images.
        known: which images were ever seen, `[N]` bool.
    """

    rows: torch.Tensor
    known: torch.Tensor

    @classmethod
    def empty(cls, views: int, images: int, like: torch.Tensor) -> Memory:
        """Nothing was seen yet; D, dtype and device of `like` `[...,D]`."""
        return cls(
            like.new_zeros(views, images, like.shape[-1]), torch.zeros(images, dtype=torch.bool, device=like.device)
        )

    def take_in(self, index_B: torch.Tensor, units_ABD: torch.Tensor) -> None:
        """Overwrite the rows of the images of all ranks."""
        index, units = gathered(index_B), gathered(units_ABD, 1).to(self.rows.dtype)
        # An image may come twice, in the place of an unreadable one. Of writes to one place a GPU chooses any; this
        # makes them equal.
        _, image = index.unique(return_inverse=True)
        places = torch.arange(len(index), device=index.device)
        last = torch.zeros_like(places).scatter_reduce(0, image, places, "amax")
        self.rows[:, index] = units[:, last[image]]
        self.known[index] = True

    def recall(self, index_B: torch.Tensor, otherwise_ABD: torch.Tensor) -> torch.Tensor:
        """`[A,B,D]`, those of `otherwise` where images were never seen."""
        rows = self.rows[:, index_B].to(otherwise_ABD.dtype)
        return torch.where(self.known[index_B][None, :, None], rows, otherwise_ABD)
