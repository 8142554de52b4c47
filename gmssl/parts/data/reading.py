"""Read an image file as 8-bit grey or colour, or say why not."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from gmssl.errors import DataError
from gmssl.lazy import numpy
from gmssl.parts.data.depth import deep_image
from gmssl.parts.data.tiff import MAGIC, read_tiff
from gmssl.system.workers import of_the_machine

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 2**26  # 8192×8192: 0.3 GB as colour in Pillow; larger images are for a tiling step before pre-training
FORMATS = ("JPEG", "PNG", "TIFF", "BMP")
EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
ORIENTATION = 0x0112


def read_image(path: str | os.PathLike[str], channels: int) -> Image.Image:
    """The first page of an image file, upright by its EXIF orientation, as mode "L" (channels = 1) or "RGB" (3).

    Samples of more than 8 bits, signed ones and floats are stretched from the image's own minimum and maximum to
    0…255, as they have no common scale over scanners; transparent pixels are laid on black.

    Raises:
        DataError: missing, unreadable, damaged, of another format, or above `MAX_PIXELS`; says which and why.
        OSError, MemoryError: the machine is at fault, see `of_the_machine`; the file may be sound.
    """
    if channels not in (1, 3):
        raise DataError(f"images are read with 1 channel (grey) or 3 (colour), not {channels}; set encoder channels.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata, palettes, sizes: what matters is raised
            return _converted(_opened(path), "L" if channels == 1 else "RGB")
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise almost anything on damaged files
        if of_the_machine(error):
            raise
        raise DataError(f"{os.fspath(path)} cannot be read: {_reason(path, error)}.") from None


def _opened(path: str | os.PathLike[str]) -> Image.Image:
    from PIL import Image, ImageOps

    def check(width: int, height: int) -> None:
        if width * height > MAX_PIXELS:
            raise DataError(
                f"{os.fspath(path)} has {width}×{height} pixels, above the limit {MAX_PIXELS}; cut or shrink it first."
            )

    with open(path, "rb") as file:
        header = file.read(26)
    if header[:4] in MAGIC:
        found = read_tiff(path, check)
        if found is not None:
            return found
    with Image.open(path, formats=FORMATS) as image:
        check(*image.size)
        image.load()
        orientation = image.getexif().get(ORIENTATION, 1)
        # Pillow keeps the upper byte of PNG colour, in which 12 bits of 16 are nearly black
        upright = _deep_png(path) if image.format == "PNG" and header[24:26] in _DEEP_COLOUR else image
        if orientation != 1:
            upright.getexif()[ORIENTATION] = orientation
            return ImageOps.exif_transpose(upright)
        return upright


_DEEP_COLOUR = (b"\x10\x02", b"\x10\x04", b"\x10\x06")  # 16 bits: colour, grey with alpha, colour with alpha


def _deep_png(path: str | os.PathLike[str]) -> Image.Image:
    from imagecodecs import png_decode

    with open(path, "rb") as file:
        samples = png_decode(file.read())
    values = samples[..., : 3 if samples.shape[2] > 2 else 1]
    alpha = None if samples.shape[2] in (1, 3) else samples[..., -1]
    return deep_image(values if values.shape[2] == 3 else values[..., 0], alpha)


def _converted(image: Image.Image, mode: str) -> Image.Image:
    from PIL import Image

    if image.mode == mode:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return deep_image(numpy.asarray(image)).convert(mode)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image.convert(mode)


def _reason(path: str | os.PathLike[str], error: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more pixels than the limit of {MAX_PIXELS}; cut or shrink it first"
    if isinstance(error, UnidentifiedImageError):
        return "the file is empty" if os.path.getsize(path) == 0 else f"it is none of {', '.join(FORMATS)}"
    return str(error).rstrip(".") or type(error).__name__
