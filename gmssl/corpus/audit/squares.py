"""Every image is opened once: the fingerprint of its pixels, its hashes, and the small square it is compared by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import numpy as np

from gmssl.corpus.audit.alignment import SIDE
from gmssl.corpus.audit.hashes import ORIENTATIONS, hashes_of
from gmssl.corpus.audit.sides import Side
from gmssl.corpus.audit.threads import in_threads
from gmssl.errors import DataError
from gmssl.evaluation.progress import Advance
from gmssl.system.images.stored import pixel_digest

if TYPE_CHECKING:
    from PIL import Image

_AT_ONCE, _EACH = 4096, 64


@dataclass(frozen=True, eq=False)
class Squares:
    """What is compared of N images.

    Attributes:
        digests: sha256 of the grey pixels `[N]` S64; empty where an image cannot be read.
        hashes: `[N,8]` uint64, of a test set, or `[N,1]`.
        squares: `[N,64,64]` uint8, mapped from a file, so that memory does not grow with them.
        unique: `[U]` int64, the first image of each digest.
        unreadable: number of images that cannot be read.
    """

    digests: np.ndarray
    hashes: np.ndarray
    squares: np.ndarray
    unique: np.ndarray
    unreadable: int


@contextmanager
def squares_of(side: Side, orientations: bool, folder: Path, advance: Advance) -> Iterator[Squares]:
    """Open all images of a side; the squares are there within the block.

    Args:
        side: the images.
        orientations: whether hashes of all eight orientations are needed.
        folder: where the file of squares has its place; it bears no name, and nothing is left of it.
        advance: called for every block.
    """
    count = len(side)
    digests = np.zeros(count, "S64") if side.digests is None else side.digests.copy()
    hashes = np.zeros((count, ORIENTATIONS if orientations else 1), np.uint64)
    with TemporaryFile(dir=folder) as file:
        file.truncate(max(1, count) * SIDE * SIDE)
        squares = np.memmap(file, np.uint8, "r+", shape=(count, SIDE, SIDE))
        side.images.records  # noqa: B018 opens a store before threads do
        for begin in range(0, count, _AT_ONCE):
            end = min(begin + _AT_ONCE, count)
            in_threads(partial(_read, side, digests, hashes, squares, end), range(begin, end, _EACH))
            advance(end - begin)
        read = np.flatnonzero(digests != b"")
        _, first = np.unique(digests[read], return_index=True)
        yield Squares(digests, hashes, squares, np.sort(read[first]), count - len(read))


def _read(side: Side, digests: np.ndarray, hashes: np.ndarray, squares: np.ndarray, end: int, begin: int) -> None:
    for index in range(begin, min(begin + _EACH, end)):
        try:
            image = side.images.load(index, 1)
        except DataError:
            digests[index] = b""
            continue
        squares[index] = square(image)
        if side.digests is None:
            digests[index] = pixel_digest(image)
        if hashes.shape[1] > 1:
            hashes[index] = hashes_of(image)
        else:
            hashes[index] = hashes_of(image)[0] if side.hashes is None else side.hashes[index]


def square(image: Image.Image) -> np.ndarray:
    """The whole grey image as `[64,64]` uint8: each pixel is the mean of those that it covers."""
    from PIL.Image import Resampling

    return np.asarray(image.resize((SIDE, SIDE), Resampling.BOX))
