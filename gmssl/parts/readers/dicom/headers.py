"""Read the header of a DICOM file: only the elements named here, and where the pixels begin."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmssl.interfaces.reader import LibraryError
from gmssl.system.workers import of_the_machine

if TYPE_CHECKING:
    from pydicom import Dataset

UNDEFINED = 0xFFFFFFFF
DEFLATED = "1.2.840.10008.1.2.1.99"
DIRECTORY = "1.2.840.10008.1.3.10"
IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
NATIVE = {IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED}
"""Transfer syntaxes whose pixels are not compressed, each by itself."""
WORDS = """
ImageType SOPClassUID SOPInstanceUID Modality AcquisitionTime PatientID SliceThickness EchoTime InversionTime
EchoNumbers SpacingBetweenSlices TriggerTime FlipAngle DiffusionBValue DiffusionGradientOrientation StudyInstanceUID
SeriesInstanceUID AcquisitionNumber InstanceNumber ImagePositionPatient ImageOrientationPatient
TemporalPositionIdentifier FrameReferenceTime DetectorInformationSequence SharedFunctionalGroupsSequence
PerFrameFunctionalGroupsSequence SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows
Columns PixelSpacing BitsAllocated BitsStored HighBit PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit
FloatPixelPaddingValue WindowCenter WindowWidth VOILUTFunction RescaleIntercept RescaleSlope RescaleType
ModalityLUTSequence PaletteColorLookupTableUID RedPaletteColorLookupTableDescriptor
GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor RedPaletteColorLookupTableData
GreenPaletteColorLookupTableData BluePaletteColorLookupTableData SegmentedRedPaletteColorLookupTableData
SegmentedGreenPaletteColorLookupTableData SegmentedBluePaletteColorLookupTableData ExtendedOffsetTable
ExtendedOffsetTableLengths
"""
"""Keywords of the elements that are read; whatever else a header says of a person stays in the file."""

_FIRST_PIXELS = 0x7FE00008
_PIXELS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")


class NoDicomError(Exception):
    """A file that plainly is of another form."""


class FaultError(Exception):
    """What is wrong with a file, as a clause that follows its name."""


@dataclass(frozen=True, eq=False)
class Header:
    """Elements of one file.

    Attributes:
        name: path below the root of the source.
        path: where it is.
        fields: the elements of `WORDS`.
        syntax: UID of the transfer syntax; that of the bytes where the file does not say.
        keyword, vr, offset, length: of the element with the pixels; the keyword is empty where there is none, the
            offset counts from the start of the file, and the length is `UNDEFINED` for compressed pixels.
        size: bytes of the file.
    """

    name: str
    path: Path
    fields: Dataset
    syntax: str
    keyword: str
    vr: str
    offset: int
    length: int
    size: int

    @property
    def missing(self) -> int:
        """Bytes of pixels that should follow, but lie behind the end of the file."""
        known = self.keyword and self.length != UNDEFINED and self.syntax != DEFLATED
        return max(self.offset + self.length - self.size, 0) if known else 0

    @property
    def frames(self) -> int:
        """Number of frames; 1 where the file does not say."""
        return max(whole(self.fields, "NumberOfFrames") or 1, 1)


def need_pydicom() -> None:
    """Refuse to begin without the library.

    Raises:
        LibraryError: it is missing; names the extra.
    """
    try:
        import pydicom  # noqa: F401
    except ImportError:
        raise LibraryError(
            'DICOM files are read by pydicom, which is not installed; pip install "gmssl[med]".'
        ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings or log of pydicom: what matters about a file is raised, or checked here."""
    logger = logging.getLogger("pydicom")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def read_header(root: Path, name: str) -> Header:
    """Header of one file, without its pixels; call it within `quiet`.

    Raises:
        NoDicomError: it is of another form.
        FaultError: it is damaged.
        OSError, MemoryError: the machine is at fault, see `of_the_machine`.
    """
    path = root / name
    try:
        return _read(path, name)
    except (NoDicomError, FaultError):
        raise
    except Exception as error:  # pydicom raises almost anything on damaged files
        if of_the_machine(error):
            raise
        what = "it cannot be opened" if isinstance(error, OSError) else "its header cannot be read"
        raise FaultError(f"{what} ({words_of(error)})") from None


