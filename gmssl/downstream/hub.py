"""Models of the Hugging Face hub, or folders in its form, that timm opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gmssl.errors import RecipeError
from gmssl.evaluation.encoders import FrozenEncoder
from gmssl.interfaces.registry import part
from gmssl.parts.encoders.timm_module import TimmEncoder
from gmssl.parts.encoders.weights import Loaded


def hub_encoder(place: str, size: int) -> FrozenEncoder:
    """A model that timm opens by `hf-hub:` or, if `place` is a folder, by `local-dir:`; frozen.

    Raises:
        RecipeError: it cannot be opened.
    """
    import timm

    local = Path(place).expanduser()
    where = f"local-dir:{local}" if local.is_dir() else f"hf-hub:{place}"
    try:
        network: Any = timm.create_model(where, pretrained=True, num_classes=0)
        if network.pretrained_cfg.get("fixed_input_size"):
            network = timm.create_model(where, pretrained=True, num_classes=0, img_size=size)
    except Exception as error:  # the hub, the network and the configuration each have their own ways to fail
        reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
        raise RecipeError(
            f"hf:{place} cannot be opened by timm: {reason}. Give a repository of the hub whose library is timm, or a "
            "folder that `gmssl export --to hf` wrote."
        ) from None
    stated = network.pretrained_cfg
    channels = stated["input_size"][0]
    views = part("views", "multi_crop", large_size=size, mean=tuple(stated["mean"]), std=tuple(stated["std"]))
    encoder = TimmEncoder(network, Loaded(where, tensors=len(network.state_dict())))
    return FrozenEncoder(encoder, views, channels, size, where)
