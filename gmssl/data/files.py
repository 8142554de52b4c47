"""Images in files, as folders and manifests list them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmssl.data.reading import read_image
from gmssl.interfaces.data import Record

if TYPE_CHECKING:
    from PIL import Image


@dataclass(eq=False)
class FileImages:
    """Image files with what is known of each (see `gmssl.interfaces.data.Images`)."""

    paths: list[str]
    records: list[Record]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)

    def load(self, index: int, channels: int) -> Image.Image:
        """See `gmssl.data.reading.read_image`."""
        return read_image(self.paths[index], channels)
