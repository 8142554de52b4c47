"""The network: a frozen image encoder, SAM's frozen prompt encoder, and a mask decoder that trains."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

import torch
from timm.layers.norm import LayerNorm2d
from torch import nn
from torch.nn import functional

from gmssl.interfaces.task import Backbone
from gmssl.parts.tasks.prompts.features import FeatureCache

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pixels that SAM's own encoder was trained with: ImageNet's, in [0, 1]."""

_AT_ONCE = 64
"""Boxes of an image that are decoded together, so that an image with hundreds of cells needs no more memory."""


class Batch(TypedDict):
    """Images with their boxes.

    `case` numbers the images `[B]`; `image` is uint8 `[B,K,S,S]`; `boxes` has four numbers a box: `[B,P,4]` in
    training, a list of `[N,4]` in tests; `target` is uint8 `[B,P,m,m]`, of training only.
    """

    case: torch.Tensor
    image: torch.Tensor
    boxes: Any
    target: torch.Tensor


class Adapter(nn.Module):
    """Maps of any encoder `[1,C,h,w]` as the decoder needs them: two convolutions, 1×1 and 3×3, and its grid.

    Each convolution is followed by the normalisation that SAM's own neck has there, since the decoder was trained on
    features of that scale. Maps of another grid are interpolated bilinearly between the two.
    """

    def __init__(self, channels: int, width: int, grid: int) -> None:
        super().__init__()
        self.grid = (grid, grid)
        self.narrow = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), LayerNorm2d(width))
        self.mix = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), LayerNorm2d(width))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """`[B,width,grid,grid]`."""
        maps = self.narrow(maps)
        if maps.shape[2:] != self.grid:
            maps = functional.interpolate(maps, size=self.grid, mode="bilinear", align_corners=False)
        return self.mix(maps)


class OwnNeck(nn.Module):
    """SAM's neck, where it trains: it narrows the transformer's maps to what the decoder takes."""

    def __init__(self, neck: Any) -> None:
        super().__init__()
        self.network = neck

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """`[B,width,h,w]` of maps `[B,h,w,C]`."""
        return self.network(maps)


@dataclass(frozen=True)
class Running:
    """How a network runs: whether its decoder trains, and how much memory features of frozen encoders may take."""

    trains: bool
    cache_gibibytes: float


class PromptedNetwork(nn.Module):
    """Masks of boxes; see `gmssl.parts.tasks.prompts.settings` for what trains.

    Attributes:
        backbone: the encoder that was swapped in; None where SAM has its own.
        loaded: where the weights came from, in words.
    """

    backbone: Backbone | None
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, sam: Any, adapter: nn.Module, backbone: Backbone | None, running: Running, loaded: str) -> None:
        super().__init__()
        from monai.losses.dice import DiceCELoss

        self.sam, self.adapter, self.backbone, self.loaded = sam, adapter, backbone, loaded
        if backbone is not None:
            self.sam.vision_encoder = nn.Identity()
        self.channels = len(MEAN) if backbone is None else backbone.in_channels
        mean, std = (MEAN, STD) if backbone is None else (backbone.mean, backbone.std)
        for name, numbers in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(numbers).view(1, -1, 1, 1), persistent=False)
        self.requires_grad_(False)
        if running.trains:
            self.sam.mask_decoder.requires_grad_(True)
            self.adapter.requires_grad_(True)
        # MedSAM's: Dice with squared predictions and binary cross-entropy, not weighted.
        self._criterion = DiceCELoss(sigmoid=True, squared_pred=True)
        self._cache = FeatureCache(int(running.cache_gibibytes * 2**30))
        self.register_load_state_dict_post_hook(_forget)
        self.train(self.training)

    def train(self, mode: bool = True) -> PromptedNetwork:
        """Only what trains is ever in training mode: running statistics of frozen modules stay as they are."""
        super().train(mode)
        for frozen in (self.sam.vision_encoder, self.sam.prompt_encoder, self.backbone):
            if isinstance(frozen, nn.Module):
                frozen.eval()
        return self

    def loss(self, batch: Batch) -> torch.Tensor:
        """Dice + cross-entropy, the mean over all prompts; a float32 scalar."""
        logits = self._masks(self._features(batch), batch["boxes"]).float()
        return self._criterion(logits.flatten(0, 1)[:, None], batch["target"].flatten(0, 1)[:, None].float())

    @torch.no_grad()
    def predict(self, batch: Batch) -> list[torch.Tensor]:
        """Logits `[N,m,m]` of the boxes of each image; the boxes of an image are decoded apart from other images."""
        was = self.training
        self.eval()
        try:
            maps = self._features(batch)
            return [self._of_image(maps[i : i + 1], boxes) for i, boxes in enumerate(batch["boxes"])]
        finally:
            self.train(was)

    def _of_image(self, maps: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        found = [self._masks(maps, part[None])[0].float() for part in boxes.split(_AT_ONCE) if len(part)]
        side = 4 * maps.shape[-1]
        return torch.cat(found) if found else maps.new_zeros((0, side, side), dtype=torch.float32)

    def _masks(self, maps: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """Logits `[B,P,m,m]` of boxes `[B,P,4]`: SAM's mask of an unambiguous prompt."""
        found = self.sam(image_embeddings=maps, input_boxes=boxes, multimask_output=False)
        return found.pred_masks[:, :, 0]

    def _features(self, batch: Batch) -> torch.Tensor:
        """Maps `[B,C,h,w]` for the decoder. What is frozen is asked once for each case, and for one image at a time.

        One at a time, so that features do not depend on the batch by which they came to be remembered.
        """
        frozen = [
            self._cache.get(case, partial(self._encode, batch["image"][place : place + 1]), self.mean.device)
            for place, case in enumerate(batch["case"].tolist())
        ]
        return self.adapter(torch.cat(frozen))

    @torch.no_grad()
    def _encode(self, image: torch.Tensor) -> torch.Tensor:
        values = image.float() / 255
        if values.shape[1] != self.channels:
            values = values.expand(-1, self.channels, -1, -1)
        values = (values - self.mean) / self.std
        if self.backbone is not None:
            return self.backbone.pyramid(values)[-1]
        return self.sam.vision_encoder(values).last_hidden_state


def _forget(network: PromptedNetwork, _: object) -> None:
    """Features are of the weights before."""
    network._cache.clear()
