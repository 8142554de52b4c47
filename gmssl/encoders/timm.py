"""Any image model of timm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

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
        from gmssl.encoders.timm_module import build

        return build(self)
