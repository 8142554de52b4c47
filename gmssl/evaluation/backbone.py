"""Encoders as downstream tasks see them: pooled features, pyramids of maps, and their weights layer by layer."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import nn

from gmssl.errors import RecipeError
from gmssl.evaluation.encoders import FrozenEncoder
from gmssl.evaluation.features import frozen as unchanged

_LEVELS = 4
"""Levels of a plain transformer, whose blocks all have maps of one size: as many as DPT reads."""


class EncoderBackbone(nn.Module):
    """A `gmssl.interfaces.task.Backbone` on top of any encoder.

    Attributes:
        encoder: the encoder, `[B,K,H,W] -> (map, pooled [B,C'])`.
        frozen: whether it is left as it is: no gradients, and evaluation mode whatever is asked for, because BatchNorm
            would adapt to the images.
        source: where its weights came from, in words.
    """

    def __init__(self, given: FrozenEncoder, size: int, frozen: bool) -> None:
        """Look at what an encoder gives for images of `size` pixels.

        Raises:
            RecipeError: it takes no images of this size, or its normalisation is unknown.
        """
        super().__init__()
        if given.mean is None or given.std is None:
            raise RecipeError(
                f"how images are normalised for {given.source} is not known: its views do not tell. Give an encoder "
                "whose run had views that state mean and std."
            )
        self.encoder, self.frozen, self.source = given.encoder, frozen, given.source
        self.in_channels, self.mean, self.std = given.in_channels, given.mean, given.std
        self.requires_grad_(not frozen)
        self._taken: list[int] | None = None
        self.channels: tuple[int, ...] = ()
        self.strides: tuple[int, ...] = ()
        blank = torch.zeros(1, self.in_channels, size, size)
        try:
            with unchanged(self.encoder):
                self.width: int = self.encoder(blank)[1].shape[1]
                self._look_at(blank)
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
            raise RecipeError(
                f"the encoder of {given.source} takes no images of {size} pixels: {reason}. Change the task's size."
            ) from None
        self.train(False)

    def _look_at(self, blank: torch.Tensor) -> None:
        if not hasattr(self.encoder.network, "forward_intermediates"):
            return
        maps = self._maps(blank)
        sizes = [map_.shape[-1] for map_ in maps]
        if len(maps) > _LEVELS and len(set(sizes)) == 1:  # the last block, and others evenly before it
            self._taken = [round(len(maps) * (n + 1) / _LEVELS) - 1 for n in range(_LEVELS)]
            maps = self._maps(blank)
        self.channels = tuple(map_.shape[1] for map_ in maps)
        self.strides = tuple(round(blank.shape[-1] / map_.shape[-1]) for map_ in maps)

    def _maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        network: Any = self.encoder.network
        given = images.contiguous(memory_format=torch.channels_last)
        return list(network.forward_intermediates(given, indices=self._taken, intermediates_only=True))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pooled features `[B,C']` of normalised images `[B,K,H,W]`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            pooled: torch.Tensor = self.encoder(images)[1]
        return pooled

    def pyramid(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Maps `[B,C_l,h_l,w_l]`, from fine to coarse; of a plain transformer four blocks, evenly spaced."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self._maps(images)

    def train(self, mode: bool = True) -> Self:
        """Change to training mode, unless it is frozen."""
        return super().train(mode and not self.frozen)

    def layers(self) -> list[list[nn.Parameter]]:
        """The weights from input to output, grouped by timm's own knowledge of the network; else one group."""
        network: Any = self.encoder.network
        if not hasattr(network, "group_matcher"):
            return [list(self.encoder.parameters())]
        from timm.models import group_parameters

        named = dict(network.named_parameters())
        groups = group_parameters(network, network.group_matcher(coarse=False))
        found = [[named[name] for name in groups[key]] for key in sorted(groups)]
        known = {id(weight) for group in found for weight in group}
        rest = [weight for weight in self.encoder.parameters() if id(weight) not in known]
        return [group for group in (*found, rest) if group]
