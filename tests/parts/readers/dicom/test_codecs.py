"""Pixels that another library compressed are decoded value for value, whatever their depth, sign and colours."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import SimpleITK
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from gmssl.errors import DataError

KINDS = {
    "8 bits": (np.uint8, 8),
    "12 bits": (np.uint16, 12),
    "16 bits": (np.uint16, 16),
    "12 bits with sign": (np.int16, 12),
    "16 bits with sign": (np.int16, 16),
}


def samples(kind: str, colours: int = 1) -> np.ndarray:
    dtype, bits = KINDS[kind]
    half = 2 ** (bits - 1) if np.dtype(dtype).kind == "i" else 0
    shape = (64, 72) if colours == 1 else (64, 72, colours)
    return np.random.default_rng(0).integers(-half, 2**bits - half, shape, dtype=dtype)


def stored(dicom, values: np.ndarray, bits: int, encoded: bytes) -> Dataset:
    data = dicom.image(values, BitsStored=bits)
    data.PixelData = encapsulate([encoded])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    return data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
def test_what_pydicom_compresses(dicom, tmp_path, syntax, kind):
    values = samples(kind)
    data = dicom.image(values, BitsStored=KINDS[kind][1])
    data.compress(syntax, generate_instance_uid=False)
    dicom.save(data, tmp_path / "one.dcm", syntax)
    assert np.array_equal(dicom.one(tmp_path)[1].frames[0], values)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
def test_colours_that_pydicom_compresses(dicom, tmp_path, syntax):
    values = samples("8 bits", 3)
    data = dicom.image(values)
    if syntax == JPEG2000Lossless:
        data.PhotometricInterpretation = "YBR_RCT"
    data.compress(syntax, generate_instance_uid=False)
    dicom.save(data, tmp_path / "one.dcm", syntax)
    assert np.array_equal(dicom.one(tmp_path)[1].frames[0], values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1], ids=lambda uid: uid.keyword)
def test_lossless_jpeg_agrees_with_itk(dicom, tmp_path, syntax, kind):
    """GDCM within SimpleITK decodes what an encoder of imagecodecs that is not behind its decoder has written."""
    values, bits = samples(kind), KINDS[kind][1]
    unsigned = values.view(f"u{values.itemsize}") & (2**bits - 1)
    data = stored(
        dicom, values, bits, imagecodecs.ljpeg_encode(unsigned.astype(f"u{values.itemsize}"), bitspersample=bits)
    )
    path = dicom.save(data, tmp_path / "one.dcm", syntax)
    assert np.array_equal(dicom.one(tmp_path)[1].frames[0], values)
    if values.dtype.kind == "u":
        assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))[0], values)


def test_extended_jpeg_of_8_bits(dicom, tmp_path):
    values = (np.add.outer(np.arange(64), np.arange(72))).astype(np.uint8)
    dicom.save(
        stored(dicom, values, 8, imagecodecs.jpeg8_encode(values, level=98)), tmp_path / "one", JPEGExtended12Bit
    )
    assert np.abs(dicom.one(tmp_path)[1].frames[0].astype(int) - values).max() <= 3


@pytest.mark.skipif(not imagecodecs.HTJ2K.available, reason="imagecodecs is built without an encoder")
@pytest.mark.parametrize("kind", ["8 bits", "16 bits"])
def test_high_throughput_jpeg_2000(dicom, tmp_path, kind):
    values, bits = samples(kind), KINDS[kind][1]
    dicom.save(stored(dicom, values, bits, imagecodecs.htj2k_encode(values)), tmp_path / "one", HTJ2KLossless)
    assert np.array_equal(dicom.one(tmp_path)[1].frames[0], values)


def test_a_frame_of_another_size_is_refused(dicom, tmp_path):
    small = samples("8 bits")[:10]
    dicom.save(stored(dicom, samples("8 bits"), 8, imagecodecs.jpegls_encode(small)), tmp_path / "one", JPEGLSLossless)
    with pytest.raises(DataError, match="they are 10×72, where the header says 64×72×1"):
        dicom.read(tmp_path)
