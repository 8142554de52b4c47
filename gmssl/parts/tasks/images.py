"""The image of a case: a picture, or a DICOM file of one image."""

from __future__ import annotations

import hashlib
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.errors import DataError
from gmssl.interfaces.reader import LibraryError, Reader, Window
from gmssl.interfaces.registry import part
from gmssl.lazy import numpy
from gmssl.system.images.grey import grey_of
from gmssl.system.images.reading import EXTENSIONS, MAX_PIXELS, ORIENTATION, read_image
from gmssl.system.images.stored import pixel_digest
from gmssl.system.workers import of_the_machine

if TYPE_CHECKING:
    import pydicom
    from PIL import Image

_DICOM = (".dcm", ".dicom", ".dic", ".ima")
_MARK, _AT = b"DICM", 128
"""What a DICOM file has behind its preamble, whatever it is called."""
_PLAIN = ("JPEG", "PNG", "BMP")
"""Forms whose header tells the size that reading gives."""
_SIDEWAYS = 5
"""EXIF orientations from here on turn an image by a quarter."""


def case_image(path: Path, channels: int) -> Image.Image:
    """The image as mode "L" (channels = 1) or "RGB" (3).

    Pictures are read by `read_image`. DICOM files have the grey that a store of them has by default: CT as soft tissue
    (-160 to 240 HU), colours of 8 bits as they are, everything else from percentile 0.5 to 99.5; MONOCHROME1 is turned.

    Raises:
        DataError: missing, damaged, or not one image; says which file and why.
        LibraryError: a DICOM file is read by a library that is missing; names the extra.
    """
    if not is_dicom(path):
        return read_image(path, channels)
    from PIL import Image

    reader, window = _parts()
    listing = reader.listing(path.parent, [path.name])
    if len(listing.acquisitions) != 1:
        reasons = "; ".join(one.reason.rstrip(".") for one in listing.left_out) or "it holds several acquisitions"
        raise DataError(f"{path} cannot be read as an image: {reasons}.")
    acquisition = listing.acquisitions[0]
    try:
        scan = reader.read(path.parent, acquisition)
        bounds = window.bounds(scan, acquisition.modality)
    except LibraryError:
        raise
    except DataError as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from None
    if len(scan.frames) != 1:
        raise DataError(
            f"{path} holds {len(scan.frames)} images, where a case has one; write the one that is meant as a file."
        )
    valid = None if scan.valid is None else numpy.asarray(scan.valid[0])
    grey = grey_of(numpy.asarray(scan.frames[0]), bounds, inverted=scan.inverted, valid=valid)
    if grey.shape[0] * grey.shape[1] > MAX_PIXELS:
        raise DataError(f"{path} has {grey.shape[1]}×{grey.shape[0]} pixels, above the limit {MAX_PIXELS}.")
    return Image.fromarray(grey).convert("L" if channels == 1 else "RGB")


def case_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright image, from its header where that tells.

    Raises:
        DataError: the file is no image.
    """
    if is_dicom(path):
        fields = _fields(path, pixels=False)
        if fields is not None and fields.get("Rows") and fields.get("Columns"):
            return int(fields.Columns), int(fields.Rows)
        return case_image(path, 1).size
    from PIL import Image

    try:
        with Image.open(path, formats=_PLAIN) as image:
            width, height = image.size
            return (height, width) if image.getexif().get(ORIENTATION, 1) >= _SIDEWAYS else (width, height)
    except Exception as error:  # Pillow raises almost anything; reading says what it is, and knows more forms
        if of_the_machine(error):
            raise
        return read_image(path, 1).size


def image_digest(path: Path) -> str | None:
    """What copies of an image have in common: decoded pixels, or those of a DICOM file as they are stored.

    None for files of other forms, such as volumes, which their bytes tell apart.

    Raises:
        DataError: the image cannot be read.
    """
    if path.suffix.lower() in (*EXTENSIONS, ".gif", ".webp"):
        return pixel_digest(read_image(path, 3))
    if not is_dicom(path):
        return None
    fields = _fields(path, pixels=True)
    if fields is None or "PixelData" not in fields:
        return pixel_digest(case_image(path, 3))
    digest = hashlib.sha256(repr([fields.get(word) for word in _FORM]).encode())
    digest.update(fields.PixelData)
    return digest.hexdigest()


def is_dicom(path: Path) -> bool:
    """By its ending, or by its mark if the ending says nothing."""
    ending = path.suffix.lower()
    if ending in EXTENSIONS or ending in _DICOM:
        return ending in _DICOM
    try:
        with path.open("rb") as file:
            file.seek(_AT)
            return file.read(len(_MARK)) == _MARK
    except OSError:  # reading says what is wrong with it
        return False


_FORM = ("Rows", "Columns", "BitsStored", "PhotometricInterpretation", "RescaleIntercept", "RescaleSlope")


def _fields(path: Path, pixels: bool) -> pydicom.Dataset | None:
    """Some elements of a file; None if that is not to be told this way, and reading says why."""
    _parts()[0].listing(path.parent, [])  # asks for the library
    import pydicom

    words = [*_FORM, *(["PixelData"] if pixels else [])]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of details of the encoding; what matters is raised when it is read
            return pydicom.dcmread(path, stop_before_pixels=not pixels, specific_tags=words, force=True)
    except Exception as error:
        if of_the_machine(error):
            raise
        return None


@cache
def _parts() -> tuple[Reader, Window]:
    reader, window = part("reader", "dicom", captures=True, localizers=True), part("window", "by_modality")
    assert isinstance(reader, Reader)
    assert isinstance(window, Window)
    return reader, window
