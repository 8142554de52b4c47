"""Image towers of foundation models that transformers opens: CLIP, ALIGN, FLAVA, SigLIP, DINOv2, DINOv3, SAM."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gmssl.errors import RecipeError
from gmssl.evaluation.encoders import FrozenEncoder
from gmssl.interfaces.registry import part

TOWERS: Mapping[str, str] = {
    "clip": "CLIPVisionModel",
    "clip_vision_model": "CLIPVisionModel",
    "align": "AlignVisionModel",
    "align_vision_model": "AlignVisionModel",
    "flava": "FlavaImageModel",
    "flava_image_model": "FlavaImageModel",
    "siglip": "SiglipVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
    "dinov2": "Dinov2Model",
    "dinov3_vit": "DINOv3ViTModel",
    "dinov3_convnext": "DINOv3ConvNextModel",
    "sam": "SamVisionModel",
    "sam_vision_model": "SamVisionModel",
    "vit": "ViTModel",
}
"""`model_type` of a configuration → the class of transformers that is its image tower."""

_HALF = (0.5, 0.5, 0.5)


class Tower(nn.Module):
    """Maps and pooled features of an image tower, `[B,3,H,W] -> (map [B,C,h,w], pooled [B,C'])`.

    Pooled are what the model itself pools (the class token after its last normalisation, or an average), or the mean
    of the map where it does not.

    Attributes:
        network: the tower, with `forward_intermediates` as timm's networks have it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.network = _Intermediates(model)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The last map, and pooled features."""
        found = self.network.model(pixel_values=images)
        map_ = self.network.as_map(found.last_hidden_state, images)
        pooled = getattr(found, "pooler_output", None)
        return map_, map_.mean((2, 3)) if pooled is None else pooled.flatten(1)


class _Intermediates(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward_intermediates(
        self, images: torch.Tensor, indices: Sequence[int] | None = None, intermediates_only: bool = True
    ) -> list[torch.Tensor]:
        """Maps after each block, or after some of them."""
        states = self.model(pixel_values=images, output_hidden_states=True).hidden_states[1:]
        chosen = states if indices is None else [states[i] for i in indices]
        return [self.as_map(state, images) for state in chosen]

    def as_map(self, state: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Tokens, rows of cells, or maps as `[B,C,h,w]`; class and register tokens stand first and are left out."""
        if state.ndim == 3:
            height, width = (int(side) for side in images.shape[2:])
            cells = self._cells(height, width)
            return state[:, -cells[0] * cells[1] :].transpose(1, 2).unflatten(2, cells)
        # SAM gives cells before channels, and convolutional towers maps as they are.
        channels = getattr(self.model.config, "hidden_size", None)
        last = state.shape[-1] == channels and state.shape[1] != channels
        return state.permute(0, 3, 1, 2) if last else state

    def _cells(self, height: int, width: int) -> tuple[int, int]:
        patch = self.model.config.patch_size
        rows, columns = (patch, patch) if isinstance(patch, int) else patch
        return height // rows, width // columns


def tower(place: str, size: int) -> FrozenEncoder:
    """The image tower of a model of the hub, or of a folder that transformers saved, frozen.

    Raises:
        RecipeError: transformers is not installed, there is no such model, or it has no image tower that is known.
    """
    if importlib.util.find_spec("transformers") is None:
        raise RecipeError("encoders of transformers need it; install `pip install 'gmssl[sam]'`.")
    import transformers

    local = Path(place).expanduser()
    where = str(local) if local.is_dir() else place
    try:
        kind = transformers.AutoConfig.from_pretrained(where).model_type
        if kind not in TOWERS:
            raise RecipeError(
                f"transformers:{place} is a {kind}, whose image tower is not known; known are "
                f"{', '.join(sorted(TOWERS))}. Give one of these, or an encoder of timm."
            )
        model = getattr(transformers, TOWERS[kind]).from_pretrained(where)
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
        raise RecipeError(
            f"transformers:{place} cannot be opened: {reason}. Correct the name, or go online once."
        ) from None
    mean, std = _statistics(where)
    views = part("views", "multi_crop", large_size=size, mean=mean, std=std)
    return FrozenEncoder(Tower(model), views, 3, size, f"transformers' {TOWERS[kind]} of {place}")


def _statistics(where: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of pixels as the model's own processor has them; a half where it has none."""
    import transformers

    try:
        processor: Any = transformers.AutoImageProcessor.from_pretrained(where)
    except (OSError, ValueError):
        return _HALF, _HALF
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    return (tuple(mean), tuple(std)) if mean and std else (_HALF, _HALF)
