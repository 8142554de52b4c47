"""Any image model of timm."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gmssl.errors import RecipeError
from gmssl.interfaces.encoder import Encoder, Pretraining, of_channels
from gmssl.lazy import torch
from gmssl.parts.encoders.weights import Loaded, UnfitError


class Timm(Encoder):
    """A model of timm by name (`resnet50`, `vit_base_patch16_224`, `samvit_base_patch16`, ...), without its classifier.

    Maps are the last feature maps (patch tokens of a transformer on their grid); pooled features are what timm's own
    head pools. `encoder.safetensors` of a run has timm's key names.
    """

    kind: ClassVar[str] = "timm"

    name: str = Field("resnet50", min_length=1)
    pretrained: bool = Field(False, description="start from timm's pretrained weights (downloaded once, then cached)")
    weights: Path | None = Field(
        None, description="file with pretrained weights (.safetensors, .pth), instead of a download; must fit the model"
    )
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

    @property
    def begins_pretrained(self) -> bool:
        """Weights of a download or of a file."""
        return self.pretrained or self.weights is not None

    def pretraining(self) -> Pretraining | None:
        """What timm says of the model's pretrained weights; of grey images the mean over the colours.

        Raises:
            RecipeError: timm knows no such model.
        """
        if not self.begins_pretrained:
            return None
        import timm

        _refuse_unknown(self.name)
        stated: Any = timm.get_pretrained_cfg(self.name)
        mean, std = (of_channels(numbers, self.in_channels) for numbers in (stated.mean, stated.std))
        tag = f".{stated.tag}" if stated.tag else ""
        return Pretraining(f"timm's {self.name}{tag}", mean, std, stated.input_size[-1], stated.interpolation)


def _refuse_unknown(name: str) -> None:
    import timm

    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"; near names are {', '.join(close)}" if close else ""
        raise RecipeError(f"encoder.name: timm {timm.__version__} has no model {name!r}{hint}. See timm.list_models().")


def _build(settings: Timm) -> torch.nn.Module:
    """Build the model, or say what about the settings does not fit it."""
    from gmssl.parts.encoders.timm_module import BeforeNeck, TimmEncoder

    _refuse_unknown(settings.name)
    if settings.weights is not None and not settings.weights.is_file():
        raise RecipeError(f"encoder.weights: no file {settings.weights}; give an existing file, or remove the key.")
    chosen = {
        "channels": settings.channels,
        "output_stride": settings.output_stride,
        "img_size": settings.image_size,
        "dynamic_img_size": settings.any_image_size or None,
        "drop_path_rate": settings.drop_path or None,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    network, loaded = _create(settings, given)
    if settings.checkpointing:
        network.set_grad_checkpointing(True)
    # Convolutions are faster on this layout, forward by a third on CPU and more with tensor cores.
    network = network.to(memory_format=torch.channels_last)
    if not settings.before_neck:
        return TimmEncoder(network, loaded)
    if not (hasattr(network, "neck") and hasattr(network, "forward_intermediates")):
        raise RecipeError(f"encoder.before_neck: {settings.name} has no neck; use a samvit model, or remove the key.")
    return BeforeNeck(network, loaded)


def _create(settings: Timm, given: dict[str, Any]) -> tuple[Any, Loaded | None]:
    """The network, and what was loaded into it."""
    import timm

    download = settings.pretrained and settings.weights is None
    try:
        network = timm.create_model(
            settings.name, pretrained=download, in_chans=settings.in_channels, num_classes=0, **given
        )
    except TypeError as error:
        raise RecipeError(
            f"encoder: {settings.name} takes no {' or '.join(given)} ({error}); `channels` and `output_stride` are "
            "for ResNets, `image_size` and `any_image_size` for transformers. Remove the key."
        ) from None
    except Exception as error:
        if not download:
            raise RecipeError(
                f"encoder: timm cannot build {settings.name} with {given}: {error}. Change those keys."
            ) from None
        reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
        raise RecipeError(
            f"encoder: the pretrained weights of {settings.name} could not be loaded from its download: "
            f"{type(error).__name__}: {reason}. Go online once (they are cached), name a file with "
            "encoder.weights=FILE, or start from random weights with encoder.pretrained=false."
        ) from None
    if settings.weights is not None:
        return network, _from_file(network, settings.weights, settings)
    if download:
        tag = network.pretrained_cfg.get("tag")  # type: ignore[union-attr, operator]
        return network, Loaded(f"timm's {settings.name}{f'.{tag}' if tag else ''}", tensors=len(network.state_dict()))
    return network, None


def _from_file(network: Any, file: Path, settings: Timm) -> Loaded:
    from gmssl.parts.encoders.timm_weights import load_file

    try:
        return load_file(network, file, settings.in_channels)
    except UnfitError as fault:
        raise RecipeError(
            f"encoder.weights: {file} does not fit {settings.name}: {fault}. Give a file with the weights of that "
            "model, set encoder.name (and encoder.channels) to the model of the file, or remove encoder.weights."
        ) from None
