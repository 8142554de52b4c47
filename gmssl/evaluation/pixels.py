"""Raw pixels: the reference that any encoder must beat, and a way to find images that are copies of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from gmssl.errors import DataError
from gmssl.evaluation.progress import Advance, unwatched
from gmssl.interfaces.data import Images
from gmssl.system.images.stored import pixel_digest
from gmssl.system.workers import batches, telling_limits

if TYPE_CHECKING:
    from PIL import Image

SIDE = 16
"""Raw pixels are judged as a SIDE × SIDE grey thumbnail."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """Thumbnails and fingerprints of N images.

    Attributes:
        features: `[N,256]` float32 in 0..1, grey 16×16 thumbnails; zero where unreadable.
        digests: sha256 of the decoded pixels; None where unreadable.
    """

    features: torch.Tensor
    digests: tuple[str | None, ...]


def thumbnail(image: Image.Image) -> np.ndarray:
    """The whole 8-bit grey image as `[256]` float32 in 0..1: each of 16×16 cells is the mean of its pixels."""
    from PIL.Image import Resampling

    return np.asarray(image.resize((SIDE, SIDE), Resampling.BOX), dtype=np.float32).ravel() / 255


class _Grey(Dataset[tuple[np.ndarray, str]]):
    def __init__(self, images: Images) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[np.ndarray, str]:
        try:
            image = self._images.load(index, 1)
        except DataError:
            return np.zeros(SIDE * SIDE, dtype=np.float32), ""
        return thumbnail(image), pixel_digest(image)


def read(images: Images, workers: int = 0, advance: Advance = unwatched) -> Pixels:
    """Decode every image once. Colour images are compared and judged in grey; torch's random state is left alone."""
    features, digests = [torch.zeros(0, SIDE * SIDE)], list[str | None]()
    with telling_limits():
        for thumbnails, names in batches(_Grey(images), 64, workers):
            features.append(thumbnails)
            digests.extend(name or None for name in names)
            advance(len(names))
    return Pixels(torch.cat(features), tuple(digests))
