"""Neighbours by the features of an encoder."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from gmssl.corpus.audit.neighbours import Nearest, nothing_yet
from gmssl.evaluation.encoders import FrozenEncoder
from gmssl.evaluation.features import extract
from gmssl.evaluation.progress import Stages
from gmssl.evaluation.selection import Subset
from gmssl.interfaces.data import Images, Record

if TYPE_CHECKING:
    from PIL import Image

_ROWS = 256


class Mirrored:
    """Images in one of four orientations: bit 0 mirrors columns, bit 1 rows."""

    def __init__(self, images: Images, orientation: int) -> None:
        self._images, self._orientation = images, orientation
        self.records: list[Record] = list(images.records)

    def __len__(self) -> int:
        return len(self._images)

    def load(self, index: int, channels: int) -> Image.Image:
        """Load an image, as `Images.load` does."""
        from PIL import ImageOps

        image = self._images.load(index, channels)
        image = ImageOps.mirror(image) if self._orientation & 1 else image
        return ImageOps.flip(image) if self._orientation & 2 else image


class Encoded:
    """The features of stored images."""

    def __init__(self, encoder: FrozenEncoder, images: Images, rows: np.ndarray, stages: Stages) -> None:
        self._encoder, self._stages = encoder, stages
        self._stored = self._features(Subset(images, rows.tolist()), "features of the store")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del self._stored

    def nearest(
        self, images: Images, rows: np.ndarray, groups: tuple[np.ndarray, np.ndarray], neighbours: int
    ) -> Nearest:
        """The stored images whose features are most alike those of each test image, in four orientations of it."""
        found = nothing_yet(len(rows), neighbours)
        test = Subset(images, rows.tolist())
        for orientation in range(4):
            words = f"features of the test set, {('as it is', 'mirrored', 'upside down', 'both')[orientation]}"
            features = self._features(Mirrored(test, orientation), words)
            for begin in range(0, len(features), _ROWS):
                part = slice(begin, begin + _ROWS)
                alike = features[part] @ self._stored.T
                alike[groups[0][part, None] == groups[1][None]] = -1
                _take(alike, orientation, found.part(part))
        return found

    def _features(self, images: Images, words: str) -> np.ndarray:
        """`[N,C]` float32 of length 1; images that could be read before can be read now."""
        encoder = self._encoder
        with self._stages.stage(words, len(images), "images") as advance:
            look = encoder.views, encoder.in_channels, encoder.image_size
            features, indices = extract(encoder, images, *look, advance=advance)
        found = np.zeros((len(images), features.shape[1]), np.float32)
        found[indices.numpy()] = features.numpy()
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def _take(alike: np.ndarray, orientation: int, found: Nearest) -> None:
    """Take the cosines `[M,N]` of one orientation into lists `[M,K]`."""
    count = min(found.values.shape[1], alike.shape[1])
    best = np.argpartition(-alike, count - 1, axis=1)[:, :count]
    values = np.concatenate([found.values, np.take_along_axis(alike, best, 1)], axis=1)
    rows = np.concatenate([found.rows, best], axis=1)
    ways = np.concatenate([found.ways, np.full_like(best, orientation)], axis=1)
    order = np.argsort(-values, axis=1, kind="stable")[:, : found.values.shape[1]]
    for kept, new in ((found.values, values), (found.rows, rows), (found.ways, ways)):
        kept[:] = np.take_along_axis(new, order, 1)
    found.rows[found.values <= 0] = -1
