"""What a loader's worker does: read an image, cut its views or leave it as it is, and put a batch together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy
import torch
from torch.utils.data import Dataset, get_worker_info

from gmssl.errors import DataError
from gmssl.interfaces.data import Images
from gmssl.interfaces.views import Draw, ImageViews, ViewBatch, Views

if TYPE_CHECKING:
    from PIL import Image

Item = tuple[ImageViews, int, int]

EPOCHS = 2**31
"""More than any training has."""


def key_of(images: int, epoch: int, index: int, copy: int = 0) -> int:
    """The key of an image of so many in an epoch, and of its copies; see `Draw`."""
    return (copy * EPOCHS + epoch) * images + index


class ViewDataset(Dataset[Item]):
    """Views of images by epoch; `key_of(len(images), epoch, index, copy)` gives (views, index, unreadable).

    A copy is first changed as `copied` says, if that is given, and views are cut from what it gives.

    An unreadable image is replaced by the next readable one (from the last on to the first): `index` is then that
    image's and `unreadable` the asked one's, otherwise −1. Views are drawn for the *asked* index, so that a replacement
    differs from the same image's own views.
    """

    def __init__(
        self,
        images: Images,
        views: Views,
        channels: int,
        seed: int,
        copied: Callable[[Image.Image, Draw], Image.Image] | None = None,
    ) -> None:
        self.images, self.views, self.channels, self.seed, self.copied = images, views, channels, seed, copied

    def __len__(self) -> int:
        """Number of images, the keys of one epoch."""
        return len(self.images)

    def __getitem__(self, key: int) -> Item:
        """Views of one image in one epoch.

        Raises:
            DataError: not one image of the whole set can be read.
        """
        count = len(self.images)
        rest, asked = divmod(key, count)
        copy, epoch = divmod(rest, EPOCHS)
        draw = Draw(self.seed, epoch, asked, copy)
        for step in range(count):
            index = (asked + step) % count
            try:
                image = self.images.load(index, self.channels)
            except DataError as error:
                last = error
                continue
            if copy and self.copied is not None:
                image = self.copied(image, draw)
            return self.views.crop(image, draw), index, asked if step else -1
        raise DataError(f"none of the {count} images can be read; the last one: {last}")


def collate(items: Sequence[Item]) -> ViewBatch:
    """A batch; in a worker its images lie in shared memory, so that they are copied once.

    Images are `[B,K,H,W]` in channels-last memory, as `Views.crop` leaves them.
    """
    views, index, unreadable = zip(*items, strict=True)
    return ViewBatch(
        images=tuple(_stack(crops) for crops in zip(*(v.crops for v in views), strict=True)),
        affines=torch.stack([torch.from_numpy(v.affines) for v in views], dim=1).float(),
        photometric=torch.stack([torch.from_numpy(v.photometric) for v in views], dim=1),
        index=torch.tensor(index, device="cpu"),
        unreadable=torch.tensor(unreadable, device="cpu"),
    )


def _stack(crops: Sequence[numpy.ndarray]) -> torch.Tensor:
    pixels = [torch.from_numpy(crop).permute(1, 2, 0) for crop in crops]
    out = None
    if get_worker_info() is not None:  # as torch's own collation does
        memory = torch.UntypedStorage._new_shared(len(pixels) * pixels[0].numel())
        out = torch.empty(0, dtype=torch.uint8, device="cpu").set_(memory).view(len(pixels), *pixels[0].shape)
    return torch.stack(pixels, out=out).permute(0, 3, 1, 2)


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
