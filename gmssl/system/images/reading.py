"""Read an image file as 8-bit grey or colour, or say why not."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from gmssl.errors import DataError
from gmssl.system.files import what_is_wrong
from gmssl.system.images.depth import Deep, upright
from gmssl.system.images.tiff import MAGIC, read_tiff
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
    return _read(lambda: open(path, "rb"), os.fspath(path), _mode(channels))


def read_image_bytes(content: bytes, name: str, channels: int) -> Image.Image:
    """The same from the bytes of an image file; `name` is what messages call it."""
    return _read(lambda: io.BytesIO(content), name, _mode(channels))


def read_samples(content: bytes, name: str) -> Image.Image | Deep:
    """The same with samples of more than 8 bits as the file holds them.

    Images of 8 bits or fewer are what `read_image` makes of them: "L" where the file is grey, otherwise "RGB".
    """
    with _reading(lambda: io.BytesIO(content), name) as file:
        image = _opened(file, name)
        return image if isinstance(image, Deep) else _converted(image, "L" if image.mode in _GREY else "RGB")


_GREY = ("1", "L", "LA", "La")


def _mode(channels: int) -> str:
    if channels not in (1, 3):
        raise DataError(f"images are read with 1 channel (grey) or 3 (colour), not {channels}; set encoder channels.")
    return "L" if channels == 1 else "RGB"


def _read(opened: Callable[[], BinaryIO], name: str, mode: str) -> Image.Image:
    with _reading(opened, name) as file:
        image = _opened(file, name)
        return _converted(image.image() if isinstance(image, Deep) else image, mode)


@contextlib.contextmanager
def _reading(opened: Callable[[], BinaryIO], name: str) -> Iterator[BinaryIO]:
    """An open file; whatever is wrong with it is told as a `DataError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata, palettes, sizes: what matters is raised
            with opened() as file:
                yield file
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise almost anything on damaged files
        if of_the_machine(error):
            raise
        raise DataError(f"{name} cannot be read: {_reason(error)}.") from None


def _opened(file: BinaryIO, name: str) -> Image.Image | Deep:
    from PIL import Image, UnidentifiedImageError

    def check(width: int, height: int) -> None:
        if width * height > MAX_PIXELS:
            raise DataError(
                f"{name} has {width}×{height} pixels, above the limit {MAX_PIXELS}; cut or shrink it first."
            )

    header = file.read(26)
    file.seek(0)
    if header[:4] in MAGIC:
        return read_tiff(file, name, check)
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        raise DataError(f"{name} cannot be read: {_not_identified(file, name)}.") from None
    with image:
        check(*image.size)
        image.load()
        if image.mode == "CMYK" and "adobe" not in image.info:
            raise DataError(
                f"{name} cannot be read: it is a JPEG of four channels and does not say what they mean "
                "(it has no Adobe marker); write it as RGB."
            )
        orientation = image.getexif().get(ORIENTATION, 1)
        own = image.format == "PNG" and header[24:26] in _BY_LIBPNG
        return upright(_png(file) if own else image, orientation)


# Bits and type of colour. Pillow keeps the upper byte of colour, in which 12 bits of 16 are nearly black, and looks for
# the transparent grey of 2, 4 and 16 bits among other numbers.
_BY_LIBPNG = (b"\x02\x00", b"\x04\x00", b"\x10\x00", b"\x10\x02", b"\x10\x04", b"\x10\x06")


def _png(file: BinaryIO) -> Image.Image | Deep:
    from imagecodecs import png_decode
    from PIL import Image

    file.seek(0)
    with contextlib.redirect_stderr(io.StringIO()):  # it warns of every interlaced file
        samples = png_decode(file.read())
    samples = samples.reshape(*samples.shape[:2], -1)
    alpha = samples[..., -1] if samples.shape[2] in (2, 4) else None
    values = samples[..., :3] if samples.shape[2] > 2 else samples[..., 0]
    if samples.dtype.itemsize > 1:
        return Deep(values, alpha)
    image = Image.fromarray(values)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    return image


def _converted(image: Image.Image, mode: str) -> Image.Image:
    from PIL import Image

    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image if image.mode == mode else image.convert(mode)


def _reason(error: Exception) -> str:
    from PIL import Image

    if isinstance(error, Image.DecompressionBombError):
        return f"it has more pixels than the limit of {MAX_PIXELS}; cut or shrink it first"
    if str(error).startswith("decoder error"):  # Pillow's number for whatever libtiff refused
        return "it is damaged"
    return what_is_wrong(error)


def _not_identified(file: BinaryIO, name: str) -> str:
    """Pillow tries its formats in turn and forgets what the right one said."""
    from PIL import Image

    file.seek(0)
    start = file.read(16)
    for format_ in FORMATS:
        opener, accepts = Image.OPEN[format_]
        if accepts is not None and accepts(start):
            file.seek(0)
            try:
                opener(file, name)
            except Exception as error:
                words = str(error).rstrip(".") or type(error).__name__
                kind = f"it begins as {format_}, but is damaged or of a kind that is not read"
                return f"{kind} ({words}); write it as PNG or TIFF"
    return f"it is none of {', '.join(FORMATS)}" if start else "the file is empty"
