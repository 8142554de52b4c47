"""Whole-slide images, as tiles that show tissue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from gmssl.interfaces.reader import Acquisition, Listing, Reader, Scan
from gmssl.lazy import numpy
from gmssl.parts.readers.files import RefusedError, library, listed, telling
from gmssl.parts.readers.lazily import LazyFrames
from gmssl.system.images.reading import MAX_PIXELS

if TYPE_CHECKING:
    from PIL import Image

_OVERVIEW = 2048
_BAND = 2**24  # pixels
_LONGEST = 2**19
"""Pixels of a side: four times the longest that scanners make."""

_PAPER = 8
"""Saturation up to which a pixel is glass, however uniform the slide is (the threshold of CLAM, Lu et al. 2021)."""


class Slides(Reader):
    """Slides that OpenSlide reads, tiled TIFF among them; frames are their tiles `[tile,tile,3]`, row by row.

    Tiles lie beside each other from the upper left corner; those that would reach over the edge are left out, and those
    of which too little is tissue. Tissue is what is more saturated in colour than Otsu's threshold on a small image of
    the slide. Tiles are read when they are asked for.
    """

    kind: ClassVar[str] = "slides"
    extensions: ClassVar[tuple[str, ...]] = (
        ".svs",
        ".tif",
        ".tiff",
        ".ndpi",
        ".mrxs",
        ".scn",
        ".vms",
        ".vmu",
        ".bif",
        ".svslide",
    )

    tile: int = Field(256, ge=16, le=4096, description="side of a tile in pixels")
    level: int = Field(0, ge=0, description="level of the slide to read, 0 is the finest")
    mpp: float | None = Field(None, gt=0, description="micrometres a pixel of tiles, in place of `level`")
    tissue: float = Field(0.5, ge=0, le=1, description="least share of a tile that is tissue; 0 keeps all")

    def listing(self, root: Path, names: Sequence[str]) -> Listing:
        """One acquisition a slide; how many tiles it has is known when it is read."""
        openslide = library("openslide")

        def header(name: str) -> list[Acquisition]:
            if (root / name).is_file() and (root / name).stat().st_size == 0:
                raise RefusedError("the file is empty")
            if openslide.OpenSlide.detect_format(root / name) is None:
                raise RefusedError("OpenSlide does not know its form, or it is damaged; whole slides are tiled TIFF")
            return [Acquisition(name, (name,))]

        return listed(root, names, header)

    def read(self, root: Path, acquisition: Acquisition) -> Scan:
        """See `Reader.read`; a slide without tissue is refused, damaged tiles are told of when they are asked for."""
        name = acquisition.files[0]
        openslide = library("openslide")
        with telling(root, name), _opened(openslide, root / name) as slide:
            grid = self._grid(slide)
            places = [(row, column) for row in range(grid.rows) for column in range(grid.columns)]
            if not places:
                raise RefusedError(
                    f"it has {slide.dimensions} pixels, less than a tile of {grid.side}; set reader.tile"
                )
            if self.tissue > 0:
                shares = _tissue(slide, grid)
                places = [place for place in places if shares[place] >= self.tissue]
            if not places:
                raise RefusedError(f"no tile has a share of tissue of {self.tissue}; set the reader's tissue lower")
            return Scan(_Tiles(root, name, grid, places, self.tile))

    def _grid(self, slide: Any) -> _Grid:
        """Where tiles lie, and the level that they are read from."""
        if self.mpp is None:
            if self.level >= slide.level_count:
                raise RefusedError(f"it has levels 0 to {slide.level_count - 1}, and no {self.level}; set reader.level")
            level, factor = self.level, float(slide.level_downsamples[self.level])
        else:
            own = [float(slide.properties.get(f"openslide.mpp-{axis}", "nan")) for axis in "xy"]
            if not all(0 < size < numpy.inf for size in own):
                raise RefusedError("it does not say how many micrometres a pixel has; set reader.level in place of mpp")
            factor = self.mpp / (sum(own) / 2)
            level = slide.get_best_level_for_downsample(factor * 1.001)
        side = factor * self.tile
        read = max(1, round(side / float(slide.level_downsamples[level])))
        if read * read > MAX_PIXELS:
            raise RefusedError(
                f"its coarsest level that suits has tiles of {read}×{read} pixels; set reader.tile lower"
            )
        width, height = slide.dimensions
        return _Grid(level, read, side, int(height / side + 1e-9), int(width / side + 1e-9))


@dataclass(frozen=True)
class _Grid:
    """Level that is read, side of a tile there and in the finest level, and the number of whole tiles."""

    level: int
    read: int
    side: float
    rows: int
    columns: int


def _opened(openslide: Any, path: Path) -> Any:
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        slide = openslide.OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError:
        raise RefusedError("OpenSlide does not know its form") from None
    tiles = [
        [int(slide.properties.get(f"openslide.level[{n}].tile-{side}", 1)) for side in ("width", "height")]
        for n in range(slide.level_count)
    ]
    width, height = slide.dimensions
    if max(width, height) > _LONGEST or max(across * along for across, along in tiles) > MAX_PIXELS:
        slide.close()
        raise RefusedError(f"it speaks of {width}×{height} pixels or larger tiles than are read, so it is damaged")
    return slide


def _overview(slide: Any) -> tuple[numpy.ndarray, float]:
    """Means of squares, `[h,w,3]` with at most `_OVERVIEW` a side, and the side of a square in pixels of the slide.

    Read in bands, because slides without coarser levels do not fit into memory.
    """
    level = slide.get_best_level_for_downsample(max(slide.dimensions) / _OVERVIEW)
    width, height = slide.level_dimensions[level]
    finer = float(slide.level_downsamples[level])
    side = max(1, math.ceil(max(width, height) / _OVERVIEW))
    rows = max(1, _BAND // (width * side)) * side
    bands = []
    for top in range(0, height, rows):
        region = slide.read_region((0, round(top * finer)), level, (width, min(rows, height - top)))
        bands.append(numpy.asarray(_on_white(region).reduce(side)))
    return numpy.concatenate(bands), side * finer


def _on_white(region: Image.Image) -> Image.Image:
    """What the slide does not cover is transparent."""
    from PIL import Image

    return Image.alpha_composite(Image.new("RGBA", region.size, (255, 255, 255, 255)), region).convert("RGB")


def _tissue(slide: Any, grid: _Grid) -> numpy.ndarray:
    """Share of tissue of each tile, `[rows,columns]`."""
    overview, side = _overview(slide)
    values = overview.astype(numpy.int32)
    greatest = values.max(axis=2)
    saturation = (greatest - values.min(axis=2)) * 255 // numpy.maximum(greatest, 1)
    mask = saturation > max(otsu(saturation), _PAPER)
    sums = numpy.zeros((mask.shape[0] + 1, mask.shape[1] + 1), dtype=numpy.int64)
    sums[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)
    top, bottom = (edges[:, None] for edges in _edges(grid.rows, grid.side / side, mask.shape[0]))
    left, right = (edges[None] for edges in _edges(grid.columns, grid.side / side, mask.shape[1]))
    found = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return found / ((bottom - top) * (right - left))


def _edges(number: int, side: float, pixels: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """First and last but one pixel of each of so many tiles along an axis of the small image."""
    edges = numpy.arange(number + 1) * side
    low = numpy.floor(edges[:-1] + 1e-6).astype(int).clip(0, pixels - 1)
    return low, numpy.maximum(numpy.rint(edges[1:]).astype(int), low + 1).clip(1, pixels)


def otsu(values: numpy.ndarray) -> int:
    """The threshold t of whole numbers 0…255 that parts those up to t from those above with most variance between them.

    The least of equally good ones; 255 where all are equal. Otsu, IEEE Trans. Systems, Man and Cybernetics 9 (1979).
    """
    counts = numpy.bincount(values.ravel(), minlength=256).astype(numpy.float64)
    below, moment = counts.cumsum(), (counts * numpy.arange(256)).cumsum()
    above = below[-1] - below
    apart = (below > 0) & (above > 0)
    if not apart.any():
        return 255
    means = moment / numpy.maximum(below, 1), (moment[-1] - moment) / numpy.maximum(above, 1)
    return int(numpy.argmax(numpy.where(apart, below * above * (means[0] - means[1]) ** 2, -1.0)))


class _Tiles(LazyFrames):
    def __init__(self, root: Path, name: str, grid: _Grid, places: list[tuple[int, int]], tile: int) -> None:
        super().__init__(root, name, len(places))
        self.grid, self.places, self.tile = grid, places, tile

    def open(self) -> Any:
        """See `LazyFrames`."""
        return _opened(library("openslide"), self.root / self.name)

    def image(self, handle: Any, index: int) -> numpy.ndarray:
        """See `LazyFrames`; what the slide does not cover is white."""
        from PIL import Image

        row, column = self.places[index]
        corner = round(column * self.grid.side), round(row * self.grid.side)
        region = handle.read_region(corner, self.grid.level, (self.grid.read, self.grid.read))
        image = _on_white(region)
        if self.grid.read != self.tile:
            image = image.resize((self.tile, self.tile), Image.Resampling.BOX, reducing_gap=None)
        return numpy.array(image)
