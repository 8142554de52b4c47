"""Read the frames of an acquisition into one array, or one by one."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gmssl.errors import DataError
from gmssl.interfaces.reader import Scan
from gmssl.lazy import numpy
from gmssl.parts.readers.dicom.geometry import affine_of
from gmssl.parts.readers.dicom.headers import Header
from gmssl.parts.readers.dicom.stacks import Stack
from gmssl.parts.readers.dicom.values import Frame, frames_of, type_of, whole_type

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"

_Read: TypeAlias = "tuple[numpy.ndarray, numpy.ndarray | None]"
"""Values of a frame, and where they are valid."""


def read_volume(stack: Stack, headers: Mapping[str, Header]) -> Scan:
    """The values of a volume as one array.

    Args:
        stack: its frames in the order of space.
        headers: of their files, by name.

    Raises:
        DataError: a file is damaged, or of a form that is not read.
    """
    frames = frames_of([(headers[plane.file.name], plane.frame) for plane in stack])
    values, valid = _filled(frames)
    middle = frames[len(frames) // 2]
    return Scan(
        values, affine_of(stack), middle.unit or None, middle.inverted, valid, middle.window, _encoded(frames, values)
    )


def read_picture(header: Header) -> Scan:
    """The values of a file for itself: an array of one frame, or many of them decoded one by one.

    Raises:
        DataError: the file is damaged, or of a form that is not read.
    """
    frames = frames_of([(header, index) for index in range(header.frames)])
    first = frames[0]
    if len(frames) > 1:
        one_by_one = OneByOne(tuple(frames), type_of(frames))
        padding = Validity(one_by_one) if first.padded else None
        return Scan(one_by_one, None, first.unit or None, first.inverted, padding, first.window)
    values, valid = _filled(frames)
    return Scan(values, None, first.unit or None, first.inverted, valid, first.window, _encoded(frames, values))


@dataclass(frozen=True, eq=False)
class OneByOne:
    """Frames of a file that are decoded when they are asked for, so that it may be larger than the memory."""

    frames: tuple[Frame, ...]
    dtype: numpy.dtype
    _last: dict[int, _Read] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> numpy.ndarray:
        values, _ = self._read(index)
        if not _fits(values, self.dtype):
            raise DataError(f"{self.frames[index].header.name} has values of more bits than its header says.")
        return values.astype(self.dtype, copy=False)

    def valid(self, index: int) -> numpy.ndarray:
        """Where the values of a frame are valid, bool `[H,W]`."""
        values, where = self._read(index)
        return numpy.ones(values.shape[:2], dtype=bool) if where is None else where

    def _read(self, index: int) -> _Read:
        if not self.frames[index].padded:
            return self.frames[index].read()
        if index not in self._last:  # values and validity are asked for in turn, and decoded once
            found = self.frames[index].read()
            self._last.clear()
            self._last[index] = found
        return self._last[index]


@dataclass(frozen=True, eq=False)
class Validity:
    """Where the frames of a file are valid, decoded with them."""

    of: OneByOne

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: int) -> numpy.ndarray:
        return self.of.valid(index)


def _filled(frames: Sequence[Frame]) -> tuple[numpy.ndarray, numpy.ndarray | None]:
    out, valid = None, None
    for k, frame in enumerate(frames):
        values, where = frame.read()
        if out is None:
            out = numpy.empty((len(frames), *values.shape), dtype=type_of(frames))
        if values.shape != out.shape[1:]:
            raise DataError(
                f"{frame.header.name} has {values.shape} values, where the frames before have {out.shape[1:]}."
            )
        if not _fits(values, out.dtype):  # more bits than the header says
            ends = [values.min(), values.max(), *((out[:k].min(), out[:k].max()) if k else ())]
            out = out.astype(whole_type(int(min(ends)), int(max(ends))))
        out[k] = values
        if where is not None:
            if valid is None:
                valid = numpy.ones(out.shape[:3], dtype=bool)
            valid[k] = where
    assert out is not None
    return out, valid


def _fits(values: numpy.ndarray, dtype: numpy.dtype) -> bool:
    if values.dtype == dtype or any(numpy.issubdtype(one, numpy.floating) for one in (values.dtype, dtype)):
        return True
    info = numpy.iinfo(dtype)
    return bool(info.min <= values.min() and values.max() <= info.max)


def _encoded(frames: Sequence[Frame], values: numpy.ndarray) -> tuple[bytes, ...] | None:
    """The bytes of a single frame that is JPEG of 8 bits and says nothing else, if they decode to its values."""
    if len(frames) != 1 or frames[0].pixels.syntax != JPEG_BASELINE or values.dtype != numpy.uint8:
        return None
    from PIL import Image

    try:
        encoded = frames[0].pixels.encoded(frames[0].index)
        if not _silent(encoded):
            return None
        with Image.open(io.BytesIO(encoded), formats=("JPEG",)) as image:
            same = image.mode == ("L" if values.ndim == 3 else "RGB") and numpy.array_equal(
                numpy.asarray(image), values[0]
            )
    except Exception:  # then it is stored in another form
        return None
    return (encoded,) if same else None


def _silent(encoded: bytes) -> bool:
    """Whether no segment before the pixels could hold words: comments, and what applications add, EXIF among them."""
    place = 2
    while place + 4 <= len(encoded) and encoded[place] == 0xFF:
        marker, length = encoded[place + 1], int.from_bytes(encoded[place + 2 : place + 4], "big")
        if marker == 0xDA:
            return True
        allowed = {0xE0: 18, 0xEE: 16}.get(marker, 0)
        if (0xE0 <= marker <= 0xEF or marker == 0xFE) and length > allowed:
            return False
        place += 2 + length
    return False
