"""What three-dimensional networks can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from gmssl.parts.tasks.volumes.settings import Count, VolumeSettings

Kind: TypeAlias = Literal["unet", "unetr", "swin_unetr"]
Share = Annotated[float, Field(ge=0, lt=1)]


class WholeSettings(VolumeSettings):
    """The settings of the task `volume_network`, apart from the task, so that its pieces need not know it."""

    grid: tuple[Count, Count, Count] = Field((64, 128, 128), description="slices, rows, columns of resampled volumes")
    patch: tuple[Count, Count, Count] | None = Field(None, description="part of the grid that is seen; default: all")
    patches: Count = Field(1, description="how often each volume comes in an epoch, each time another patch")
    overlap: Share = Field(0.5, description="of neighbouring windows when a volume is predicted")
    network: Kind = Field("unet", description="MONAI's UNet, UNETR or SwinUNETR")
    channels: Annotated[tuple[Count, ...], Field(min_length=2)] = Field(
        (16, 32, 64, 128), description="of the levels of `unet`, each half as large as the one before"
    )
    residual_units: Annotated[int, Field(ge=0)] = Field(2, description="in each level of `unet`")
    feature_size: Count = Field(24, description="channels of the finest level of the transformers")
    hidden_size: Count = Field(768, description="width of the tokens of `unetr`")
    heads: Count = Field(12, description="of `unetr`")
    weights: Path | None = Field(None, description="weights to begin with, as safetensors or of torch.save")
    partial: bool = Field(False, description="the weights may lack some of the network, which begins at random")
    flip: Literal["none", "horizontal", "all"] = Field(
        "horizontal", description="axes that are mirrored, each with probability 1/2: columns, or all three"
    )
    brightness: Share = Field(0.0, description="tones are multiplied by 1 ± this at most")

    @property
    def seen(self) -> tuple[int, int, int]:
        """What the network sees at once."""
        return self.grid if self.patch is None else self.patch

    @property
    def factor(self) -> int:
        """What each side of a patch must be a multiple of."""
        return {"unet": 2 ** (len(self.channels) - 1), "unetr": 16, "swin_unetr": 32}[self.network]

    @model_validator(mode="after")
    def _patches_fit(self) -> WholeSettings:
        if any(side > whole for side, whole in zip(self.seen, self.grid, strict=True)):
            raise ValueError(f"patch: {list(self.seen)} is larger than the grid {list(self.grid)}; make it smaller")
        where = "grid" if self.patch is None else "patch"
        if any(side % self.factor for side in self.seen):
            raise ValueError(f"{where}: {self.network} needs multiples of {self.factor}, not {list(self.seen)}")
        if all(side == self.factor for side in self.seen):
            raise ValueError(f"{self.network} would see a single cell at its coarsest; make one side of {where} larger")
        if self.network == "unetr" and self.hidden_size % self.heads:
            raise ValueError(f"hidden_size: {self.hidden_size} is no multiple of heads={self.heads}; correct one")
        if self.network == "swin_unetr" and self.feature_size % 12:
            raise ValueError(f"feature_size: swin_unetr needs a multiple of 12, not {self.feature_size}")
        return self
