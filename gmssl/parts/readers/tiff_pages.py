"""Stacks of images in TIFF files of many pages."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from gmssl.interfaces.reader import Acquisition, Listing, Reader, Scan
from gmssl.lazy import numpy
from gmssl.parts.readers.files import RefusedError, listed, muted, telling
from gmssl.parts.readers.lazily import LazyFrames
from gmssl.parts.readers.volumes import is_real
from gmssl.system.images.reading import MAX_PIXELS
from gmssl.system.images.tiff import cut_off, missing

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _YCBCR = 0, 1, 2, 6
_INCH, _CENTIMETRE = 2, 3
_SCREENS = (72.0, 96.0)
"""Pixels an inch that programs write who know nothing of the image."""

_MM = {"mm": 1.0, "cm": 10.0, "inch": 25.4, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "microns": 1e-3}
_MM |= {"\\u00b5m": 1e-3, "micrometer": 1e-3, "nm": 1e-6, "nanometer": 1e-6, "millimeter": 1.0}
_MM |= {"m": 1e3, "dm": 100.0, "pm": 1e-9, "å": 1e-7}


class TiffPages(Reader):
    """All pages of the first series of a TIFF file as frames, in their order, each read when it is asked for.

    Places are known where `spacing` is given, or where the file says the size of a pixel and, of more than one page,
    their distance (ImageJ, OME); 72 and 96 pixels an inch say nothing.
    """

    kind: ClassVar[str] = "tiff_pages"
    extensions: ClassVar[tuple[str, ...]] = (".tif", ".tiff")

    spacing: (
        tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None
    ) = Field(None, description="mm between pages, rows and columns; default: what the file says")

    def listing(self, root: Path, names: Sequence[str]) -> Listing:
        """From tags; one acquisition a file."""

        def header(name: str) -> list[Acquisition]:
            with _opened(root / name) as file:
                return [Acquisition(name, (name,), frames=_Layout.of(file).frames)]

        with muted("tifffile"):
            return listed(root, names, header)

    def read(self, root: Path, acquisition: Acquisition) -> Scan:
        """See `Reader.read`; damaged pages are told of when they are asked for."""
        name = acquisition.files[0]
        with telling(root, name), muted("tifffile"), _opened(root / name) as file:
            layout = _Layout.of(file)
            sizes = self.spacing or layout.spacing()
            affine = None if sizes is None else numpy.diag([*sizes, 1.0])[[2, 1, 0, 3]]
            return Scan(_Pages(root, name, layout.frames), affine=affine, inverted=layout.inverted)


def _opened(path: Path) -> Any:
    from tifffile import TiffFile, TiffFileError

    if path.is_file() and path.stat().st_size == 0:
        raise RefusedError("the file is empty")
    try:
        return TiffFile(path)
    except TiffFileError:
        raise RefusedError("it is no TIFF file, or its beginning is damaged") from None


class _Layout:
    """How the images of the first series lie in a file."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.series = file.series[0]
        self.page = self.series.keyframe

    @classmethod
    def of(cls, file: Any) -> _Layout:
        """Checked.

        Raises:
            RefusedError: the pages are no images of grey or colour.
        """
        if not file.series:
            raise RefusedError("it has no page")
        layout = cls(file)
        page, axes, shape = layout.page, layout.series.axes, layout.series.shape
        if int(page.photometric) not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _YCBCR):
            raise RefusedError(f"its pages are {page.photometric.name} and not grey or RGB; write them as one of these")
        samples = prod(n for axis, n in zip(axes, shape, strict=True) if axis in "SC")
        if samples != page.samplesperpixel or samples not in (1, 3, 4):
            raise RefusedError(f"its axes {axes} are {shape}, with {samples} channels; write grey or RGB pages")
        if page.dtype is None or not is_real(page.dtype):
            raise RefusedError(f"its samples are of type {page.dtype}, which is not read")
        if page.imagedepth > 1:
            raise RefusedError("its pages are volumes; write their slices as pages")
        if _largest(page) > MAX_PIXELS:
            size = f"{page.imagewidth}×{page.imagelength} pixels, above the limit {MAX_PIXELS}"
            raise RefusedError(f"its pages have {size}; read them as slides, or cut them first")
        if layout.frames < 1:
            raise RefusedError(f"its axes {axes} are {shape} and hold no image")
        if len(layout.series.pages) not in (1, layout.frames) or any(
            page is None or page.parent is not file for page in layout.series.pages
        ):
            raise RefusedError("some of its pages are missing, or lie in other files; write them into one")
        return layout

    @property
    def frames(self) -> int:
        """Number of images."""
        one = int(prod(self.page.shape))
        return int(prod(self.series.shape)) // one if one else 0  # damaged descriptions hold fractions

    @property
    def inverted(self) -> bool:
        """Whether small values are bright."""
        return int(self.page.photometric) == _WHITE_IS_ZERO

    def image(self, index: int) -> numpy.ndarray:
        """One of them."""
        pages = self.series.pages
        if len(pages) == self.frames:
            page = pages[index]
            size = self.file.filehandle.size
            if _largest(page.keyframe) > MAX_PIXELS or page.shape != self.page.shape:
                raise RefusedError(f"page {index} is of another size than the first one")
            if max(page.databytecounts, default=0) > size:
                raise RefusedError(f"it is truncated: a strip or tile of page {index} has more bytes than the file")
            if reason := missing(page, size):
                raise RefusedError(f"page {index}: {reason}")
            try:
                values = page.asarray(maxworkers=1)
            except Exception:  # decoders say in many ways that bytes were missing
                if reason := cut_off(page, size):
                    raise RefusedError(f"page {index}: {reason}") from None
                raise
        else:  # ImageJ describes one page, and the others lie behind it
            page, offset = self.page, self.series.dataoffset
            if offset is None:
                raise RefusedError("its pages do not lie one after the other as its description says")
            type_ = numpy.dtype(self.file.byteorder + self.series.dtype.char)
            self.file.filehandle.seek(offset + index * prod(self.page.shape) * type_.itemsize)
            data = self.file.filehandle.read(prod(self.page.shape) * type_.itemsize)
            if len(data) < prod(self.page.shape) * type_.itemsize:
                raise RefusedError(f"it is truncated: page {index} of {self.frames} is cut off")
            values = numpy.frombuffer(data, type_).reshape(self.page.shape)
        return self._shown(values)

    def _shown(self, values: numpy.ndarray) -> numpy.ndarray:
        page = self.page
        if page.samplesperpixel > 1 and page.axes.startswith("S"):  # colours in separate planes
            values = numpy.moveaxis(values, 0, -1)
        values = values.reshape(page.imagelength, page.imagewidth, -1)
        values = values[..., :3] if values.shape[2] > 1 else values[..., 0]
        if page.bitspersample < 8:
            return numpy.rint(values * (255.0 / (2**page.bitspersample - 1))).astype(numpy.uint8)
        return numpy.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))

    def spacing(self) -> tuple[float, float, float] | None:
        """mm between pages, rows and columns, where the file says it; 1 mm for the pages of a file of one."""
        return self._ome_spacing() or self._tagged_spacing()

    def _ome_spacing(self) -> tuple[float, float, float] | None:
        """From the description of OME-TIFF: PhysicalSizeZ, Y and X, in µm where no unit is named."""
        if not self.file.is_ome or (self.frames > 1 and set(self.series.axes) - set("ZYXSC")):
            return None  # pages of several times, or of an unknown order, have no distance
        pixels = _pixels_of_ome(self.file.ome_metadata)
        sizes = []
        for axis in "ZYX" if self.frames > 1 else "YX":
            size = pixels.get(f"PhysicalSize{axis}")
            unit = _MM.get(str(pixels.get(f"PhysicalSize{axis}Unit", "µm")).strip().lower())
            if not isinstance(size, int | float) or unit is None or not 0 < size < numpy.inf:
                return None
            sizes.append(size * unit)
        down, across = sizes[-2:]
        return (sizes[0] if self.frames > 1 else 1.0), down, across

    def _tagged_spacing(self) -> tuple[float, float, float] | None:
        """From the resolution of the first page, and ImageJ's distance of pages."""
        page, described = self.page, self.file.imagej_metadata or {}
        across = [_number(page.tags.valueof(name)) for name in ("YResolution", "XResolution")]
        unit = page.tags.valueof("ResolutionUnit")
        scale = _MM.get(str(described.get("unit", "")).strip().lower())
        if scale is None and unit in (_INCH, _CENTIMETRE) and not (unit == _INCH and across[0] in _SCREENS):
            scale = 25.4 if unit == _INCH else 10.0
        between = described.get("spacing") if self.frames > 1 else 1.0 / (scale or 1.0)
        if scale is None or not all(across) or not isinstance(between, int | float) or not 0 < between < numpy.inf:
            return None
        return float(between) * scale, scale / across[0], scale / across[1]


