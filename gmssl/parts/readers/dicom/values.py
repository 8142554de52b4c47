"""From stored numbers to the values of the scanner: scale, padding, palette, window, unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmssl.errors import DataError
from gmssl.lazy import numpy
from gmssl.parts.readers.dicom.decoding import Pixels, pixels_of
from gmssl.parts.readers.dicom.headers import FaultError, Header, items, number, numbers, quiet, text, whole, words_of
from gmssl.parts.readers.dicom.planes import inner

if TYPE_CHECKING:
    from pydicom import Dataset

EXACT = 2**24
"""Whole numbers up to here are exact in float32."""
WHOLE, LARGEST = 2.0**32, 3e38
"""Values up to here are kept as whole numbers, and as float32."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a file, and how its stored numbers become values.

    Attributes:
        pixels: of its file.
        index: in its file.
        header: of its file.
        slope, intercept: of its own scale.
        low, high: numbers that its bits can hold; compressed pixels may hold more.
        window: (lower, upper) bound that it asks to be shown with.
        unit: of its values as the header says it.
    """

    pixels: Pixels
    index: int
    header: Header
    slope: float
    intercept: float
    low: int
    high: int
    window: tuple[float, float] | None
    unit: str

    @property
    def colour(self) -> bool:
        """Whether it becomes RGB."""
        return "PALETTE" in self._shown or self.pixels.options.get("samples_per_pixel", 1) == 3

    @property
    def padded(self) -> bool:
        """Whether some of its values may not be valid."""
        if self.colour:
            return False
        fractions = self.header.keyword != "PixelData"  # which may be no numbers
        return fractions or bool(text(self.header.fields, "PixelPaddingValue"))

    @property
    def inverted(self) -> bool:
        """Whether small values are bright."""
        return self._shown == "MONOCHROME1"

    @property
    def _shown(self) -> str:
        return text(self.header.fields, "PhotometricInterpretation")

    @property
    def plain(self) -> bool:
        """Whether its values are whole numbers that types of 32 bits hold."""
        whole_line = self.slope.is_integer() and self.intercept.is_integer() and max(map(abs, self.ends)) <= WHOLE
        return (
            whole_line and self.header.keyword == "PixelData" and not items(self.header.fields, "ModalityLUTSequence")
        )

    @property
    def ends(self) -> tuple[float, float]:
        """Values of the least and the greatest number that its bits can hold."""
        return self.slope * self.low + self.intercept, self.slope * self.high + self.intercept

    def read(self) -> tuple[numpy.ndarray, numpy.ndarray | None]:
        """Values `[H,W]`, or RGB of 8 bits `[H,W,3]`, and where they are valid, `[H,W]`; None for everywhere.

        Raises:
            DataError: it is damaged, or something that is not read.
        """
        try:
            with quiet():
                return self._values(self.pixels.frame(self.index))
        except (FaultError, NotImplementedError, *_DAMAGES) as error:
            raise DataError(f"{self.header.name} cannot be read: {words_of(error)}.") from None

    def _values(self, stored: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray | None]:
        fields = self.header.fields
        if self.colour:
            return _colours(stored, fields), None
        valid = _valid(stored, fields)
        if items(fields, "ModalityLUTSequence"):
            from pydicom.pixels.processing import apply_modality_lut

            return apply_modality_lut(stored, fields), valid
        if self.slope == 1 and self.intercept == 0:
            return stored, valid
        if self.plain:
            return stored.astype(numpy.int64) * int(self.slope) + int(self.intercept), valid
        return stored.astype(numpy.float64) * self.slope + self.intercept, valid


_DAMAGES = (ValueError, AttributeError, LookupError, TypeError, ArithmeticError)


def frame_of(header: Header, pixels: Pixels, index: int) -> Frame:
    """How one frame is read.

    Raises:
        DataError: its scale is no scale.
    """
    fields = header.fields
    groups = _groups(header, index)
    try:
        scale = inner(groups, "PixelValueTransformationSequence")
        scale = fields if scale is None else scale
        slope, intercept = number(scale, "RescaleSlope"), number(scale, "RescaleIntercept")
        if slope == 0:
            raise FaultError("RescaleSlope is 0")
        known = slope is not None or intercept is not None or bool(items(fields, "ModalityLUTSequence"))
        slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
        bits = whole(fields, "BitsStored") or whole(fields, "BitsAllocated") or 16
        if bits > 64:
            raise FaultError(f"BitsStored is {bits}")
        signed = bool(whole(fields, "PixelRepresentation"))
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        window = _window(inner(groups, "FrameVOILUTSequence"), fields)
        unit = _unit(fields, text(scale, "RescaleType"), known)
        frame = Frame(pixels, index, header, slope, intercept, low, high, window, unit)
        if not max(map(abs, frame.ends)) <= LARGEST:
            raise FaultError(f"its scale ({slope:g} · number + {intercept:g}) makes values that float32 does not hold")
        return frame
    except FaultError as fault:
        raise DataError(f"{header.name} cannot be read: {fault}.") from None


def frames_of(headers: Sequence[tuple[Header, int]]) -> list[Frame]:
    """Frames of several files, given as (header, index); the files' headers are parsed once."""
    opened: dict[str, Pixels] = {}
    for header, _ in headers:
        if header.name not in opened:
            opened[header.name] = pixels_of(header)
    return [frame_of(header, opened[header.name], index) for header, index in headers]


