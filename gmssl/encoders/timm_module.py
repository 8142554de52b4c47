"""The module behind `gmssl.encoders.timm`."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import timm
import torch
from torch import nn

from gmssl.errors import RecipeError

if TYPE_CHECKING:
    from gmssl.encoders.timm import Timm


class TimmEncoder(nn.Module):
    """Maps and pooled features of a timm model.

    Attributes:
        network: the bare timm model.
        channels: length of the pooled features.
        map_channels: channels of the maps.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network
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
            rows = round((tokens.shape[1] * height / width) ** 0.5)
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
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network
        self.channels: int = network.embed_dim  # type: ignore[assignment]
        self.network.neck.requires_grad_(False)

    def forward(self, images_BKHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`(map [B,C,h,w], pooled [B,C])`."""
        images = images_BKHW.contiguous(memory_format=torch.channels_last)
        (map_,) = self.network.forward_intermediates(images, indices=1, norm=False, intermediates_only=True)
        return map_, map_.mean((2, 3))


def build(settings: Timm) -> TimmEncoder | BeforeNeck:
    """Build the model, or say what about the settings does not fit it."""
    if not timm.is_model(settings.name):
        close = difflib.get_close_matches(settings.name, timm.list_models(), n=3)
        hint = f"; near names are {', '.join(close)}" if close else ""
        raise RecipeError(
            f"encoder.name: timm {timm.__version__} has no model {settings.name!r}{hint}. See timm.list_models()."
        )
    chosen = {
        "channels": settings.channels,
        "output_stride": settings.output_stride,
        "img_size": settings.image_size,
        "dynamic_img_size": settings.any_image_size or None,
        "drop_path_rate": settings.drop_path or None,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    network = _create(settings, given)
    if settings.checkpointing:
        network.set_grad_checkpointing(True)
    # Convolutions are faster on this layout, forward by a third on CPU and more with tensor cores.
    network = network.to(memory_format=torch.channels_last)
    if not settings.before_neck:
        return TimmEncoder(network)
    if not (hasattr(network, "neck") and hasattr(network, "forward_intermediates")):
        raise RecipeError(f"encoder.before_neck: {settings.name} has no neck; use a samvit model, or remove the key.")
    return BeforeNeck(network)


def _create(settings: Timm, given: dict[str, Any]) -> Any:
    pretrained = settings.pretrained or settings.weights is not None
    overlay = None
    if settings.weights is not None:
        if not settings.weights.is_file():
            raise RecipeError(f"encoder.weights: no file {settings.weights}; give an existing file, or remove the key.")
        overlay = {"file": str(settings.weights)}
    try:
        return timm.create_model(
            settings.name,
            pretrained=pretrained,
            pretrained_cfg_overlay=overlay,
            in_chans=settings.in_channels,
            num_classes=0,
            **given,
        )
    except TypeError as error:
        raise RecipeError(
            f"encoder: {settings.name} takes no {' or '.join(given)} ({error}); `channels` and `output_stride` are "
            "for ResNets, `image_size` and `any_image_size` for transformers. Remove the key."
        ) from None
    except Exception as error:
        if not pretrained:
            raise RecipeError(
                f"encoder: timm cannot build {settings.name} with {given}: {error}. Change those keys."
            ) from None
        source = settings.weights or "its download"
        remedy = (
            "Give a file with the weights of that model, or remove encoder.weights."
            if settings.weights
            else "Go online once (they are cached), name a file with encoder.weights=FILE, or start from random "
            "weights with encoder.pretrained=false."
        )
        reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
        raise RecipeError(
            f"encoder: the pretrained weights of {settings.name} could not be loaded from {source}: "
            f"{type(error).__name__}: {reason}. {remedy}"
        ) from None