def _largest(page: Any) -> int:
    """Pixels of what is decoded at once: a page, or a tile that reaches over its edge."""
    if page.is_tiled:
        return max(page.imagewidth * page.imagelength, page.tilewidth * page.tilelength, prod(page.shape) // 4)
    return max(page.imagewidth * page.imagelength, prod(page.shape) // 4)


def _pixels_of_ome(described: str) -> dict[str, object]:
    """What an OME-XML says of the pixels of its first image; nothing where it is damaged."""
    from xml.etree.ElementTree import ParseError

    from tifffile import xml2dict

    found: object
    try:
        found = xml2dict(described)
    except ParseError:
        return {}
    for name in ("OME", "Image", "Pixels"):
        found = found.get(name) if isinstance(found, dict) else None
        found = found[0] if isinstance(found, list) and found else found
    return found if isinstance(found, dict) else {}


def _number(fraction: object) -> float:
    """A fraction of tags, 0 where it has no meaning."""
    match fraction:
        case (int(above), int(below)) if above > 0 and below > 0:
            return above / below
    return 0.0


class _Pages(LazyFrames):
    def open(self) -> Any:
        """See `LazyFrames`."""
        with muted("tifffile"):
            return _Open(_opened(self.root / self.name))

    def image(self, handle: Any, index: int) -> numpy.ndarray:
        """See `LazyFrames`."""
        with muted("tifffile"):
            return handle.layout.image(index)


class _Open:
    """A file with its layout."""

    def __init__(self, file: Any) -> None:
        self.layout = _Layout.of(file)
        self.close = file.close
