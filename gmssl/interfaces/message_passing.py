"""Message passing mixes the embeddings of neighbouring nodes."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.lazy import torch
from gmssl.parts import Part


class MessagePassing(Part):
    """Settings of a module that is shared by both graphs.

    `reads_edges` says that the edges make a difference; `gmssl check` warns of graphs that nothing reads.
    """

    slot: ClassVar[str] = "message_passing"
    reads_edges: ClassVar[bool] = True

    @abstractmethod
    def build(self, channels: int) -> torch.nn.Module:
        """A module `(nodes [G,n,D], edges [G,E,2]) -> [G,n,D']` for `channels` = D input channels."""
