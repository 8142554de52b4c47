"""The task `volume_segmentation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.masks.scored import MaskTask
from gmssl.parts.tasks.volumes.slice_settings import SliceSettings

if TYPE_CHECKING:
    from gmssl.parts.tasks.volumes.opened import OpenedSlices


class VolumeSegmentation(SliceSettings, MaskTask):
    """The class of each voxel of a volume: slices by a decoder on the encoder, merged into a volume and scored in mm.

    Cases have the roles `image` and `mask`, files of one grid. Of several `images` each is a channel, the first ones
    again where the encoder has more channels; where it has fewer, all are their mean.
    """

    kind: ClassVar[str] = "volume_segmentation"
    extra: ClassVar[str | None] = "seg"
    unit: ClassVar[str] = "mm"

    @property
    def image_size(self) -> int:
        """Side of the slices that the backbone sees."""
        return self.size

    def open(self, cases: Sequence[Case], channels: int) -> OpenedSlices:
        """Read all volumes once, and say what is wrong with them.

        Raises:
            DataError: files that are missing, cannot be read, hold several volumes or values that are not finite, a
                mask on another grid than its image, values of no class, no foreground anywhere, or a missing library.
        """
        from gmssl.parts.tasks.volumes.checking import checked
        from gmssl.parts.tasks.volumes.opened import OpenedSlices

        return OpenedSlices(self, tuple(cases), channels, checked(self, cases))
