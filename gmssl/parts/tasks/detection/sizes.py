"""Width and height of an image file, from its header where that is enough."""

from __future__ import annotations

from pathlib import Path

from gmssl.system.images.reading import ORIENTATION, read_image
from gmssl.system.workers import of_the_machine

_PLAIN = ("JPEG", "PNG", "BMP")
_SIDEWAYS = 5
"""EXIF orientations from here on turn an image by a quarter."""


def size_of(file: Path) -> tuple[int, int]:
    """Width and height of the upright image, as `read_image` gives it.

    Raises:
        DataError: it is missing or no image that can be read.
    """
    from PIL import Image

    try:
        with Image.open(file, formats=_PLAIN) as image:
            width, height = image.size
            return (height, width) if image.getexif().get(ORIENTATION, 1) >= _SIDEWAYS else (width, height)
    except Exception as error:  # Pillow raises almost anything; reading says what it is
        if of_the_machine(error):
            raise
        width, height = read_image(file, 1).size
        return width, height
