"""No message passing."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.message_passing import MessagePassing
from gmssl.lazy import torch


class Unchanged(MessagePassing):
    """Nodes stay as the projector made them."""

    kind: ClassVar[str] = "unchanged"
    reads_edges: ClassVar[bool] = False

    def build(self, channels: int) -> torch.nn.Module:
        """The identity on `[G,n,D]`."""
        from gmssl.message_passing.layers import Identity

        return Identity()
