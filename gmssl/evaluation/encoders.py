"""Frozen encoders for use, of a run or of timm, with what they expect of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

import torch

from gmssl.errors import DataError, RecipeError, TrainingError
from gmssl.evaluation.runs import build, run_recipe, trained
from gmssl.interfaces.registry import part
from gmssl.interfaces.views import Views
from gmssl.parts.encoders.timm import Timm
from gmssl.recipe.statistics import ENCODER, RECIPE, recipe_beside, resolved


class FrozenEncoder(torch.nn.Module):
    """An encoder in evaluation mode without gradients of its own, and what it expects of images.

    `train()` does not change it, so that it may stand in a larger model that is trained. Images are resized to a square
    as a whole and normalised, `(pixels in [0, 1] - mean) / std`, before they are given to it; `views.plain` does the
    latter for uint8 images.

    Attributes:
        image_size: side of the square images in pixels.
        in_channels: K, 1 for grey and 3 for colour.
        mean: mean of the pixels in [0, 1], K numbers; None if the views of the run do not tell it.
        std: their standard deviation, likewise.
        views: views whose `plain` normalises uint8 images `[B,K,H,W]`.
        source: where the weights came from, in words.
        encoder: the wrapped module; its `network` is the bare network.
    """

    def __init__(self, encoder: torch.nn.Module, views: Views, in_channels: int, image_size: int, source: str) -> None:
        super().__init__()
        fault = views.fault(in_channels)
        if fault:
            raise DataError(f"{fault}.")
        statistics = views.statistics(in_channels)
        self.mean: tuple[float, ...] | None = None
        self.std: tuple[float, ...] | None = None
        if statistics is not None:
            self.mean, self.std = (n * in_channels if len(n) == 1 else n for n in statistics)
        self.encoder, self.views, self.source = encoder, views, source
        self.in_channels, self.image_size = in_channels, image_size
        self.requires_grad_(False).eval()

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map `[B,C,h,w]` and pooled features `[B,C']` of normalised float32 images `[B,K,H,W]`."""
        maps, pooled = self.encoder(images)
        return maps, pooled

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode whatever is asked for, because BatchNorm would adapt to the images."""
        return super().train(False)


def load_encoder(run: str | os.PathLike[str]) -> FrozenEncoder:
    """The encoder of a run, frozen, on the CPU.

    Args:
        run: the run folder, what `gmssl.train` returned, or `encoder.safetensors` inside the folder: architecture,
            image size and normalisation are those of the `recipe.yaml` beside it.

    Returns:
        a module `[B,K,H,W] -> (map [B,C,h,w], pooled [B,C'])` with `image_size`, `mean`, `std` and `in_channels`.

    Raises:
        TrainingError: there is no run folder or no weights, or the file is damaged, refused or of another encoder.
        RecipeError: a recipe that this version does not understand.
        DataError: views that do not fit the encoder's images.
    """
    folder = Path(run)
    if folder.is_file():
        if folder.name != ENCODER or not (folder.parent / RECIPE).is_file():
            raise TrainingError(
                f"{folder} is not the {ENCODER} of a run, with {RECIPE} beside it. Give the run folder; for weights of "
                "another training, `gmssl embed --encoder NAME --weights FILE` or timm itself."
            )
        folder = folder.parent
    recipe = run_recipe(folder)
    encoder, source = trained(folder, recipe)
    return FrozenEncoder(encoder, recipe.views, recipe.encoder.in_channels, recipe.views.sizes[0], f"{folder / source}")


def timm_encoder(
    name: str,
    weights: Path | None = None,
    pretrained: bool = False,
    size: int | None = None,
    channels: int | None = None,
    seed: int = 0,
) -> FrozenEncoder:
    """A model of timm, frozen, on the CPU; its weights are random if neither a file nor a download is asked for.

    Args:
        name: the name of the model in timm.
        weights: file with weights. Where a run exported it, size, channels and normalisation are by default those of
            the `recipe.yaml` beside it; otherwise, and for all other weights, what timm says of the model.
        pretrained: take timm's own weights, downloaded once.
        size: side of the images in pixels.
        channels: 1 or 3; default 3.
        seed: seed of random weights.

    Raises:
        RecipeError: timm knows no such model, it takes no images of this size, or the weights do not fit or cannot be
            had.
    """
    import timm

    own = recipe_beside(weights)
    if own is not None:
        own = resolved(own)
        size, channels = size or own.views.sizes[0], channels or own.encoder.in_channels
    if channels not in (None, 1, 3):
        raise RecipeError(f"an encoder takes images of 1 or 3 channels, not {channels}. Give one of these.")
    settings = Timm.model_validate({"name": name, "in_channels": channels or 3, "pretrained": True})
    stated = settings.pretraining()
    assert stated is not None  # it begins pretrained only so that it can be asked this
    side = size or stated.size
    change: dict[str, object] = {"pretrained": pretrained, "weights": weights}
    if side != stated.size and getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False):
        change["image_size"] = side
    settings = settings.model_copy(update=change)
    encoder = build(settings, seed)
    if own is not None:
        views = own.views
    else:
        views = part("views", "multi_crop", large_size=side, mean=stated.mean, std=stated.std)
    source = str(getattr(encoder, "loaded", None) or f"random weights, seed {seed}")
    return FrozenEncoder(encoder, views, settings.in_channels, side, source)
