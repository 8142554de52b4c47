"""The first whole page of a TIFF file, as its tags say that it looks."""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from gmssl.errors import DataError
from gmssl.lazy import numpy
from gmssl.system.images.depth import Deep, upright

if TYPE_CHECKING:
    from PIL import Image

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _INKS, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_COLOUR_SPACES = {_YCBCR: "YCbCr", _LAB: "CIELab", 9: "ICCLab", 10: "ITULab"}
_OTHERS = {4: "a transparency mask", 32803: "raw sensor data", 34892: "raw sensor data", 32844: "LogL", 32845: "LogLuv"}
_UNCOMPRESSED, _OLD_JPEG, _JPEG = 1, 6, 7
_SIGNED, _FLOAT = 2, 3
_ASSOCIATED, _UNASSOCIATED = 1, 2


def read_tiff(source: BinaryIO, name: str, check: Callable[[int, int], None]) -> Image.Image | Deep:
    """The page upright, as a Pillow image of 8 bits or as deeper samples.

    It is the first that is neither a smaller copy of another page, as thumbnails are, nor a mask.

    Args:
        source: a file that begins with one of `MAGIC`, at its start.
        name: what messages call it.
        check: called with width and height before anything is decoded; refuses what is too large.

    Raises:
        DataError: the page has no meaning as grey or colour, or is cut off; says which and why. Damaged files raise
            other errors.
    """
    from tifffile import TiffFile

    logger = logging.getLogger("tifffile")  # what it logs about odd tags is either raised below or does not matter
    before, logger.disabled = logger.disabled, True
    try:
        with TiffFile(source, name=name) as file:
            page = _whole(file)
            check(page.imagewidth, page.imagelength)
            if page.is_tiled:
                check(page.tilewidth, page.tilelength)
            size = file.filehandle.size
            reason = _refusal(page) or missing(page, size)
            if reason:
                raise DataError(f"{name} cannot be read: {reason}.")
            try:
                return _by_pillow(source, file, page) if _for_pillow(page) else upright(_image(page), _turn(page))
            except Exception:  # decoders say in many ways that bytes were missing
                reason = cut_off(page, size)
                if not reason:
                    raise
            raise DataError(f"{name} cannot be read: {reason}.")
    finally:
        logger.disabled = before


def _whole(file: Any) -> Any:
    """The first page that shows an image in full; of a file that says so of none, its first one."""
    first = file.pages[0]
    if not (first.is_reduced or first.is_mask):
        return first
    others = (page for of in (first.pages or (), file.pages) for page in of)
    return next((page for page in others if not (page.is_reduced or page.is_mask)), first)


def _for_pillow(page: Any) -> bool:
    """Whether libtiff behind Pillow decodes it: JPEG inside, YCbCr, Lab, all of 8 bits."""
    if page.compression == _OLD_JPEG:
        return True
    return _bits(page) == 8 and (page.compression == _JPEG or page.photometric in _COLOUR_SPACES)


def _by_pillow(source: BinaryIO, file: Any, page: Any) -> Image.Image:
    from PIL import Image, ImageOps

    source.seek(0)
    if page.offset != file.pages[0].offset:  # Pillow shall find it as the first page of the file
        content = bytearray(source.read())
        kind, place = ("Q", 8) if file.is_bigtiff else ("I", 4)
        struct.pack_into(f"{file.byteorder}{kind}", content, place, page.offset)
        source = io.BytesIO(content)
    with Image.open(source, formats=("TIFF",)) as image:
        image.load()
        return ImageOps.exif_transpose(image)


def _bits(page: Any) -> int:
    """Bits of a sample; 0 where the samples of a pixel have different ones."""
    tag = page.tags.get("BitsPerSample")
    given = tag.value if tag is not None else 1
    return int(given) if not isinstance(given, tuple) else int(given[0]) if len(set(given)) == 1 else 0


def _refusal(page: Any) -> str:
    """Why the page cannot be an image of grey or colour; empty if it can."""
    kind, samples = int(page.photometric), int(page.samplesperpixel)
    extra = tuple(int(e) for e in page.extrasamples)
    if page.compression == _OLD_JPEG or (kind in (_YCBCR, _LAB) and _bits(page) == 8):
        return _other_than_jpeg_s(page) if kind == _YCBCR and page.compression == _UNCOMPRESSED else ""
    if kind in _COLOUR_SPACES or kind in _OTHERS:
        what = f"{_bits(page)}-bit {_COLOUR_SPACES[kind]}" if kind in _COLOUR_SPACES else _OTHERS[kind]
        return f"it holds {what}, which is not read; write it as grey or RGB"
    if kind not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _INKS):
        return f"its PhotometricInterpretation {kind} is unknown; write it as grey or RGB"
    if _bits(page) == 0:
        return "its samples have different numbers of bits; write it with equal ones"
    if page.sampleformat in (5, 6):
        return "its samples are complex numbers; write their magnitude"
    if page.imagedepth > 1:
        return f"it is a volume of {page.imagedepth} slices in one page; write its slices as pages or files"
    own = {_RGB: 3, _INKS: 4}.get(kind, 1)
    if samples < own or samples > own + 8:
        return f"it has {samples} channels where its kind has {own}; write it as grey or RGB"
    if own == 1 and samples > 1 and (not extra or extra[0] not in (_ASSOCIATED, _UNASSOCIATED)):
        return f"it has {samples} channels and does not say what they mean; write one of them, or three as RGB"
    ink_set = page.tags.get("InkSet")
    if kind == _INKS and ((ink_set is not None and ink_set.value != 1) or page.sampleformat in (_SIGNED, _FLOAT)):
        return "its inks are not cyan, magenta, yellow and black as whole numbers; write it as RGB"
    if kind == _INKS and _ASSOCIATED in extra:
        return "its inks are multiplied by their opacity, which has no one meaning; write it as RGB"
    return ""


