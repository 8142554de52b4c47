"""Three-dimensional networks of MONAI, their losses, and their predictions by sliding windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.task import told
from gmssl.parts.tasks.volumes.whole.settings import WholeSettings

_WINDOWS = 2
"""Windows that are predicted at once."""


class WholeNetwork(nn.Module):
    """Logits `[B,1+classes,D,H,W]` of patches uint8 `[B,K,D,H,W]`; class 0 is the background."""

    backbone = None

    def __init__(self, settings: WholeSettings) -> None:
        super().__init__()
        _library()
        from monai.losses.dice import DiceLoss

        self.settings = settings
        self.network: nn.Module = NETWORKS[settings.network](settings, len(settings.images), len(settings.names) + 1)
        if settings.weights is not None:
            load_weights(self.network, settings.weights, settings.partial)
        self.dice = DiceLoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
        self.entropy = nn.CrossEntropyLoss()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of patches with values 0…255; tones between −1 and 1 are what the network sees."""
        logits: torch.Tensor = self.network(images.float() / 127.5 - 1)
        return logits

    def loss(self, batch: dict[str, Any]) -> torch.Tensor:
        """Dice and cross-entropy, weighted."""
        logits, labels = self(batch["images"]).float(), batch["labels"].long()
        total = logits.new_zeros(())
        if self.settings.dice_weight:
            total = total + self.settings.dice_weight * self.dice(logits, labels[:, None])
        if self.settings.cross_entropy_weight:
            total = total + self.settings.cross_entropy_weight * self.entropy(logits, labels)
        return total

    @torch.no_grad()
    def predict(self, batch: dict[str, Any]) -> torch.Tensor:
        """Probabilities `[B,1+classes,D,H,W]` on the whole grid."""
        from monai.inferers.utils import sliding_window_inference

        was = self.training
        self.eval()
        logits = sliding_window_inference(
            batch["images"].float(), self.settings.seen, _WINDOWS, self, self.settings.overlap, mode="gaussian"
        )
        self.train(was)
        assert isinstance(logits, torch.Tensor)
        return logits.float().softmax(dim=1)


def load_weights(network: nn.Module, path: Path, partial: bool) -> None:
    """Load weights of a file; every one of them must have its place in the network.

    Args:
        network: what they are for.
        path: safetensors, or what torch.save wrote: a state dict, or a mapping with one under `state_dict`.
        partial: whether the file may lack some of the network's.

    Raises:
        DataError: there is no such file, or it holds no weights.
        RecipeError: names or shapes that do not fit.
    """
    found = {name.removeprefix("module."): value for name, value in _state(path.expanduser()).items()}
    own = network.state_dict()
    faults = [f"the network has no {name}" for name in found if name not in own]
    faults += [
        f"{name} is {tuple(value.shape)}, and {tuple(own[name].shape)} in the network"
        for name, value in found.items()
        if name in own and value.shape != own[name].shape
    ]
    if not partial:
        faults += [f"the file has no {name}" for name in own if name not in found]
    if faults or not found:
        raise RecipeError(
            told(
                faults or ["there is nothing in the file"],
                f"The weights of {path} are not those of this network: correct task.network and its sizes, or set "
                "task.partial where the file is to lack some.",
            )
        )
    network.load_state_dict({**own, **found})


def _state(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise DataError(f"task.weights: there is no file {path}. Correct its name.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise almost anything
        reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
        raise DataError(f"task.weights: {path} cannot be read as weights: {reason}. Save it as safetensors.") from None
    inner = stored.get("state_dict", stored) if isinstance(stored, dict) else {}
    return {name: value for name, value in inner.items() if isinstance(value, torch.Tensor)}


def _unet(settings: WholeSettings, inputs: int, outputs: int) -> nn.Module:
    from monai.networks.nets.unet import UNet

    steps = (2,) * (len(settings.channels) - 1)
    return UNet(3, inputs, outputs, settings.channels, steps, num_res_units=settings.residual_units)


def _unetr(settings: WholeSettings, inputs: int, outputs: int) -> nn.Module:
    from monai.networks.nets.unetr import UNETR

    return UNETR(
        inputs,
        outputs,
        settings.seen,
        feature_size=settings.feature_size,
        hidden_size=settings.hidden_size,
        mlp_dim=4 * settings.hidden_size,
        num_heads=settings.heads,
    )


def _swin_unetr(settings: WholeSettings, inputs: int, outputs: int) -> nn.Module:
    from monai.networks.nets.swin_unetr import SwinUNETR

    return SwinUNETR(in_channels=inputs, out_channels=outputs, feature_size=settings.feature_size)


NETWORKS = {"unet": _unet, "unetr": _unetr, "swin_unetr": _swin_unetr}


def _library() -> None:
    try:
        import einops  # noqa: F401
        import monai  # noqa: F401
    except ImportError as error:
        raise DataError(
            f"Three-dimensional networks need MONAI and einops ({error.name} is missing): run pip install 'gmssl[seg]'."
        ) from None