def words_of(error: Exception) -> str:
    """What a library said, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()).rstrip(".")[:300] or type(error).__name__


def _read(path: Path, name: str) -> Header:
    from pydicom.filereader import read_partial

    with open(path, "rb") as file:
        start = file.read(132)
        marked = start[128:] == b"DICM"
        if not marked and start[:2] not in _FIRST_GROUPS:
            if name.lower().endswith((".dcm", ".dicom", ".ima")):
                raise FaultError(
                    "it is empty" if not start else "it has the name of a DICOM file, but does not begin as one"
                )
            raise NoDicomError
        found: list[tuple[int, str, int, int]] = []

        def at_pixels(tag: int, vr: str | None, length: int) -> bool:
            if int(tag) >= _FIRST_PIXELS:  # comparing pydicom's tags is slow
                found.append((int(tag), vr or "OW", file.tell(), length))
                return True
            return False

        file.seek(0)
        fields = read_partial(file, at_pixels, force=True, specific_tags=[_tag(word) for word in WORDS.split()])
        size = os.fstat(file.fileno()).st_size
    meta = fields.file_meta
    image = fields.get("Rows") is not None
    if not marked and not image and "SOPClassUID" not in fields:
        raise NoDicomError
    if meta.get("MediaStorageSOPClassUID") and "SOPClassUID" not in fields:
        fields.SOPClassUID = meta.MediaStorageSOPClassUID
    implicit, little = fields.original_encoding
    syntax = str(meta.get("TransferSyntaxUID") or "")
    if not syntax:
        syntax = IMPLICIT if implicit else EXPLICIT if little else BIG_ENDIAN
    tag, vr, offset, length = found[0] if found else (0, "", 0, 0)
    return Header(name, path, fields, syntax, _PIXELS.get(tag, ""), vr, offset, length, size)


def text(fields: Dataset, keyword: str) -> str:
    """An element as text, its values separated by backslashes; empty where it is missing."""
    value = _value(fields, keyword)
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, list | tuple) or _many(value) else str(value).strip()


def numbers(fields: Dataset, keyword: str, count: int | None = None) -> tuple[float, ...] | None:
    """An element as finite numbers; None where it is missing or empty.

    Raises:
        FaultError: it is something else.
    """
    value = _value(fields, keyword)
    if value is None or value == "":
        return None
    values = list(value) if isinstance(value, list | tuple) or _many(value) else [value]
    if not values:
        return None
    try:
        found = tuple(float(v) for v in values)
    except (TypeError, ValueError, OverflowError):
        raise FaultError(f"{keyword} is {_shown(value)}, which is no number") from None
    if not all(map(math.isfinite, found)) or (count is not None and len(found) != count):
        raise FaultError(f"{keyword} is {_shown(value)}" + (f", where {count} finite numbers belong" if count else ""))
    return found


def number(fields: Dataset, keyword: str) -> float | None:
    """The first of an element's numbers; None where it is missing."""
    found = numbers(fields, keyword)
    return found[0] if found else None


def whole(fields: Dataset, keyword: str) -> int | None:
    """An element as a whole number; None where it is missing."""
    found = number(fields, keyword)
    return None if found is None else int(found)


def items(fields: Dataset | None, keyword: str) -> list[Dataset]:
    """Items of a sequence; none where it is missing or no sequence."""
    value = None if fields is None else _value(fields, keyword)
    return list(value) if value is not None and not isinstance(value, bytes | str) and _many(value) else []


def _value(fields: Dataset, keyword: str) -> Any:
    tag = _tag(keyword)
    try:
        return fields[tag].value if tag in fields else None
    except Exception:  # an element is converted when it is asked for; what pydicom says may quote it
        raise FaultError(f"{keyword} cannot be read") from None


@cache
def _tag(keyword: str) -> Any:
    """pydicom looks a tag up by its keyword each time, which is most of its work."""
    from pydicom.datadict import tag_for_keyword
    from pydicom.tag import Tag

    return Tag(tag_for_keyword(keyword) or keyword)


def _many(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, str | bytes)


def _shown(value: Any) -> str:
    shown = "\\".join(map(str, value)) if _many(value) else str(value)
    return repr(shown[:60])
