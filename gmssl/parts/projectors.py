"""Multi-layer perceptron."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from gmssl.interfaces.encoder import Projector
from gmssl.lazy import torch


class Mlp(Projector):
    """Linear layers of the given widths; between two of them optional batch normalisation, and ReLU.

    LVM-Med: 2048 → 128 (ResNet-50), 768 → 128 (ViT-B), that is `widths: [128]`. Features after a ReLU share a large
    mean, so that all cosines start near 0.9 and noise drowns their differences; `normalise_output` removes it.
    """

    kind: ClassVar[str] = "mlp"

    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((128,), min_length=1)
    batch_norm: bool = Field(True, description="batch normalisation between the layers")
    normalise_output: bool = Field(
        False, description="centre and scale each output over the batch, without weights (as MoCo v3 does)"
    )

    def width(self) -> int:
        """The last of `widths`."""
        return self.widths[-1]

    def build(self, channels: int) -> torch.nn.Module:
        """A module `[B,C] -> [B, widths[-1]]` with the attribute `channels`."""
        nn = torch.nn
        layers: list[torch.nn.Module] = []
        for number, width in enumerate(self.widths):
            last = number + 1 == len(self.widths)
            layers.append(nn.Linear(channels, width, bias=last or not self.batch_norm))
            if not last:
                layers += [nn.BatchNorm1d(width)] if self.batch_norm else []
                layers.append(nn.ReLU(inplace=True))
            channels = width
        if self.normalise_output:
            layers.append(nn.BatchNorm1d(channels, affine=False))
        head = nn.Sequential(*layers)
        head.channels = channels  # type: ignore[assignment]
        return head
