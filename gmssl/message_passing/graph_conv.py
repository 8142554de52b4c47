"""Graph convolution of Morris et al. (2019), as in the released code of LVM-Med's authors."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.message_passing import MessagePassing
from gmssl.lazy import torch


class GraphConvolution(MessagePassing):
    """h_i' = W_1 h_i + W_2 Σ_{j→i} h_j; ReLU and dropout between the layers, none after the last."""

    kind: ClassVar[str] = "graph_conv"

    layers: int = Field(2, ge=1)
    width: int = Field(128, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    residual: bool = False

    def build(self, channels: int) -> torch.nn.Module:
        """A module `(nodes [G,n,D], edges [G,E,2]) -> [G,n,width]`."""
        from gmssl.message_passing.layers import GraphConvStack

        return GraphConvStack(channels, self.width, self.layers, self.dropout, self.residual)
