"""Pictures: JPEG, PNG, TIFF and BMP files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from gmssl.interfaces.reader import Acquisition, Listing, Reader, Scan
from gmssl.lazy import numpy
from gmssl.parts.readers.files import RefusedError, telling
from gmssl.parts.readers.volumes import scaled
from gmssl.system.images.depth import Deep
from gmssl.system.images.reading import EXTENSIONS, MAX_PIXELS, ORIENTATION, read_samples


class Pictures(Reader):
    """Image files, each an acquisition of one frame; of TIFF files the first whole page.

    Pictures of 8 bits are what data kind `folder` makes of them. Samples of more than 8 bits, signed ones and fractions
    keep their values, for a window to map them; fully transparent pixels and values that are not finite are not valid.
    """

    kind: ClassVar[str] = "pictures"
    extensions: ClassVar[tuple[str, ...]] = EXTENSIONS

    unit: Literal["HU"] | None = Field(None, description="unit of samples of more than 8 bits, if they have one")
    intercept: float = Field(0.0, description="added to samples of more than 8 bits, such as -32768 for DeepLesion")

    def listing(self, root: Path, names: Sequence[str]) -> Listing:
        """One acquisition a file; none is opened."""
        return Listing(tuple(Acquisition(name, (name,)) for name in names))

    def read(self, root: Path, acquisition: Acquisition) -> Scan:
        """See `Reader.read`; `encoded` are the bytes of 8-bit JPEG and PNG files that are grey or RGB and upright."""
        name = acquisition.files[0]
        with telling(root, name):
            if (size := (root / name).stat().st_size) > 24 * MAX_PIXELS:  # colour in float64
                raise RefusedError(f"it has {size} bytes, more than {MAX_PIXELS} pixels take; cut or shrink it first")
            content = (root / name).read_bytes()
            image = read_samples(content, name)
            if isinstance(image, Deep):
                return self._deep(image)
            keeps = _ordinary(content)
            return Scan(numpy.asarray(image)[None], encoded=(content,) if keeps else None)

    def _deep(self, image: Deep) -> Scan:
        values = numpy.ascontiguousarray(image.values)[None]
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        valid = numpy.isfinite(values).all(axis=tuple(range(3, values.ndim)))
        if image.alpha is not None:
            valid &= image.alpha > 0
        if not valid.any():
            raise RefusedError("none of its pixels has a finite value and is opaque")
        if self.intercept:
            values = scaled(values, 1.0, self.intercept)
        return Scan(values, unit=self.unit, inverted=image.inverted, valid=None if valid.all() else valid)


def _ordinary(content: bytes) -> bool:
    """Whether every reader of JPEG and PNG shows the same as ours: grey or RGB, opaque, 8 bits, not turned."""
    from PIL import Image

    if not content.startswith((b"\xff\xd8", b"\x89PNG")):
        return False
    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
        turned = image.getexif().get(ORIENTATION, 1) != 1
        plain = image.format in ("JPEG", "PNG") and image.mode in ("L", "RGB")
        return plain and not turned and "transparency" not in image.info and not getattr(image, "is_animated", False)
