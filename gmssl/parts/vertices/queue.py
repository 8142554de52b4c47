"""Queries against keys and a queue of earlier keys: the 1-N matching of MoCo."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.vertices import Arrangement, Encoding, Vertices
from gmssl.lazy import torch
from gmssl.parts.vertices.arranging import Pairs, views_of
from gmssl.system.gathering import gathered


class Queue(Vertices):
    """One graph for each pair of views: B queries of the student against m = B + size columns.

    Column i < B is the key of image i, the teacher's embedding of the other view, allowed for query i only; the others
    are the last `size` keys of all ranks, the negatives (MoCo, He et al. 2020). Keys have unit length. They enter the
    queue after they were matched, in training only; it starts with random directions.
    """

    kind: ClassVar[str] = "queue"
    needs_teacher: ClassVar[bool] = True

    size: int = Field(65536, ge=1, description="keys that are kept as negatives")

    def fault(self, batch: int) -> str | None:
        """Batches of any size are accepted."""
        return None

    def build(self, channels: int) -> torch.nn.Module:
        """See the class; the queue is a buffer and so part of checkpoints."""
        return _module(self.size, channels)


def _module(size: int, channels: int) -> torch.nn.Module:
    class Queueing(torch.nn.Module):
        keys: torch.Tensor
        oldest: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("keys", torch.nn.functional.normalize(torch.randn(size, channels), dim=1))
            self.register_buffer("oldest", torch.zeros((), dtype=torch.int64))

        def forward(self, student: Encoding, teacher: Encoding, pairs: Pairs) -> Arrangement:
            queries = views_of(student, pairs, 0)
            batch, device = queries.shape[1], queries.device
            keys = torch.nn.functional.normalize(views_of(teacher, pairs, 1), dim=2)
            # A copy: the queue is overwritten below, while this step's backward pass still needs what it compared with.
            kept = self.keys.to(keys.dtype, copy=True).expand(len(pairs), -1, -1)
            own = torch.eye(batch, dtype=torch.bool, device=device)
            allowed = torch.cat([own, torch.ones((), dtype=torch.bool, device=device).expand(batch, size)], 1)
            if self.training:
                self._take_in(gathered(keys.detach(), 1).flatten(0, 1))
            return Arrangement(queries, torch.cat([keys, kept], 1), allowed.expand(len(pairs), -1, -1))

        def _take_in(self, keys: torch.Tensor) -> None:
            # If there are more keys than places, the last keys stay; two writes to one place would have any result.
            keys = keys[-size:]
            places = (self.oldest + torch.arange(len(keys), device=keys.device)) % size
            self.keys[places] = keys.to(self.keys.dtype)
            self.oldest.copy_((self.oldest + len(keys)) % size)

    return Queueing()
