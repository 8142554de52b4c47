"""Any image model of timm."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gmssl.errors import RecipeError
from gmssl.interfaces.encoder import Encoder
from gmssl.lazy import torch


class Timm(Encoder):
    """A model of timm by name (`resnet50`, `vit_base_patch16_224`, `samvit_base_patch16`, ...), without its classifier.

    Maps are the last feature maps (patch tokens of a transformer on their grid); pooled features are what timm's own
    head pools. `encoder.safetensors` of a run has timm's key names.
    """

    kind: ClassVar[str] = "timm"

    name: str = Field("resnet50", min_length=1)
    pretrained: bool = Field(False, description="start from timm's pretrained weights (downloaded once, then cached)")
    weights: Path | None = Field(None, description="file with pretrained weights, instead of a download")
    in_channels: Literal[1, 3] = Field(3, description="1: grey images, 3: colour")
    channels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=4, max_length=4)] | None = Field(
        None, description="ResNets only: channels of the four stages; a narrower network than the named one"
    )
    output_stride: Literal[8, 16, 32] | None = Field(
        None, description="ResNets only: image pixels a map cell spans; 16 doubles the last map by dilation"
    )
    image_size: int | None = Field(
        None, ge=16, description="transformers only: side of the images, if not the model's own"
    )
    any_image_size: bool = Field(False, description="transformers only: interpolate positions, for multi-crop")
    before_neck: bool = Field(
        False, description="SAM only: maps of the transformer itself, before the convolutions that narrow them"
    )
    drop_path: float = Field(0.0, ge=0, lt=1, description="stochastic depth")
    checkpointing: bool = Field(False, description="recompute activations in the backward pass to save memory")

    def build(self) -> torch.nn.Module:
        """A module `[B,K,H,W] -> (map [B,C,h,w], pooled [B,C'])`.

        Raises:
            RecipeError: timm knows no such model, the model has no such setting, or its weights cannot be had.
        """
        return _build(self)


def _build(settings: Timm) -> torch.nn.Module:
    """Build the model, or say what about the settings does not fit it."""
    import timm

    from gmssl.parts.encoders.timm_module import BeforeNeck, TimmEncoder

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
    import timm

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
