"""JPEG of 12 bits for pydicom, whose own decoders of it are none or under the GPL: imagecodecs reads it."""

from __future__ import annotations

from typing import Any

LABEL = "gmssl"
EXTENDED = "1.2.840.10008.1.2.4.51"
DECODER_DEPENDENCIES = {EXTENDED: ("imagecodecs>=2024.6",)}
"""pydicom asks for this name."""


def is_available(uid: str) -> bool:
    """Whether this transfer syntax is decoded here; pydicom asks."""
    return uid == EXTENDED


def _decode_frame(encoded: bytes, runner: Any) -> bytes:
    """One frame; pydicom calls it by this name."""
    from imagecodecs import jpeg_decode

    samples = jpeg_decode(encoded)
    runner.set_option("bits_allocated", 8 * samples.dtype.itemsize)
    return bytes(samples.tobytes())


def register() -> None:
    """Let pydicom know of it, once."""
    from pydicom.pixels import get_decoder

    decoder = get_decoder(EXTENDED)
    if LABEL not in decoder.available_plugins:
        decoder.add_plugin(LABEL, (__name__, "_decode_frame"))
