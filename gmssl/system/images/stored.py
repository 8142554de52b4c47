"""Images of a store: decoding, and the fingerprint of their pixels."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gmssl.errors import DataError
from gmssl.system.images.reading import read_image_bytes

if TYPE_CHECKING:
    from PIL import Image


def read_stored(content: bytes, name: str, channels: int, bits: int) -> Image.Image:
    """The image as mode "L" (channels = 1) or "RGB" (3).

    Images of 16 bits have the scale that the window of their store gave them, so that they are not stretched as files
    of unknown scale are: 65535 is white.

    Raises:
        DataError: it is damaged; the message calls it `name`.
    """
    if bits == 8:
        return read_image_bytes(content, name, channels)
    from imagecodecs import PngError, png_decode
    from PIL import Image

    from gmssl.lazy import numpy

    try:
        values = png_decode(content)
    except (PngError, ValueError, RuntimeError) as error:
        raise DataError(f"{name} cannot be read: it is damaged ({error}).") from None
    grey = numpy.rint(values.astype(numpy.float32) / 257).astype(numpy.uint8)
    return Image.fromarray(grey[..., 0] if grey.shape[2:] == (1,) else grey).convert("L" if channels == 1 else "RGB")


def pixel_digest(image: Image.Image) -> str:
    """The sha256 of mode, size and decoded pixels, which is equal for copies under any name or lossless format.

    A JPEG saved again decodes to other pixels and is another image here; such near-copies are not found.
    """
    return digest_of_pixels(image.mode, image.width, image.height, image.tobytes())


def digest_of_pixels(mode: str, width: int, height: int, pixels: bytes | memoryview) -> str:
    """The `pixel_digest` of an image by its pixels: their bytes row by row."""
    digest = hashlib.sha256(f"{mode} {width} {height} ".encode())
    digest.update(pixels)
    return digest.hexdigest()
