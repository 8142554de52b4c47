"""Files of weights under the names of timm, torchvision and Segment Anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gmssl.errors import RecipeError
from gmssl.evaluation.encoders import FrozenEncoder

_TO_TORCHVISION_VIT = (
    (r"^patch_embed\.proj\.", "conv_proj."),
    (r"^cls_token$", "class_token"),
    (r"^pos_embed$", "encoder.pos_embedding"),
    (r"^norm\.", "encoder.ln."),
    (r"^blocks\.(\d+)\.", r"encoder.layers.encoder_layer_\1."),
    (r"\.norm([12])\.", r".ln_\1."),
    (r"\.attn\.qkv\.", ".self_attention.in_proj_"),
    (r"\.attn\.proj\.", ".self_attention.out_proj."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.3."),
)
_TORCHVISION_NAMES = {"vit_base_patch16_224": "vit_b_16", "vit_large_patch16_224": "vit_l_16"}


def _weights(encoder: FrozenEncoder) -> dict[str, torch.Tensor]:
    network: Any = encoder.encoder.network
    return {name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()}


def model_name(encoder: FrozenEncoder) -> str:
    """What timm calls the network."""
    network: Any = encoder.encoder.network
    return str(network.pretrained_cfg.get("architecture") or "")


def write_timm(encoder: FrozenEncoder, path: Path, run: Path, results: Sequence[Path]) -> None:
    """A safetensors file whose names are timm's, for `load_state_dict(..., strict=True)`."""
    from safetensors.torch import load_file, save_file

    save_file(_weights(encoder), path)
    encoder.encoder.network.load_state_dict(load_file(path))  # type: ignore[union-attr, operator]


def write_torchvision(encoder: FrozenEncoder, path: Path, run: Path, results: Sequence[Path]) -> None:
    """A file of `torch.save` for torchvision's model of the same name, without its classifier.

    Raises:
        RecipeError: torchvision has no such network: it knows ResNets and ViT-B/16 and ViT-L/16, of colour images and
            with their usual widths.
    """
    name = model_name(encoder)
    weights = _weights(encoder)
    if name in _TORCHVISION_NAMES:
        weights = {_renamed(key): value for key, value in weights.items()}
    other = _of_torchvision(_TORCHVISION_NAMES.get(name, name), encoder.image_size)
    try:
        if other is None:
            raise RuntimeError(f"it knows no model {name}")
        other.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise RecipeError(
            f"torchvision has no network that these weights fit ({reason}). Export to timm or onnx, which take every "
            "encoder."
        ) from None
    torch.save(weights, path)


def _renamed(name: str) -> str:
    for pattern, put in _TO_TORCHVISION_VIT:
        name = re.sub(pattern, put, name)
    return name


def _of_torchvision(name: str, size: int) -> nn.Module | None:
    """torchvision's network without its classifier; None if it has none of that name."""
    from torchvision import models

    if name not in models.list_models(models):
        return None
    network = models.get_model(name, image_size=size) if name.startswith("vit") else models.get_model(name)
    if hasattr(network, "fc"):
        network.fc = nn.Identity()
    elif hasattr(network, "heads"):
        network.heads = nn.Identity()
    else:
        return None
    return network


def write_sam(encoder: FrozenEncoder, path: Path, run: Path, results: Sequence[Path]) -> None:
    """A file of `torch.save` with the names of Segment Anything's image encoder, `image_encoder.` before each.

    Raises:
        RecipeError: the encoder is no image encoder of Segment Anything.
    """
    if not model_name(encoder).startswith("samvit"):
        raise RecipeError(
            f"{model_name(encoder) or 'this encoder'} is no image encoder of Segment Anything. Train one, such as "
            "encoder.name=samvit_base_patch16, or export to timm."
        )
    weights = {f"image_encoder.{name}".replace(".mlp.fc", ".mlp.lin"): v for name, v in _weights(encoder).items()}
    torch.save(weights, path)
