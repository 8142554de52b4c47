"""Compressed frames by imagecodecs, as a plugin of pydicom: it sorts frames and colours, and asks here for the pixels.

pydicom's own plugins are passed over: on damaged files GDCM ends the process and pylibjpeg-rle panics, none of them
that may be used decodes JPEG of 12 bits, and each would be one more package.
"""

from __future__ import annotations

from typing import Any

LABEL = "imagecodecs"
_PREFIX = "1.2.840.10008.1.2."
RUN_LENGTHS = _PREFIX + "5"
CODECS = {
    _PREFIX + "4.50": "JPEG8",
    _PREFIX + "4.51": "JPEG8",
    _PREFIX + "4.57": "JPEG8",
    _PREFIX + "4.70": "JPEG8",
    _PREFIX + "4.80": "JPEGLS",
    _PREFIX + "4.81": "JPEGLS",
    _PREFIX + "4.90": "JPEG2K",
    _PREFIX + "4.91": "JPEG2K",
    _PREFIX + "4.201": "JPEG2K",
    _PREFIX + "4.202": "JPEG2K",
    _PREFIX + "4.203": "JPEG2K",
    RUN_LENGTHS: "DICOMRLE",
}
"""Transfer syntaxes, and the codec of imagecodecs that decodes them: libjpeg-turbo 3, CharLS, OpenJPEG 2.5."""
DECODER_DEPENDENCIES = dict.fromkeys(CODECS, ("imagecodecs with all of its codecs",))
"""pydicom asks for this name."""
_LOSSY = (_PREFIX + "4.50", _PREFIX + "4.51")


def is_available(uid: str) -> bool:
    """Whether a transfer syntax is decoded here; pydicom asks."""
    import imagecodecs

    return uid in CODECS and bool(getattr(imagecodecs, CODECS[uid]).available)


def plugin_for(uid: str, bits: int) -> str:
    """Name of the plugin that decodes a transfer syntax: Pillow's where pydicom asks for colours as they are stored."""
    return "pillow" if uid in _LOSSY and bits <= 8 else LABEL


def register() -> None:
    """Let pydicom know of this plugin, once."""
    from pydicom.pixels.decoders.base import get_decoder

    for uid in CODECS:
        decoder = get_decoder(uid)
        if LABEL not in (*decoder._available, *decoder._unavailable):
            decoder.add_plugin(LABEL, (__name__, "_decode_frame"))


def _decode_frame(encoded: bytes, runner: Any) -> bytes:
    """One frame as bytes; pydicom calls it by this name, and reads from the options of `runner` what they mean."""
    import imagecodecs

    uid = str(runner.transfer_syntax)
    if uid == RUN_LENGTHS:
        runner.set_option("planar_configuration", 1)
        return bytes(imagecodecs.dicomrle_decode(encoded, f"<u{runner.bits_allocated // 8}"))
    decode = getattr(imagecodecs, CODECS[uid].lower() + "_decode")
    samples = decode(encoded)
    colours = runner.samples_per_pixel
    size = (runner.rows, runner.columns)
    planes = colours > 1 and samples.shape == (colours, *size)
    if not planes and samples.shape != (size if colours == 1 else (*size, colours)):
        found = "×".join(map(str, samples.shape))
        raise ValueError(f"they are {found}, where the header says {size[0]}×{size[1]}×{colours}")
    runner.set_option("planar_configuration", int(planes))
    runner.set_option("bits_allocated", 8 * samples.dtype.itemsize)
    if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):  # OpenJPEG gives them as RGB
        runner.set_option("photometric_interpretation", "RGB")
    return bytes(samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes())
