"""The task `segmentation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.masks.scored import MaskTask
from gmssl.parts.tasks.segmentation.settings import SegmentationSettings

if TYPE_CHECKING:
    from gmssl.parts.tasks.segmentation.opened import OpenedSegmentation


class Segmentation(SegmentationSettings, MaskTask):
    """The class of each pixel of an image, learnt from masks, with a decoder on the pyramid of the encoder.

    Networks: `unet` and `unet++`; `attention_unet`, a U-Net with scSE attention in its decoder; `dpt`, which fuses the
    last four levels; `transunet`, a U-Net decoder from the last level with skips from convolutions on the image.

    Cases have the role `mask`, and may have `field_of_view` (what counts) and `second_observer` (a reference).
    """

    kind: ClassVar[str] = "segmentation"
    extra: ClassVar[str | None] = "seg"

    @property
    def image_size(self) -> int:
        """Side of the images that the backbone sees."""
        return self.size

    def open(self, cases: Sequence[Case], channels: int) -> OpenedSegmentation:
        """Read all masks once, and say what is wrong with them.

        Raises:
            DataError: a case without a mask, one that cannot be read or has another size than its image, values of no
                class, a training set that is all background, or a library that is missing.
        """
        from gmssl.parts.tasks.segmentation.annotation import Annotation
        from gmssl.parts.tasks.segmentation.opened import OpenedSegmentation

        return OpenedSegmentation(Annotation(self, cases, channels))
