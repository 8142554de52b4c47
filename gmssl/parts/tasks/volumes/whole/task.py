"""The task `volume_network`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.masks.scored import MaskTask
from gmssl.parts.tasks.volumes.whole.settings import WholeSettings

if TYPE_CHECKING:
    from gmssl.parts.tasks.volumes.whole.opened import OpenedWhole


class VolumeNetwork(WholeSettings, MaskTask):
    """The class of each voxel by a three-dimensional network of MONAI, which is the encoder, too (`--encoder own`).

    Volumes are resampled to a grid of slices, rows and columns, learnt from whole or in patches of it, and predicted by
    windows that slide over it; scores are those of the task volume_segmentation, on the grids of the masks. Each of
    `images` is a channel.
    """

    kind: ClassVar[str] = "volume_network"
    extra: ClassVar[str | None] = "seg"
    unit: ClassVar[str] = "mm"

    @property
    def image_size(self) -> int:
        """Rows of the grid; no other encoder than the network's own sees them."""
        return self.grid[1]

    def open(self, cases: Sequence[Case], channels: int) -> OpenedWhole:
        """Read all volumes once, and say what is wrong with them; `channels` is not used.

        Raises:
            DataError: as `VolumeSegmentation.open`.
        """
        from gmssl.parts.tasks.volumes.checking import checked
        from gmssl.parts.tasks.volumes.whole.opened import OpenedWhole

        return OpenedWhole(self, tuple(cases), checked(self, cases))