def _groups(header: Header, index: int) -> list[Dataset | None]:
    own = items(header.fields, "PerFrameFunctionalGroupsSequence")
    shared = items(header.fields, "SharedFunctionalGroupsSequence")
    return [own[index] if index < len(own) else None, shared[0] if shared else None]


def _unit(fields: Dataset, given: str, known: bool) -> str:
    """CT is in Hounsfield units unless it has no scale, or names another unit; US means that none was named."""
    if given == "HU":
        return "HU"
    return "HU" if text(fields, "Modality") == "CT" and known and given in ("", "US") else ""


def _window(own: Dataset | None, fields: Dataset) -> tuple[float, float] | None:
    source = fields if own is None else own
    try:
        centre, width = number(source, "WindowCenter"), number(source, "WindowWidth")
    except FaultError:  # a window is a wish
        return None
    if centre is None or width is None or width <= 0:
        return None
    if text(source, "VOILUTFunction") in ("", "LINEAR") and width > 1:
        return centre - width / 2, centre + width / 2 - 1
    return centre - width / 2, centre + width / 2


def _valid(stored: numpy.ndarray, fields: Dataset) -> numpy.ndarray | None:
    floats = numpy.issubdtype(stored.dtype, numpy.floating)
    valid = numpy.isfinite(stored) if floats else None
    padding = numbers(fields, "FloatPixelPaddingValue" if floats else "PixelPaddingValue")
    if padding:
        limit = number(fields, "PixelPaddingRangeLimit")
        below, above = sorted((padding[0], padding[0] if limit is None else limit))
        if not floats:  # its sign is often written wrong
            info = numpy.iinfo(stored.dtype)
            span = info.max - info.min + 1
            shift = span if above < info.min else -span if below > info.max else 0
            below, above = below + shift, above + shift
        outside = (stored < below) | (stored > above)
        valid = outside if valid is None else valid & outside
    return None if valid is None or valid.all() else valid


def _colours(stored: numpy.ndarray, fields: Dataset) -> numpy.ndarray:
    """RGB of 8 bits; deeper colours are scaled by their number of bits."""
    bits = whole(fields, "BitsStored") or 8
    if stored.ndim == 2:
        from pydicom.pixels.processing import apply_color_lut

        stored = apply_color_lut(stored, fields)[..., :3]
        bits = 8 * stored.dtype.itemsize
    if bits == 8 and stored.dtype == numpy.uint8:
        return stored
    if not numpy.issubdtype(stored.dtype, numpy.unsignedinteger):
        raise FaultError("its colours have a sign")
    return numpy.rint(stored * (255.0 / (2**bits - 1))).clip(0, 255).astype(numpy.uint8)


def type_of(frames: Sequence[Frame]) -> Any:
    """The smallest numpy type that holds the values of all frames exactly; float32 where they are no whole numbers."""
    if frames[0].colour:
        return numpy.dtype(numpy.uint8)
    if not all(frame.plain for frame in frames):
        return numpy.dtype(numpy.float32)
    ends = [end for frame in frames for end in frame.ends]
    return whole_type(min(ends), max(ends))


def whole_type(low: float, high: float) -> Any:
    """The smallest numpy type that holds whole numbers from `low` to `high`."""
    for candidate in (numpy.uint8, numpy.int8, numpy.int16, numpy.uint16):
        info = numpy.iinfo(candidate)
        if info.min <= low and high <= info.max:
            return numpy.dtype(candidate)
    if max(-low, high) <= EXACT:
        return numpy.dtype(numpy.float32)
    wide = next(
        (c for c in (numpy.int32, numpy.uint32) if numpy.iinfo(c).min <= low and high <= numpy.iinfo(c).max), None
    )
    return numpy.dtype(numpy.float32 if wide is None else wide)
