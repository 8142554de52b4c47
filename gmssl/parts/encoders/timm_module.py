"""The modules behind `gmssl.parts.encoders.timm`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gmssl.parts.encoders.weights import Loaded


class TimmEncoder(nn.Module):
    """Maps and pooled features of a timm model.

    Attributes:
        network: the bare timm model.
        channels: length of the pooled features.
        map_channels: channels of the maps.
        loaded: where its pretrained weights came from; None where it began with random ones.
    """

    def __init__(self, network: nn.Module, loaded: Loaded | None = None) -> None:
        super().__init__()
        self.network: Any = network
        self.loaded = loaded
        self.channels: int = getattr(network, "head_hidden_size", None) or network.num_features  # type: ignore[assignment]
        self.map_channels: int = network.num_features  # type: ignore[assignment]

    def forward(self, images_BKHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`(map [B,C,h,w], pooled [B,C'])`."""
        features = self.network.forward_features(images_BKHW.contiguous(memory_format=torch.channels_last))
        return self._map(features, images_BKHW), self.network.forward_head(features, pre_logits=True)

    def _map(self, features: torch.Tensor, images_BKHW: torch.Tensor) -> torch.Tensor:
        if features.ndim == 3:
            # Patch tokens, row by row, after the class and register tokens.
            tokens = features[:, getattr(self.network, "num_prefix_tokens", 0) :]
            height, width = images_BKHW.shape[2:]
            rows = round((int(tokens.shape[1]) * int(height) / int(width)) ** 0.5)
            return tokens.transpose(1, 2).unflatten(2, (rows, -1))
        if str(getattr(self.network, "output_fmt", "NCHW")).endswith("NHWC"):
            return features.permute(0, 3, 1, 2)
        return features


class BeforeNeck(nn.Module):
    """Maps of a SAM image encoder before the neck, pooled by their mean: 768 channels for ViT-B, as LVM-Med has them.

    The neck stays part of `network`, so that its `state_dict()` is timm's, but does not train.

    Attributes:
        network: the bare timm model.
        channels: length of the pooled features.
        loaded: where its pretrained weights came from; None where it began with random ones.
    """

    def __init__(self, network: nn.Module, loaded: Loaded | None = None) -> None:
        super().__init__()
        self.network: Any = network
        self.loaded = loaded
        self.channels: int = network.embed_dim  # type: ignore[assignment]
        self.network.neck.requires_grad_(False)

    def forward(self, images_BKHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`(map [B,C,h,w], pooled [B,C])`."""
        images = images_BKHW.contiguous(memory_format=torch.channels_last)
        (map_,) = self.network.forward_intermediates(images, indices=1, norm=False, intermediates_only=True)
        return map_, map_.mean((2, 3))
