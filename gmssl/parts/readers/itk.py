"""MetaImage (MHD, MHA) and NRRD volumes."""

from __future__ import annotations

import contextlib
import itertools
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from gmssl.interfaces.reader import Acquisition, Listing, Reader, Scan
from gmssl.lazy import numpy
from gmssl.parts.readers.files import RefusedError, beside, library, listed, number_of, numbered, telling
from gmssl.parts.readers.volumes import check_size, finite, placed

_MOST_HEADER = 2**20
_MOST_FILES = 100_000


class Itk(Reader):
    """Volumes that SimpleITK reads: MetaImage and NRRD, with their values in the file or beside it.

    Frames run along the slowest axis of the file, columns along the fastest; nothing is turned. Of files of four
    dimensions each volume is an acquisition, `file#t`. Three values of 8 bits a voxel are colour; other vectors are not
    read.
    """

    kind: ClassVar[str] = "itk"
    extensions: ClassVar[tuple[str, ...]] = (".mhd", ".mha", ".nrrd", ".nhdr")

    unit: Literal["HU"] | None = Field(None, description="HU for CT: these files do not say it")

    def listing(self, root: Path, names: Sequence[str]) -> Listing:
        """From headers; the files of values that they name belong to them, and are there."""
        library("SimpleITK")
        headers = [name for name in names if name.lower().endswith(self.extensions)]
        companions: set[str] = set()

        def header(name: str) -> list[Acquisition]:
            volume = _Volume.load(root, name)
            companions.update(volume.files[1:])
            return numbered(name, volume.files, volume.number, volume.shape[0])

        found = listed(root, headers, header)
        rest = listed(root, [name for name in names if name not in companions and name not in headers], _no_header)
        return Listing(found.acquisitions, tuple(sorted(found.left_out + rest.left_out, key=lambda left: left.name)))

    def read(self, root: Path, acquisition: Acquisition) -> Scan:
        """See `Reader.read`."""
        library("SimpleITK")
        with telling(root, acquisition.files[0]):
            volume = _Volume.load(root, acquisition.files[0])
            volume.check_compressed(root)
            values = volume.values(number_of(acquisition))
            return Scan(values, affine=volume.affine, unit=self.unit, valid=finite(values))


def _no_header(name: str) -> list[Acquisition]:
    raise RefusedError("it is no MetaImage or NRRD, and no header names it")


@dataclass(frozen=True, eq=False)
class _Volume:
    """A reader of SimpleITK that knows the header, and what the header says of files."""

    reader: Any
    files: tuple[str, ...]
    header: _Header

    @classmethod
    def load(cls, root: Path, name: str) -> _Volume:
        """Header only.

        Raises:
            RefusedError: it is none, it does not suit its files, or no volume of numbers.
        """
        sitk = library("SimpleITK")
        header = _Header.read(root, name)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(root / name))
        reader.SetImageIO("NrrdImageIO" if header.nrrd else "MetaImageIO")
        with _silent():
            reader.ReadImageInformation()
        volume = cls(reader, (name, *header.files), header)
        volume.check()
        size = sum((root / file).stat().st_size for file in (header.files or (name,)))
        check_size(volume.samples * (1 if header.text else volume.sample_bytes), size, header.compressed)
        return volume

    def check_compressed(self, root: Path) -> None:
        """Refuse compressed MetaImage values that are not as long as the header says: ITK waits for more, for ever.

        Raises:
            RefusedError, zlib.error: they are not.
        """
        if self.header.nrrd or not self.header.compressed:
            return
        if len(self.files) > 2:
            raise RefusedError("its compressed values are in several files; write them into one")
        expected, found = self.samples * self.sample_bytes, 0
        inflating = zlib.decompressobj(wbits=47)  # zlib or gzip, as their first bytes say
        with (root / self.files[-1]).open("rb") as file:
            file.seek(0 if self.header.files else self.header.end)
            while found <= expected and not inflating.eof and (more := inflating.unconsumed_tail or file.read(2**16)):
                found += len(inflating.decompress(more, 2**20))
        found += len(inflating.flush())
        if found != expected:
            raise RefusedError("it is damaged or cut off")

    @property
    def samples(self) -> int:
        """Numbers in the file."""
        return prod(self.reader.GetSize()) * self.reader.GetNumberOfComponents()

    @property
    def sample_bytes(self) -> int:
        """Bytes of one number."""
        kind = library("SimpleITK").GetPixelIDValueAsString(self.reader.GetPixelID())
        bits = re.search(r"(\d+)-bit", kind)
        return int(bits[1]) // 8 if bits else 1

    def check(self) -> None:
        """Refuse what is no volume or a series of volumes of numbers."""
        sitk, reader = library("SimpleITK"), self.reader
        kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
        if not 2 <= reader.GetDimension() <= 4:
            raise RefusedError(
                f"it has {reader.GetDimension()} dimensions {reader.GetSize()}, where volumes have 3 and series of "
                "volumes 4; write each volume as a file"
            )
        if "complex" in kind:
            raise RefusedError("its values are complex numbers; write their magnitude")
        if reader.GetNumberOfComponents() > 1 and not self.colour:
            raise RefusedError(
                f"each voxel holds {reader.GetNumberOfComponents()} values ({kind}), where only 3 of 8 bits are read, "
                "as colour; write each as a volume"
            )
        if min(reader.GetSize()) < 1:
            raise RefusedError(f"its dimensions {reader.GetSize()} hold no value")
        if 0 in reader.GetSpacing():  # ITK reads such headers and then refuses the values as if they were damaged
            raise RefusedError(f"its header gives voxels a spacing of {reader.GetSpacing()}; correct it")

    @property
    def colour(self) -> bool:
        """Whether a voxel is red, green and blue."""
        vector = self.reader.GetPixelID() == library("SimpleITK").sitkVectorUInt8
        return vector and self.reader.GetNumberOfComponents() == 3

    @property
    def number(self) -> int:
        """Volumes in the file."""
        return self.reader.GetSize()[3] if self.reader.GetDimension() == 4 else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        columns, rows, slices = (*self.reader.GetSize(), 1)[:3]
        return slices, rows, columns

    @property
    def affine(self) -> numpy.ndarray | None:
        """See `Scan.affine`; the places of flat images are in a plane at z = 0."""
        reader = self.reader
        given, own = reader.GetDimension(), min(reader.GetDimension(), 3)
        direction = numpy.array(reader.GetDirection()).reshape(given, given)[:own, :own]
        affine = numpy.eye(4)
        affine[:own, :own] = direction * numpy.array(reader.GetSpacing()[:own])
        affine[:own, 3] = reader.GetOrigin()[:own]
        return placed(affine[:, [2, 1, 0, 3]], self.shape)

    def values(self, number: int) -> numpy.ndarray:
        """`[K,H,W]` or `[K,H,W,3]` of one of its volumes."""
        sitk, reader = library("SimpleITK"), self.reader
        if number >= self.number:
            raise RefusedError(f"it has {self.number} volumes; there is no number {number}")
        if reader.GetDimension() == 4:
            reader.SetExtractIndex((0, 0, 0, number))
            reader.SetExtractSize((*reader.GetSize()[:3], 0))
        with _silent():
            values = sitk.GetArrayFromImage(reader.Execute())
        return values[None] if reader.GetDimension() == 2 else values


