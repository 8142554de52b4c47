"""Settings of the segmentation of volumes slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Task
from gmssl.parts.tasks.masks.augmentation import Augmentation
from gmssl.parts.tasks.masks.fitting import Fit
from gmssl.parts.tasks.segmentation.task import Network, Segmentation
from gmssl.parts.tasks.volumes.settings import Count, VolumeSettings

if TYPE_CHECKING:
    from gmssl.parts.tasks.volumes.opened import OpenedSlices


class VolumeSegmentation(Task, VolumeSettings):
    """The class of each voxel of a volume: slices by a decoder on the encoder, merged into a volume and scored in mm.

    Cases have the roles `image` and `mask`, files of one grid. Of several `images` each is a channel where the encoder
    has as many channels; otherwise all channels are their mean.
    """

    kind: ClassVar[str] = "volume_segmentation"
    extra: ClassVar[str | None] = "seg"

    size: Annotated[int, Field(ge=32, multiple_of=32)] = Field(224, description="side of the slices, in pixels")
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

    @property
    def image_size(self) -> int:
        """Side of the slices that the backbone sees."""
        return self.size

    def of_slices(self) -> Segmentation:
        """The task on single slices, whose network and losses these are."""
        return Segmentation(
            size=self.size,
            fit=self.fit,
            classes=self.classes,
            network=self.network,
            decoder_channels=self.decoder_channels,
            dice_weight=self.dice_weight,
            cross_entropy_weight=self.cross_entropy_weight,
        )

    @model_validator(mode="after")
    def _slices_can_be_learnt(self) -> VolumeSegmentation:
        self.of_slices()
        return self

    def open(self, cases: Sequence[Case], channels: int) -> OpenedSlices:
        """Read all volumes once, and say what is wrong with them.

        Raises:
            DataError: files that are missing, cannot be read, hold several volumes or values that are not finite, a
                mask on another grid than its image, values of no class, no foreground anywhere, or a missing library.
        """
        from gmssl.parts.tasks.volumes.checking import checked
        from gmssl.parts.tasks.volumes.opened import OpenedSlices

        return OpenedSlices(self, tuple(cases), channels, checked(self, cases))
