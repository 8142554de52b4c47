"""Settings of message passing: none, GCN (LVM-Med, Eq. 1), GraphConv (the released code)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gmssl.interfaces.graph import MessagePassing
from gmssl.lazy import torch


class Unchanged(MessagePassing):
    """Nodes stay as the projector made them."""

    kind: ClassVar[str] = "unchanged"
    reads_edges: ClassVar[bool] = False

    def build(self, channels: int) -> torch.nn.Module:
        """The identity on `[G,n,D]`."""
        from gmssl.parts.message_passing.layers import Identity

        return Identity()


class Gcn(MessagePassing):
    """H_l = σ(D^-1/2 (A + I) D^-1/2 H_{l−1} W_{l−1}), ReLU between the layers, none after the last.

    `degree` says what D counts: `with_self_loop` is Kipf & Welling's, `as_printed` is LVM-Med's Eq. 1, whose D̃ omits
    the self loop. Two layers on 16 nodes with 5 neighbours average many nodes into nearly equal ones (over-smoothing);
    `residual` adds each layer's input to its output and keeps them apart.
    """

    kind: ClassVar[str] = "gcn"

    layers: int = Field(2, ge=1)
    width: int = Field(128, ge=1)
    degree: Literal["with_self_loop", "as_printed"] = "with_self_loop"
    residual: bool = False

    def build(self, channels: int) -> torch.nn.Module:
        """A module `(nodes [G,n,D], edges [G,E,2]) -> [G,n,width]`."""
        from gmssl.parts.message_passing.layers import GcnStack

        return GcnStack(channels, self.width, self.layers, self.degree == "with_self_loop", self.residual)


class GraphConvolution(MessagePassing):
    """h_i' = W_1 h_i + W_2 Σ_{j→i} h_j; ReLU and dropout between the layers, none after the last."""

    kind: ClassVar[str] = "graph_conv"

    layers: int = Field(2, ge=1)
    width: int = Field(128, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    residual: bool = False

    def build(self, channels: int) -> torch.nn.Module:
        """A module `(nodes [G,n,D], edges [G,E,2]) -> [G,n,width]`."""
        from gmssl.parts.message_passing.layers import GraphConvStack

        return GraphConvStack(channels, self.width, self.layers, self.dropout, self.residual)