@dataclass(frozen=True)
class _Header:
    """What the text of a header says of the files that hold its values; none: the header's own."""

    nrrd: bool
    files: tuple[str, ...]
    compressed: bool
    text: bool
    end: int = 0

    @classmethod
    def read(cls, root: Path, name: str) -> _Header:
        """Parse it, and see that the files are there.

        Raises:
            RefusedError: it is no header, or they are not.
        """
        with (root / name).open("rb") as file:
            start = file.read(_MOST_HEADER)
        if not start:
            raise RefusedError("the file is empty")
        header = cls._nrrd(name, start) if start.startswith(b"NRRD") else cls._meta(name, start)
        for other in header.files:
            if not (root / other).is_file():
                raise RefusedError(f"its values are missing: there is no {other}")
        return header

    @classmethod
    def _nrrd(cls, name: str, start: bytes) -> _Header:
        lines = re.split(r"\r?\n", re.split(rb"\r?\n\r?\n", start)[0].decode("latin-1"))
        fields = [line.partition(":") for line in lines[1:] if not line.startswith("#")]
        values = {key.strip().lower(): value.strip() for key, _, value in fields}
        encoding = values.get("encoding", "raw").lower()
        place = values.get("data file", values.get("datafile", ""))
        at = next((i for i, line in enumerate(lines) if re.match(r"data ?file:", line, re.IGNORECASE)), len(lines))
        files = _named(name, place, lines[at + 1 :])
        return cls(True, files, encoding not in ("raw", "txt", "text", "ascii"), encoding in ("txt", "text", "ascii"))

    @classmethod
    def _meta(cls, name: str, start: bytes) -> _Header:
        values: dict[str, str] = {}
        lines = iter(re.split(r"\r?\n", start.decode("latin-1")))
        for line in lines:
            key, equals, value = line.partition("=")
            values[key.strip().lower()] = value.strip()
            if equals and key.strip().lower() == "elementdatafile":
                break
        else:
            raise RefusedError("its header does not say where its values are (ElementDataFile); it is damaged")
        place = values["elementdatafile"]
        files = () if place.upper() == "LOCAL" else _named(name, place, [*lines])
        true = {key for key in ("compresseddata", "binarydata") if values.get(key, "").lower() in ("true", "1")}
        if "binarydata" not in true:
            raise RefusedError("its values are text, or its header does not say that they are binary; write them so")
        found = re.search(rb"elementdatafile[^\n]*\n", start, re.IGNORECASE)
        return cls(False, files, "compresseddata" in true, False, found.end() if found else len(start))


def _named(name: str, place: str, lines: list[str]) -> tuple[str, ...]:
    """The files that a header names: one, those in the lines that follow, or a pattern with first and last number."""
    if place.split(" ")[0].upper() == "LIST":
        given = [line.strip() for line in itertools.takewhile(str.strip, lines)]
    elif pattern := re.fullmatch(r"(.*%0?\d*d.*?)\s+(\d+)\s+(\d+)(?:\s+(\d+))?(?:\s+\d+)?", place):
        numbers = range(int(pattern[2]), int(pattern[3]) + 1, int(pattern[4] or 1) or 1)
        if len(numbers) > _MOST_FILES or pattern[1].count("%") != 1:
            raise RefusedError(f"it names its values by a pattern that is not read ({place})")
        given = [pattern[1] % number for number in numbers]
    else:
        given = [place] if place else []
    return tuple(beside(name, other) for other in given)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without warnings on the terminal, and with ITK's errors in the words of its last line."""
    process = library("SimpleITK").ProcessObject
    before = process.GetGlobalWarningDisplay()
    process.SetGlobalWarningDisplay(False)
    try:
        yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = lines[-1] if lines and lines[-1].startswith("[nrrd]") else ""
        told = re.sub(r"^\[nrrd\]\s*\w*:?\s*", "", told)
        raise RefusedError(f"it is damaged or cut off{f' ({told})' if told else ''}") from None
    finally:
        process.SetGlobalWarningDisplay(before)
