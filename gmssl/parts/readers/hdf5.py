"""HDF5 files that hold many images in one array."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from gmssl.interfaces.reader import Acquisition, Listing, Reader, Scan
from gmssl.lazy import numpy
from gmssl.parts.readers.files import RefusedError, library, listed, telling
from gmssl.parts.readers.lazily import LazyFrames
from gmssl.parts.readers.volumes import is_real
from gmssl.system.images.reading import MAX_PIXELS

_KEPT = 2**28  # bytes of images that are kept decoded, because the file compresses them together


class Hdf5(Reader):
    """Images `[N,H,W]`, `[N,H,W,1]` or `[N,H,W,3]` under one key of an HDF5 file, as PatchCamelyon has them.

    One acquisition a file; images are read when they are asked for.
    """

    kind: ClassVar[str] = "hdf5"
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5", ".hdf")

    key: str = Field("x", min_length=1, description="name of the array of images, such as x or group/images")

    def listing(self, root: Path, names: Sequence[str]) -> Listing:
        """From shapes."""
        library("h5py")

        def header(name: str) -> list[Acquisition]:
            with _opened(root / name) as file:
                return [Acquisition(name, (name,), frames=_array(file, self.key).shape[0])]

        return listed(root, names, header)

    def read(self, root: Path, acquisition: Acquisition) -> Scan:
        """See `Reader.read`; damaged images are told of when they are asked for."""
        library("h5py")
        name = acquisition.files[0]
        with telling(root, name), _opened(root / name) as file:
            return Scan(_Images(root, name, _array(file, self.key).shape[0], self.key))


def _opened(path: Path) -> Any:
    if path.is_file() and path.stat().st_size == 0:
        raise RefusedError("the file is empty")
    try:
        return library("h5py").File(
            path, "r", locking=False
        )  # nobody writes to an archive, and some drives cannot lock
    except OSError as error:
        if "truncated" in str(error):
            raise RefusedError("it is truncated") from None
        if "signature" in str(error):
            raise RefusedError("it is no HDF5 file, or its beginning is damaged") from None
        raise


def _array(file: Any, key: str) -> Any:
    """The data set of images.

    Raises:
        RefusedError: there is none, or no array of images.
    """
    h5py = library("h5py")
    found = file.get(key)
    if not isinstance(found, h5py.Dataset):
        keys: list[str] = []
        file.visititems(lambda name, item: keys.append(name) if isinstance(item, h5py.Dataset) else None)
        more = f" and {len(keys) - 12} more" if len(keys) > 12 else ""
        there = f"there are {', '.join(keys[:12])}{more}; set the reader's key" if keys else "it holds no array"
        raise RefusedError(f"there is no array {key!r} in it; {there}")
    if found.file.filename != file.filename or found.external:
        raise RefusedError(f"its array {key!r} lies in another file; copy it into this one")
    shape, type_ = found.shape, found.dtype
    if shape is None or len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)) or min(shape) < 1:
        raise RefusedError(f"its array {key!r} is {shape} and not images [N,H,W], [N,H,W,1] or [N,H,W,3]")
    if shape[1] * shape[2] > MAX_PIXELS:
        size = f"{shape[2]}×{shape[1]} pixels, above the limit {MAX_PIXELS}"
        raise RefusedError(f"the images of its array {key!r} have {size}; cut or shrink them first")
    if not is_real(type_):
        raise RefusedError(f"its array {key!r} is of type {type_} and not of numbers")
    return found


class _Images(LazyFrames):
    """One image after the other, or as many as the file has compressed together, as long as they fit into `_KEPT`."""

    def __init__(self, root: Path, name: str, length: int, key: str) -> None:
        super().__init__(root, name, length)
        self.key = key
        self._block: tuple[int, numpy.ndarray] | None = None

    def open(self) -> Any:
        """See `LazyFrames`."""
        return _opened(self.root / self.name)

    def image(self, handle: Any, index: int) -> numpy.ndarray:
        """See `LazyFrames`."""
        stored = _array(handle, self.key)
        one = stored.dtype.itemsize * stored.size // stored.shape[0]
        together = max(1, min(stored.chunks[0], _KEPT // max(one, 1))) if stored.chunks else 1
        start = index - index % together
        if self._block is None or self._block[0] != start:
            self._block = start, stored[start : start + together]
        image = self._block[1][index - start]
        image = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
        return image.astype(numpy.uint8) * 255 if image.dtype == numpy.bool_ else image.copy()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_block": None}
