"""NIfTI, Analyze, MGH, MINC, PAR/REC and AFNI volumes."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from gmssl.interfaces.reader import Acquisition, LeftOut, Listing, Reader, Scan
from gmssl.lazy import numpy
from gmssl.parts.readers.files import NoImageError, RefusedError, library, listed, muted, number_of, numbered, telling
from gmssl.parts.readers.volumes import RAS_TO_LPS, check_size, finite, is_real, placed, scaled

_HEADERS = {
    ".img": (".hdr",),
    ".img.gz": (".hdr.gz", ".hdr"),
    ".rec": (".par",),
    ".brik": (".head",),
    ".brik.gz": (".head",),
}
"""Ends of files of pixels alone, and those of the headers beside them."""


_LARGE = 2**28
"""Bytes of a file that may be too large for a machine; that is no fault of its header."""


class Nifti(Reader):
    """Volumes that nibabel reads: NIfTI-1 and -2, Analyze and SPM, MGH, MINC 1 and 2, PAR/REC, AFNI.

    Frames run along the third axis of the file (the first spatial one of MINC), rows along the second and columns along
    the first; nothing is turned. Of files of four dimensions each volume is an acquisition, `file#t`. Values are those
    after the file's scale, in its own type where it has none. Places are those of nibabel: sform, else qform, else the
    spacing alone under Analyze's convention that columns run to the left, rows to the front and slices to the head.
    """

    kind: ClassVar[str] = "nifti"
    extensions: ClassVar[tuple[str, ...]] = (
        ".nii",
        ".nii.gz",
        ".hdr",
        ".hdr.gz",
        ".mgh",
        ".mgz",
        ".mnc",
        ".par",
        ".head",
        *_HEADERS,
    )

    unit: Literal["HU"] | None = Field(None, description="HU for CT: these files do not say it")

    def listing(self, root: Path, names: Sequence[str]) -> Listing:
        """From headers; pixels beside a header belong to it."""
        library("nibabel")
        given = set(names)

        def header(name: str) -> list[Acquisition | LeftOut]:
            own = _header_of(root, name)
            if own != name and own in given:
                return []
            with closing(_Volume.load(root, own)) as volume:
                found = numbered(own, volume.files, volume.number, volume.shape[0])
                lost = volume.lost
            return [*found, *([LeftOut(own, lost, fault=False)] if lost else [])]

        return listed(root, names, header)

    def read(self, root: Path, acquisition: Acquisition) -> Scan:
        """See `Reader.read`. RGB is read as colour, without its opacity; values that are not finite are not valid."""
        library("nibabel")
        name = acquisition.files[0]
        with telling(root, name), closing(_Volume.load(root, name)) as volume:
            number = number_of(acquisition)
            if number >= volume.number:
                raise RefusedError(f"it has {volume.number} volumes; there is no number {number}")
            values = volume.values(number)
            valid = finite(values)
            return Scan(values, affine=volume.affine, unit=self.unit, valid=valid, window=volume.window)


def _header_of(root: Path, name: str) -> str:
    """The header beside a file of pixels; any other name as it is."""
    for ending in sorted(_HEADERS, key=len, reverse=True):
        if name.lower().endswith(ending):
            stem = name[: -len(ending)]
            tried = [stem + e for header in _HEADERS[ending] for e in (header, header.upper())]
            found = [other for other in tried if (root / other).is_file()]
            if not found:
                raise RefusedError(f"its header {Path(stem).name}{_HEADERS[ending][0]} is missing beside it")
            return found[0]
    return name


@dataclass(frozen=True, eq=False)
class _Volume:
    """An opened file: nibabel's image, and what its header says."""

    image: Any
    files: tuple[str, ...]
    minc: bool

    @classmethod
    def load(cls, root: Path, name: str) -> _Volume:
        """Header only.

        Raises:
            RefusedError: no volumes of numbers; other errors where the header is damaged.
        """
        nibabel = library("nibabel")
        if not (root / name).is_file():
            raise RefusedError("it is a folder" if (root / name).is_dir() else "there is no such file")
        if (root / name).stat().st_size == 0:
            raise RefusedError("the file is empty")
        with muted("nibabel.global"):
            try:
                image = nibabel.load(root / name, mmap=False)
            except MemoryError:
                if (root / name).stat().st_size > _LARGE:
                    raise
                raise RefusedError("its header asks for more memory than there is, so it is damaged") from None
            except nibabel.filebasedimages.ImageFileError as error:
                if "Cannot work out file type" not in str(error):
                    raise
                raise RefusedError("its header is damaged, or it is of another form than its name says") from None
        minc = isinstance(image, nibabel.Minc1Image)
        volumes = (
            nibabel.analyze.AnalyzeImage,
            nibabel.MGHImage,
            nibabel.parrec.PARRECImage,
            nibabel.brikhead.AFNIImage,
        )
        if not (minc or isinstance(image, volumes)):
            raise NoImageError(f"it is a {type(image).__name__} and holds no volume that is read here")
        volume = cls(image, (name, *_companions(root, name, image)), minc)
        try:
            volume.check()
        except RefusedError:
            volume.close()
            raise
        return volume

    def close(self) -> None:
        """Let go of the file, which the reader of PAR/REC holds open."""
        held = getattr(self.image.dataobj, "file_like", None)
        if not isinstance(held, str | Path) and held is not None:
            held.close()

    @property
    def extent(self) -> tuple[int, ...]:
        """Without trailing dimensions of one, but of at least two."""
        extent = tuple(int(length) for length in self.image.shape)
        while not self.minc and len(extent) > 3 and extent[-1] == 1:
            extent = extent[:-1]
        return extent

    def check(self) -> None:
        """Refuse what is no volume or a series of volumes of numbers."""
        extent, type_ = self.extent, self.image.get_data_dtype()
        if not extent or min(extent) < 1:
            raise RefusedError(f"its dimensions {self.image.shape} hold no value")
        if not 2 <= len(extent) <= 4:
            raise RefusedError(
                f"it has {len(extent)} dimensions {extent}, where volumes have 3 and series of volumes 4; "
                "write each volume as a file"
            )
        if numpy.issubdtype(type_, numpy.complexfloating):
            raise RefusedError("its values are complex numbers; write their magnitude")
        stored = self.image.dataobj
        if type(stored) is library("nibabel").arrayproxy.ArrayProxy:
            place = Path(self.image.file_map["image"].filename)
            _check_size(place, prod(extent) * type_.itemsize, int(stored.offset))
        if type_.names is None and not is_real(type_):
            raise RefusedError(f"its values are of type {type_}, which is not read")

    @property
    def number(self) -> int:
        """Volumes in the file."""
        extent = self.extent
        return 1 if len(extent) < 4 else extent[0] if self.minc else extent[3]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        extent = self.extent
        if self.minc:
            return extent[-3:] if len(extent) > 2 else (1, *extent)  # type: ignore[return-value]
        columns, rows, slices = (*extent, 1)[:3]
        return slices, rows, columns

    @property
    def affine(self) -> numpy.ndarray | None:
        """See `Scan.affine`."""
        affine = self.image.affine
        if affine is None or (self.minc and len(self.extent) < 3) or self._flat():
            return None
        order = [0, 1, 2, 3] if self.minc else [2, 1, 0, 3]
        return placed(numpy.diag(RAS_TO_LPS) @ affine[:, order], self.shape)

    @property
    def lost(self) -> str | None:
        """Why a volume of several slices has no place in space; None if it has one, or needs none."""
        if len(self.extent) < 3 or self.affine is not None:
            return None
        why = "its voxels have a size of 0" if self._flat() else "its place in space is not finite, or has no extent"
        return f"{why} in its header; it is read without positions in mm."

    def _flat(self) -> bool:
        """Whether the header gives an axis of several voxels a size of 0, which nibabel takes for 1 mm."""
        nibabel, header = library("nibabel"), self.image.header
        if not isinstance(header, nibabel.AnalyzeHeader) or ("sform_code" in header and header["sform_code"] > 0):
            return False
        files = self.image.file_map
        with files.get("header", files["image"]).get_prepare_fileobj("rb") as file:
            sizes = type(header).from_fileobj(file, check=False)["pixdim"][1:4]
        return any(length > 1 and size == 0 for length, size in zip(self.extent, sizes, strict=False))

    @property
    def window(self) -> tuple[float, float] | None:
        """Display range of NIfTI (`cal_min`, `cal_max`)."""
        header = self.image.header
        try:
            low, high = float(header["cal_min"]), float(header["cal_max"])
        except (KeyError, TypeError, ValueError, IndexError):
            return None
        return (low, high) if -numpy.inf < low < high < numpy.inf else None

    def values(self, number: int) -> numpy.ndarray:
        """`[K,H,W]` or `[K,H,W,3]` of one of its volumes."""
        stored, extent = self.image.dataobj, self.extent
        if type(stored) is not library("nibabel").arrayproxy.ArrayProxy or stored.order != "F":
            with muted("nibabel.global"):
                chosen = stored if len(extent) < 4 else stored[number] if self.minc else stored[..., number]
                shape = extent if len(extent) < 4 else extent[1:] if self.minc else extent[:3]
                return self._acquired(_lean(numpy.asarray(chosen).reshape(shape)))
        place = Path(self.image.file_map["image"].filename)
        size = prod(extent[:3]) * stored.dtype.itemsize
        bytes_ = _bytes(place, int(stored.offset), size, number, self.number)
        raw = self._acquired(bytes_.view(stored.dtype).reshape(extent[:3], order="F"))
        if raw.dtype.names is not None:
            return numpy.stack([raw[colour] for colour in raw.dtype.names[:3]], axis=-1)
        return scaled(raw, float(stored.slope), float(stored.inter))

    def _acquired(self, values: numpy.ndarray) -> numpy.ndarray:
        if values.ndim == 2:
            return values[None] if self.minc else values.T[None]
        return values if self.minc else values.transpose(2, 1, 0)


