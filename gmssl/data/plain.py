"""Images without augmentation, for probes and evaluations."""

from __future__ import annotations

import torch
from torch.utils.data import Dataset

from gmssl.interfaces.data import Images


class PlainDataset(Dataset[torch.Tensor]):
    """Whole images, resized to a square without keeping their aspect: uint8 `[K,size,size]` by index.

    `Views.plain` normalises a batch of them. An unreadable image raises its `DataError`.
    """

    def __init__(self, images: Images, channels: int, size: int) -> None:
        self.images, self.channels, self.size = images, channels, size

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        """The resized image."""
        import numpy
        from PIL import Image

        image = self.images.load(index, self.channels)
        resized = image.resize((self.size, self.size), Image.Resampling.BILINEAR, reducing_gap=2.0)
        pixels = torch.from_numpy(numpy.array(resized))
        return pixels[None] if self.channels == 1 else pixels.permute(2, 0, 1).contiguous()
