"""A backbone with a decoder of segmentation-models-pytorch, its losses and its predictions."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.task import Backbone
from gmssl.parts.tasks.masks.reading import UNCOUNTED
from gmssl.parts.tasks.segmentation.pyramid import Levels, Stem, TokenLevels
from gmssl.parts.tasks.segmentation.settings import SegmentationSettings


class SegmentationNetwork(nn.Module):
    """Logits `[B,1+classes,S,S]` of images uint8 `[B,K,S,S]`; class 0 is the background."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, settings: SegmentationSettings, backbone: Any) -> None:
        super().__init__()
        smp = _library()
        if not backbone.channels:
            raise RecipeError(
                f"task.network={settings.network} needs an encoder with a pyramid of feature maps, and this one has "
                "none. Use another encoder, such as one of timm with feature maps."
            )
        if settings.crop not in (None, settings.size) and len(set(backbone.strides)) == 1:
            raise RecipeError(
                "task.crop is for convolutional encoders: this one has positions for images of one size. Remove it."
            )
        outputs = len(settings.names) + 1
        self.backbone = backbone
        self.decoder: nn.Module = DECODERS[settings.network](settings, backbone, outputs)
        for name in ("mean", "std"):
            numbers = torch.tensor(getattr(backbone, name), dtype=torch.float32) * 255
            self.register_buffer(name, numbers[:, None, None], persistent=False)
        foreground = list(range(1, outputs))
        self.dice = smp.losses.DiceLoss("multiclass", classes=foreground, ignore_index=UNCOUNTED)
        self.weights = (settings.dice_weight, settings.cross_entropy_weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of images of any type with values 0…255."""
        normalised = (images.float() - self.mean) / self.std
        logits: torch.Tensor = self.decoder(normalised, self.backbone.pyramid(normalised))
        return logits

    def loss(self, batch: dict[str, Any]) -> torch.Tensor:
        """Dice and cross-entropy over the pixels that count, weighted."""
        logits, labels = self(batch["images"]).float(), batch["labels"].long()
        dice, entropy = self.weights
        total = logits.new_zeros(())
        if dice:
            total = total + dice * self.dice(logits, labels)
        if entropy:
            summed = functional.cross_entropy(logits, labels, ignore_index=UNCOUNTED, reduction="sum")
            total = total + entropy * summed / (labels != UNCOUNTED).sum().clamp(min=1)
        return total

    @torch.no_grad()
    def predict(self, batch: dict[str, Any]) -> torch.Tensor:
        """Probabilities `[B,1+classes,S,S]`."""
        was = self.training
        self.eval()
        found = self(batch["images"]).float().softmax(dim=1)
        self.train(was)
        return found


class UnetLike(nn.Module):
    """A decoder of the U-Net family and its head, on levels of strides 2, 4, 8, …"""

    def __init__(self, levels: Levels | TokenLevels | Stem, decoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.levels, self.decoder, self.head = levels, decoder, head

    def forward(self, images: torch.Tensor, pyramid: list[torch.Tensor]) -> torch.Tensor:
        """Logits `[B,C,H,W]`."""
        logits: torch.Tensor = self.head(self.decoder([images, *self.levels(images, pyramid)]))
        return logits


class Dpt(nn.Module):
    """The decoder of dense prediction transformers on the last four levels."""

    def __init__(self, decoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.decoder, self.head = decoder, head

    def forward(self, images: torch.Tensor, pyramid: list[torch.Tensor]) -> torch.Tensor:
        """Logits `[B,C,H,W]`."""
        logits: torch.Tensor = self.head(self.decoder(pyramid[-4:], [None] * 4))
        return logits


def _unet(settings: SegmentationSettings, backbone: Backbone, outputs: int, attention: str | None = None) -> nn.Module:
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

    levels = _levels(settings, backbone)
    widths = _widths(settings, levels)
    decoder = UnetDecoder(
        (backbone.in_channels, *levels.channels), widths, n_blocks=len(widths), attention_type=attention
    )
    return _begun(UnetLike(levels, decoder, _head(widths[-1], outputs)))


def _attention_unet(settings: SegmentationSettings, backbone: Backbone, outputs: int) -> nn.Module:
    return _unet(settings, backbone, outputs, "scse")


def _unet_plus_plus(settings: SegmentationSettings, backbone: Backbone, outputs: int) -> nn.Module:
    from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder

    levels = _levels(settings, backbone)
    widths = _widths(settings, levels)
    decoder = UnetPlusPlusDecoder((backbone.in_channels, *levels.channels), widths, n_blocks=len(widths))
    return _begun(UnetLike(levels, decoder, _head(widths[-1], outputs)))


def _transunet(settings: SegmentationSettings, backbone: Backbone, outputs: int) -> nn.Module:
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

    widths = settings.decoder_channels[-4:]
    levels = Stem(backbone.in_channels, backbone.channels, widths[2::-1])
    decoder = UnetDecoder((backbone.in_channels, *levels.channels), widths, n_blocks=len(widths))
    return _begun(UnetLike(levels, decoder, _head(widths[-1], outputs)))


def _dpt(settings: SegmentationSettings, backbone: Backbone, outputs: int) -> nn.Module:
    from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder, DPTSegmentationHead

    channels, strides = backbone.channels[-4:], backbone.strides[-4:]
    if len(channels) < 4 or any(stride & (stride - 1) for stride in strides):
        raise RecipeError(
            f"task.network=dpt needs four levels whose strides are powers of two; the encoder has strides "
            f"{backbone.strides}. Use unet."
        )
    width = settings.decoder_channels[0]
    decoder = DPTDecoder(
        channels,
        strides,
        encoder_has_prefix_tokens=False,
        readout="ignore",
        intermediate_channels=(width, 2 * width, 4 * width, 4 * width),
        fusion_channels=width,
    )
    return _begun(Dpt(decoder, DPTSegmentationHead(width, outputs)))


DECODERS = {
    "unet": _unet,
    "unet++": _unet_plus_plus,
    "attention_unet": _attention_unet,
    "dpt": _dpt,
    "transunet": _transunet,
}


def _levels(settings: SegmentationSettings, backbone: Backbone) -> Levels | TokenLevels:
    strides = backbone.strides
    if len(set(strides)) > 1 and not any(stride & (stride - 1) for stride in strides):
        return Levels(backbone.channels, strides)
    if len(set(strides)) == 1:
        return TokenLevels(backbone.channels, strides[0], settings.decoder_channels[0])
    raise RecipeError(
        f"task.network={settings.network}: the encoder's strides {strides} are neither powers of two nor all equal. "
        "Use another encoder."
    )


def _widths(settings: SegmentationSettings, levels: Levels | TokenLevels) -> tuple[int, ...]:
    """A block for each level; the finest ones of the settings where there are fewer."""
    given, count = settings.decoder_channels, len(levels.channels)
    return given[-count:] if count <= len(given) else (given[0],) * (count - len(given)) + given


def _head(channels: int, outputs: int) -> nn.Module:
    from segmentation_models_pytorch.base import SegmentationHead

    head: nn.Module = SegmentationHead(channels, outputs)
    return head


def _begun(decoder: nn.Module) -> nn.Module:
    """With weights drawn as the library draws those of its own models."""
    from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head

    for name, module in decoder.named_children():
        (initialize_head if name == "head" else initialize_decoder)(module)
    return decoder


def _library() -> Any:
    try:
        import segmentation_models_pytorch
    except ImportError:
        raise DataError("Segmentation needs segmentation-models-pytorch: run pip install 'gmssl[seg]'.") from None
    return segmentation_models_pytorch