def _check_size(place: Path, values: int, offset: int) -> bool:
    """Whether a file is compressed; refused where it cannot hold so many bytes of values after its header."""
    compressed = place.suffix.lower() in (".gz", ".mgz")
    check_size(values + (0 if compressed else offset), place.stat().st_size, compressed)
    return compressed


def _bytes(place: Path, offset: int, size: int, number: int, of: int) -> numpy.ndarray:
    """The bytes of one volume; compressed files are read to their end, where the checksum of all their bytes stands.

    Raises:
        RefusedError: the file ends before.
    """
    compressed = _check_size(place, size * of, offset)
    values = numpy.empty(size, dtype=numpy.uint8)
    with gzip.open(place) if compressed else place.open("rb") as file:
        file.seek(offset + number * size)
        view = memoryview(values)  # type: ignore[arg-type]
        while len(view) and (more := file.readinto(view)):  # type: ignore[attr-defined]
            view = view[more:]
        if len(view):
            raise RefusedError(f"it is truncated: {len(view)} of the {size} bytes of a volume are missing")
        while compressed and file.read(2**20):
            pass
    return values


def _lean(values: numpy.ndarray) -> numpy.ndarray:
    """float64 that a format's own scale made of at most 16 bits, as float32 unless that overflows."""
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype != numpy.float64:
        return values
    largest = numpy.abs(values[numpy.isfinite(values)]).max(initial=0)
    return values.astype(numpy.float32) if largest < numpy.finfo(numpy.float32).max else values


def _companions(root: Path, name: str, image: Any) -> list[str]:
    """Files beside the header that hold its values.

    Raises:
        RefusedError: they are missing.
    """
    folder, found = name.rpartition("/")[0], []
    holder = image.file_map.get("image")
    place = Path(holder.filename) if holder is not None and isinstance(holder.filename, str | Path) else root / name
    if place.name != Path(name).name:
        if not place.is_file():
            raise RefusedError(f"its values are missing: there is no {place.name} beside it")
        found.append(f"{folder}/{place.name}".removeprefix("/"))
    return found
