"""Decode one frame of a file, or say what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmssl.errors import DataError
from gmssl.lazy import numpy
from gmssl.parts.readers.dicom.classes import syntax_name
from gmssl.parts.readers.dicom.codecs import plugin_for, register
from gmssl.parts.readers.dicom.headers import DEFLATED, NATIVE, Header, text, words_of
from gmssl.system.workers import of_the_machine

MAX_PIXELS = 2**28
"""Pixels of a frame: 16384×16384."""

_MAGIC = (
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cjP", "JPEG 2000"),
)
_SOF = {0xC0: "JPEG Baseline", 0xC1: "JPEG Extended", 0xC2: "JPEG Progressive", 0xC3: "JPEG Lossless", 0xF7: "JPEG-LS"}
_RGB = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


@dataclass(frozen=True, eq=False)
class Pixels:
    """The frames of a file as they are stored, decoded when they are asked for; it may be sent to other processes.

    Attributes:
        name: path below the root, for messages.
        path: where the file is.
        syntax: UID of the transfer syntax.
        offset: of the pixels in the file.
        options: what pydicom needs to decode them.
        inflated: the pixels themselves where the whole file is compressed.
    """

    name: str
    path: Path
    syntax: str
    offset: int
    options: dict[str, Any]
    inflated: bytes | None = None

    def frame(self, index: int) -> numpy.ndarray:
        """`[H,W]` or `[H,W,3]` in RGB, as stored: before any scale and palette.

        Raises:
            DataError: it is damaged, or its decoder is not installed.
        """
        decoder, plugin = self._decoder()
        try:
            if self.inflated is not None:
                return decoder.as_array(self.inflated, index=index, decoding_plugin=plugin, **self.options)[0]
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                return decoder.as_array(file, index=index, decoding_plugin=plugin, **self.options)[0]
        except Exception as error:  # decoders raise almost anything on damaged pixels
            if of_the_machine(error):
                raise
            raise DataError(f"{self.name} cannot be read: {self._reason(index, error)}.") from None

    def encoded(self, index: int) -> bytes:
        """The bytes of one compressed frame.

        Raises:
            ValueError, OSError: there are none.
        """
        from pydicom.encaps import get_frame

        with open(self.path, "rb") as file:
            file.seek(self.offset)
            return get_frame(file, index, number_of_frames=self.options["number_of_frames"])

    def _decoder(self) -> tuple[Any, str]:
        """pydicom's decoder of the transfer syntax, and its plugin; that of uncompressed pixels has none."""
        from pydicom.pixels.decoders.base import get_decoder

        syntax = syntax_name(self.syntax)
        try:
            decoder = get_decoder(self.syntax)
        except NotImplementedError:
            raise DataError(
                f"{self.name} is stored as {syntax}, which nothing here decodes; convert it to another transfer syntax."
            ) from None
        if self.syntax in NATIVE:
            return decoder, ""
        register()
        plugin = plugin_for(self.syntax, self.options.get("bits_stored", 8))
        if plugin not in decoder.available_plugins:
            package = "Pillow" if plugin == "pillow" else "imagecodecs"
            raise DataError(
                f"{self.name} is stored as {syntax}, which {package} reads, but not as it is built here; "
                f'pip install --force-reinstall {package.lower()}, or pip install "gmssl[med]".'
            )
        return decoder, plugin

    def _reason(self, index: int, error: Exception) -> str:
        if self.syntax in NATIVE:
            what = "its pixels are cut off, or of another size or transfer syntax than its header says"
            return f"{what} ({words_of(error)})"
        said = syntax_name(self.syntax)
        try:
            holds = _form(self.encoded(index))
        except Exception:
            return f"frame {index} is not there, though its header says so; the file is damaged ({words_of(error)})"
        if holds and not said.startswith(holds):
            return f"its header says {said}, but its pixels are {holds}"
        words = words_of(error).partition("plugins: ")
        return f"frame {index} is damaged, or no {said} ({words[2] or words[0]})"


def _form(encoded: bytes) -> str:
    """What the bytes of a frame are; empty where they tell nothing."""
    for magic, name in _MAGIC:
        if encoded.startswith(magic):
            return name
    if not encoded.startswith(b"\xff\xd8"):
        return ""
    place = 2
    while place + 4 <= len(encoded) and encoded[place] == 0xFF:
        if encoded[place + 1] in _SOF:
            return _SOF[encoded[place + 1]]
        place += 2 + int.from_bytes(encoded[place + 2 : place + 4], "big")
    return "JPEG"


def pixels_of(header: Header) -> Pixels:
    """The frames of a file.

    Raises:
        DataError: they are of a form that is not read.
    """
    from pydicom.pixels.utils import as_pixel_options

    fields, name = header.fields, header.name
    try:
        options = dict(as_pixel_options(fields))
        options |= {"pixel_keyword": header.keyword, "pixel_vr": header.vr, "raw": False, "validate": True}
        inflated = _inflated(header) if header.syntax == DEFLATED else None
    except Exception as error:
        if of_the_machine(error):
            raise
        raise DataError(f"{name} cannot be read: {words_of(error)}.") from None
    if options.get("rows", 0) * options.get("columns", 0) > MAX_PIXELS:
        raise DataError(
            f"{name} has {options['rows']}×{options['columns']} pixels, above the limit {MAX_PIXELS}; "
            "cut or shrink it first."
        )
    stored, high = options.get("bits_stored"), fields.get("HighBit")
    if stored and isinstance(high, int) and high != stored - 1 and header.keyword == "PixelData":
        raise DataError(
            f"{name} keeps {stored} bits with HighBit {high}, which is not read; write it with {stored - 1}."
        )
    shown = text(fields, "PhotometricInterpretation")
    if options.get("samples_per_pixel", 1) == 3 and shown not in _RGB:
        raise DataError(
            f"{name} holds colours as {shown or 'nothing that it names'}, which is not read; write it as RGB."
        )
    return Pixels(name, header.path, header.syntax, header.offset, options, inflated)


def _inflated(header: Header) -> bytes:
    from pydicom import dcmread

    return bytes(dcmread(header.path, force=True)[header.keyword].value)