def _other_than_jpeg_s(page: Any) -> str:
    """Why uncompressed YCbCr is not what Pillow, which does not look, takes it for; empty if it is."""
    coefficients, range_ = (page.tags.valueof(tag) for tag in ("YCbCrCoefficients", "ReferenceBlackWhite"))
    if sum(page.databytecounts) < 3 * page.imagewidth * page.imagelength:
        what = "with fewer samples of colour than of brightness"
    elif page.planarconfig != 1:
        what = "in separate planes"
    elif coefficients is not None and not _near(coefficients, (0.299, 0.587, 0.114)):
        what = "of other primaries than JPEG's"
    elif range_ is not None and not _near(range_, (0, 255, 128, 255, 128, 255)):
        what = "of another range than JPEG's"
    else:
        return ""
    return f"it holds uncompressed YCbCr {what}, which is not read; compress it, or write it as RGB"


def _near(fractions: tuple[int, ...], numbers: tuple[float, ...]) -> bool:
    """Whether fractions, given as numerator and denominator after each other, are these numbers."""
    values = [above / max(below, 1) for above, below in zip(fractions[::2], fractions[1::2], strict=False)]
    return len(values) == len(numbers) and all(abs(a - b) <= 0.001 for a, b in zip(values, numbers, strict=True))


def missing(page: Any, size: int) -> str:
    """Whether strips or tiles lie outside of a file of this size: the decoder would fill them with black."""
    places = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    gone = sum(count == 0 or offset >= size for offset, count in places)
    if page.compression == _OLD_JPEG or not (gone or not places):  # the old kind may say elsewhere where it lies
        return ""
    return f"it is truncated: {gone} of {len(places)} strips or tiles are missing"


def cut_off(page: Any, size: int) -> str:
    """Whether strips or tiles end outside of the file; by itself no fault, as some writers count too many bytes."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    cut = sum(end > size for end in ends)
    return f"it is truncated: {cut} of {len(ends)} strips or tiles are cut off" if cut else ""


def _image(page: Any) -> Image.Image | Deep:
    from PIL import Image

    kind, bits = int(page.photometric), _bits(page)
    stored = page.asarray(squeeze=False, maxworkers=1)  # [planes, depth, H, W, samples]
    samples = numpy.moveaxis(stored[:, 0], 0, -2).reshape(*stored.shape[2:4], -1)
    own = {_RGB: 3, _INKS: 4}.get(kind, 1)
    extra = [int(e) for e in page.extrasamples] or ([_UNASSOCIATED] if samples.shape[2] == own + 1 else [])
    # what was multiplied by its opacity lies on black already
    opacity = (
        samples[..., own + extra.index(_UNASSOCIATED)] if _UNASSOCIATED in extra[: samples.shape[2] - own] else None
    )
    values = samples[..., 0] if own == 1 else samples[..., :own]
    if kind == _PALETTE:
        return _laid_over(_from_palette(values, page), opacity, bits)
    deep = bits > 8 or page.sampleformat in (_SIGNED, _FLOAT)
    if kind == _INKS and deep:
        ink = values / (2.0**bits - 1)
        values = (1 - ink[..., :3]) * (1 - ink[..., 3:])
    if deep:
        return Deep(values, opacity, kind == _WHITE_IS_ZERO)
    values = _full_scale(values, bits)
    if kind == _WHITE_IS_ZERO:
        values = 255 - values
    image = Image.fromarray(values, mode="CMYK") if kind == _INKS else Image.fromarray(values)
    return _laid_over(image, opacity, bits)


def _laid_over(image: Image.Image, opacity: numpy.ndarray | None, bits: int) -> Image.Image:
    """With its opacity as last channel, if it has one."""
    from PIL import Image

    if opacity is None:
        return image
    image = image if image.mode == "L" else image.convert("RGB")
    image.putalpha(Image.fromarray(_full_scale(opacity, bits)))
    return image


def _full_scale(values: numpy.ndarray, bits: int) -> numpy.ndarray:
    """Spread to 0…255 by the number of bits and not by the values."""
    return values.astype(numpy.uint8) if bits == 8 else numpy.rint(values * (255.0 / (2**bits - 1))).astype(numpy.uint8)


def _from_palette(index: numpy.ndarray, page: Any) -> Image.Image:
    from PIL import Image

    colours = numpy.asarray(page.colormap)
    if colours.max() > 255:  # else an old writer put 8 bits where 16 belong
        colours = colours // 256
    colours = colours.astype(numpy.uint8).T
    if len(colours) > 256:
        return Image.fromarray(numpy.ascontiguousarray(colours[index]))
    image = Image.fromarray(index.astype(numpy.uint8), mode="P")
    image.putpalette(numpy.ascontiguousarray(colours).tobytes())
    return image


def _turn(page: Any) -> int:
    """The number of its orientation; 1 where it says nothing that can be meant."""
    tag = page.tags.get("Orientation")
    return int(tag.value) if tag is not None and isinstance(tag.value, int) else 1
