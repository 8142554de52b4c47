"""The network: a frozen image encoder, SAM's frozen prompt encoder, and a mask decoder that trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import torch
from timm.layers import LayerNorm2d
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


class LastLevel(nn.Module):
    """The coarsest map of an encoder's pyramid."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.network = backbone

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """`[B,C,h,w]` of normalised images."""
        return self.network.pyramid(images)[-1]


class OwnEncoder(nn.Module):
    """SAM's image encoder; without its neck, where that is trained and stands behind it."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.network = encoder

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features of the decoder `[B,C,h,w]`, or what the neck takes, `[B,h,w,C]`."""
        return self.network(images).last_hidden_state


class PromptedNetwork(nn.Module):
    """Masks of boxes; see `gmssl.parts.tasks.prompts.settings` for what trains.

    Attributes:
        backbone: the encoder that was swapped in; None where SAM has its own.
        loaded: where the weights came from, in words.
    """

    def __init__(
        self,
        sam: Any,
        encoder: nn.Module,
        adapter: nn.Module,
        backbone: Backbone | None,
        trains: bool,
        cache_gigabytes: float,
        loaded: str,
    ) -> None:
        super().__init__()
        from monai.losses import DiceCELoss

        self.sam, self.encoder, self.adapter = sam, encoder, adapter
        self.sam.vision_encoder = nn.Identity()  # it is in `encoder`, or not needed
        self._backbone = [backbone]  # in a list, so that it is no second name of modules of `encoder`
        self.loaded = loaded
        self.channels = 3 if backbone is None else backbone.in_channels
        mean, std = (MEAN, STD) if backbone is None else (backbone.mean, backbone.std)
        for name, numbers in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(numbers).view(1, -1, 1, 1), persistent=False)
        self.requires_grad_(False)
        if trains:
            self.sam.mask_decoder.requires_grad_(True)
            self.adapter.requires_grad_(True)
        # MedSAM's: Dice with squared predictions and binary cross-entropy, not weighted.
        self._criterion = DiceCELoss(sigmoid=True, squared_pred=True)
        self._cache = FeatureCache(int(cache_gigabytes * 2**30))
        self.register_load_state_dict_post_hook(lambda module, _: module._cache.clear())
        self.train(self.training)

    @property
    def backbone(self) -> Backbone | None:
        """The encoder that was swapped in."""
        return self._backbone[0]

    def train(self, mode: bool = True) -> PromptedNetwork:
        """Only what trains is ever in training mode: running statistics of frozen modules stay as they are."""
        super().train(mode)
        self.encoder.eval()
        self.sam.prompt_encoder.eval()
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
            self._cache.get(case, lambda place=place: self._encode(batch["image"][place : place + 1]), self.mean.device)
            for place, case in enumerate(batch["case"].tolist())
        ]
        return self.adapter(torch.cat(frozen))

    @torch.no_grad()
    def _encode(self, image: torch.Tensor) -> torch.Tensor:
        values = image.float() / 255
        if values.shape[1] != self.channels:
            values = values.expand(-1, self.channels, -1, -1)
        return self.encoder((values - self.mean) / self.std)


def frozen_names(network: PromptedNetwork) -> Sequence[str]:
    """Names of the weights that do not train."""
    return [name for name, weight in network.named_parameters() if not weight.requires_grad]
