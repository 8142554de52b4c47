"""What the segmentation of volumes slice by slice can be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from gmssl.parts.tasks.masks.augmentation import Augmentation
from gmssl.parts.tasks.masks.fitting import Fit
from gmssl.parts.tasks.segmentation.settings import Network, SegmentationSettings, Side
from gmssl.parts.tasks.volumes.settings import Count, VolumeSettings


class SliceSettings(VolumeSettings):
    """The settings of the task `volume_segmentation`, apart from the task, so that its pieces need not know it."""

    size: Side = Field(224, description="side of the slices, in pixels")
    fit: Fit = Field("stretch", description="how slices become squares: `stretch`, or `pad` with pixels left out")
    network: Network = Field("unet", description="the decoder, as of the task segmentation")
    decoder_channels: Annotated[tuple[Count, ...], Field(min_length=5, max_length=5)] = Field(
        (256, 128, 64, 32, 16), description="of its blocks from coarse to fine; `dpt` takes the first"
    )
    negatives: Annotated[float, Field(ge=0)] | None = Field(
        1.0, description="slices without foreground in an epoch, for each one with it; null: all slices"
    )
    augmentation: Augmentation = Field(Augmentation(), description="random changes of training examples")
    cache: Annotated[int, Field(ge=0)] = Field(
        1024, description="MB of slices on the grid that are kept in memory; the others are in a temporary folder"
    )

    def of_slices(self) -> SegmentationSettings:
        """The task on single slices, whose network and losses these are."""
        return SegmentationSettings(
            size=self.size,
            fit=self.fit,
            classes=self.classes,
            network=self.network,
            decoder_channels=self.decoder_channels,
            dice_weight=self.dice_weight,
            cross_entropy_weight=self.cross_entropy_weight,
        )

    @model_validator(mode="after")
    def _slices_can_be_learnt(self) -> SliceSettings:
        self.of_slices()
        return self
