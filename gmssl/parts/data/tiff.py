"""The first page of a TIFF file, as its tags say that it looks."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gmssl.errors import DataError
from gmssl.lazy import numpy
from gmssl.parts.data.depth import deep_image

if TYPE_CHECKING:
    from PIL import Image

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _INKS = 0, 1, 2, 3, 5
_COLOUR_SPACES = {6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}
_OTHERS = {4: "a transparency mask", 32803: "raw sensor data", 34892: "raw sensor data", 32844: "LogL", 32845: "LogLuv"}
_JPEG = (6, 7)
_SIGNED, _FLOAT = 2, 3


def read_tiff(path: str | os.PathLike[str], check: Callable[[int, int], None]) -> Image.Image | None:
    """The page upright, as a Pillow image of 8 bits; None where Pillow is the decoder: JPEG inside, YCbCr, Lab.

    Args:
        path: a file that begins with one of `MAGIC`.
        check: called with width and height before anything is decoded; refuses what is too large.

    Raises:
        DataError: the page has no meaning as grey or colour; says which and why. Damaged files raise other errors.
    """
    from tifffile import TiffFile

    logger = logging.getLogger("tifffile")  # what it logs about odd tags is either raised below or does not matter
    before, logger.disabled = logger.disabled, True
    try:
        with TiffFile(path) as file:
            page: Any = file.pages[0]
            check(page.imagewidth, page.imagelength)
            if page.is_tiled:
                check(page.tilewidth, page.tilelength)
            if page.compression in _JPEG or (page.photometric in _COLOUR_SPACES and _bits(page) == 8):
                return None
            reason = _refusal(page) or _missing(page, file.filehandle.size)
            if reason:
                raise DataError(f"{os.fspath(path)} cannot be read: {reason}.")
            return _upright(_image(page), page)
    finally:
        logger.disabled = before


def _bits(page: Any) -> int:
    """Bits of a sample; 0 where the samples of a pixel have different ones."""
    tag = page.tags.get("BitsPerSample")
    given = tag.value if tag is not None else 1
    return int(given) if not isinstance(given, tuple) else int(given[0]) if len(set(given)) == 1 else 0


def _refusal(page: Any) -> str:
    """Why the page cannot be an image of grey or colour; empty if it can."""
    kind, samples = int(page.photometric), int(page.samplesperpixel)
    extra = tuple(int(e) for e in page.extrasamples)
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
    if own == 1 and samples > 1 and (not extra or extra[0] not in (1, 2)):
        return f"it has {samples} channels and does not say what they mean; write one of them, or three as RGB"
    ink_set = page.tags.get("InkSet")
    if kind == _INKS and ((ink_set is not None and ink_set.value != 1) or page.sampleformat in (_SIGNED, _FLOAT)):
        return "its inks are not cyan, magenta, yellow and black as whole numbers; write it as RGB"
    return ""


def _missing(page: Any, size: int) -> str:
    """Whether strips or tiles lie outside of the file: the decoder would fill them with black."""
    places = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    gone = sum(count == 0 or offset >= size for offset, count in places)
    return f"it is truncated: {gone} of {len(places)} strips or tiles are missing" if gone or not places else ""


def _image(page: Any) -> Image.Image:
    from PIL import Image

    kind, bits = int(page.photometric), _bits(page)
    stored = page.asarray(squeeze=False, maxworkers=1)  # [planes, depth, H, W, samples]
    samples = numpy.moveaxis(stored[:, 0], 0, -2).reshape(*stored.shape[2:4], -1)
    if kind == _PALETTE:
        return _from_palette(samples[..., 0], page)
    own = {_RGB: 3, _INKS: 4}.get(kind, 1)
    extra = [int(e) for e in page.extrasamples] or ([2] if samples.shape[2] == own + 1 else [])
    values, opacity = samples[..., :own], samples[..., own] if extra and extra[0] in (1, 2) else None
    if own == 1:
        values = values[..., 0]
    deep = bits > 8 or page.sampleformat in (_SIGNED, _FLOAT)
    if kind == _INKS and (deep or bits < 8):
        ink = values / (2.0**bits - 1)
        values, deep = (1 - ink[..., :3]) * (1 - ink[..., 3:]), True
    if deep:
        if kind == _WHITE_IS_ZERO:
            values = -values.astype(numpy.float64)
        return deep_image(values, None if extra and extra[0] == 1 else opacity)
    values = _full_scale(values, bits)
    if kind == _WHITE_IS_ZERO:
        values = 255 - values
    if opacity is None or kind == _INKS or (own == 1 and extra[0] == 1):  # grey that was multiplied lies on black
        return Image.fromarray(values, mode="CMYK") if kind == _INKS else Image.fromarray(values)
    mode = "LA" if own == 1 else "RGBa" if extra[0] == 1 else "RGBA"
    joined = numpy.dstack([values, _full_scale(opacity, bits)])
    return Image.frombytes(mode, joined.shape[1::-1], joined.tobytes())


def _full_scale(values: numpy.ndarray, bits: int) -> numpy.ndarray:
    """At most 8 bits, spread to 0…255 by the number of bits and not by the values."""
    values = values.astype(numpy.uint8)
    return values if bits == 8 else numpy.rint(values * (255.0 / (2**bits - 1))).astype(numpy.uint8)


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


def _upright(image: Image.Image, page: Any) -> Image.Image:
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    tag = page.tags.get("Orientation")
    turn = turns.get(int(tag.value)) if tag is not None and isinstance(tag.value, int) else None
    return image if turn is None else image.transpose(turn)
