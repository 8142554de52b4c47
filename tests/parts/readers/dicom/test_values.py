"""Stored numbers become the scanner's values."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_modality_lut
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from gmssl.corpus.grey import to_grey
from gmssl.corpus.slices import SlicePolicy, cut
from gmssl.parts.readers.dicom.reader import Dicom
from gmssl.parts.readers.windows import Percentiles

WHEEL = Path(pydicom.data.__file__).parent / "test_files"


def stored(dtype=np.int16, low=-1000, high=3000, shape=(4, 6)) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, shape, dtype=dtype)


def scan_of(dicom, tmp_path, data: Dataset, **save):
    dicom.save(data, tmp_path / "one.dcm", **save)
    return dicom.one(tmp_path, captures=True)[1]


@pytest.mark.parametrize(
    ("dtype", "fields", "kept"),
    [
        (np.int16, {}, np.int16),
        (np.int16, {"RescaleSlope": 1, "RescaleIntercept": 0}, np.int16),
        (np.uint16, {"BitsStored": 12, "RescaleSlope": 1, "RescaleIntercept": -1024}, np.int16),
        (np.uint16, {"BitsStored": 12, "RescaleSlope": 2, "RescaleIntercept": -1024}, np.int16),
        (np.uint16, {"RescaleSlope": 1, "RescaleIntercept": -1024}, np.float32),
        (np.int16, {"RescaleSlope": "0.37", "RescaleIntercept": "1.5"}, np.float32),
        (np.int16, {"RescaleSlope": "1e17", "RescaleIntercept": "-7"}, np.float32),
        (np.uint16, {"RescaleSlope": "1e30"}, np.float32),
        (np.uint8, {}, np.uint8),
        (np.uint32, {}, np.uint32),
    ],
)
def test_the_smallest_exact_type_is_kept(dicom, tmp_path, dtype, fields, kept):
    values = stored(dtype, 0, 200)
    scan = scan_of(dicom, tmp_path, dicom.image(values, **fields))
    wanted = values * float(fields.get("RescaleSlope", 1)) + float(fields.get("RescaleIntercept", 0))
    assert scan.frames.dtype == kept
    assert np.array_equal(scan.frames[0], wanted.astype(kept))


def test_each_slice_of_a_pet_has_its_own_slope(dicom, tmp_path):
    values = stored(np.uint16, 0, 3000, (5, 4, 6))
    data = dicom.slices(values, np.diag([2.0, 1, 1, 1])[[2, 1, 0, 3]], Modality="PT")
    for k, one in enumerate(data):
        one.RescaleSlope, one.RescaleIntercept = f"{0.1 + k:.3g}", 0
    dicom.folder(tmp_path, data)
    found, scan = dicom.one(tmp_path)
    slopes = np.array([0.1, 1.1, 2.1, 3.1, 4.1])[:, None, None]
    order = slice(None) if scan.affine[0, 0] >= 0 else slice(None, None, -1)
    assert any(np.allclose(scan.frames, (values * slopes)[::step], rtol=1e-6) for step in (1, -1)), order
    assert (found.modality, scan.unit) == ("pet", None)


@pytest.mark.parametrize(
    ("fields", "unit"),
    [
        ({"RescaleSlope": 1, "RescaleIntercept": 0}, "HU"),
        ({"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "HU"}, "HU"),
        ({"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "US"}, "HU"),
        ({"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "MGML"}, None),
        ({"RescaleSlope": 1, "RescaleIntercept": 0, "Modality": "MR"}, None),
        ({}, None),
    ],
)
def test_unit(dicom, tmp_path, fields, unit):
    assert scan_of(dicom, tmp_path, dicom.image(stored(), **fields)).unit == unit


@pytest.mark.parametrize(
    ("fields", "window"),
    [
        ({"WindowCenter": 40, "WindowWidth": 400}, (-160, 239)),
        ({"WindowCenter": [40, 300], "WindowWidth": [400, 1500]}, (-160, 239)),
        ({"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"}, (-160, 240)),
        ({"WindowCenter": 40, "WindowWidth": 0}, None),
        ({"WindowCenter": 40}, None),
        ({}, None),
    ],
)
def test_window(dicom, tmp_path, fields, window):
    assert scan_of(dicom, tmp_path, dicom.image(stored(), **fields)).window == window


def test_the_window_is_that_of_the_standard(dicom, tmp_path):
    from pydicom.pixels import apply_voi_lut

    values = np.arange(-300, 340, dtype=np.int16).reshape(10, -1)
    data = dicom.image(values, WindowCenter=40, WindowWidth=400)
    lower, upper = scan_of(dicom, tmp_path, data).window
    shown = apply_voi_lut(values, data)
    mine = ((values - lower) / (upper - lower)).clip(0, 1)
    assert np.allclose((shown - shown.min()) / (shown.max() - shown.min()), mine)


@pytest.mark.parametrize(
    ("dtype", "padding", "limit", "gone"),
    [
        (np.int16, -2000, None, [-2000]),
        (np.int16, -2000, -1998, [-2000, -1999, -1998]),
        (np.uint16, 0, None, [0]),
        (np.uint16, 65535, 65533, [65535, 65534, 65533]),
    ],
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"])
def test_padding_is_not_valid(dicom, tmp_path, dtype, padding, limit, gone, syntax):
    values = stored(dtype, 5, 900)
    values.flat[: len(gone)] = gone
    data = dicom.image(
        values, PixelPaddingValue=padding, PixelPaddingRangeLimit=limit, RescaleIntercept=-100, RescaleSlope=1
    )
    scan = scan_of(dicom, tmp_path, data, syntax=syntax)
    assert np.array_equal(scan.valid[0], ~np.isin(values, gone))
    assert np.array_equal(scan.frames[0], values.astype(float) - 100)


def test_padding_in_frames_without_a_place_is_neither_seen_nor_counted(dicom, tmp_path):
    values = stored(np.uint16, 100, 3000, (3, 4, 6))
    values[:, 0], values[1, 3] = 60000, 60000
    data = dicom.image(values, NumberOfFrames=3, PixelPaddingValue=60000, Modality="XA")
    scan = scan_of(dicom, tmp_path, data)
    padded = values == 60000
    assert np.array_equal([scan.valid[k] for k in range(3)], ~padded)
    low, high = Percentiles().bounds(scan, "x-ray")
    np.testing.assert_allclose((low, high), np.percentile(values[~padded], [0.5, 99.5]))
    greys = [to_grey(piece, (low, high), inverted=True, bits=8) for piece in cut(scan, SlicePolicy())]
    assert not np.stack(greys)[padded].any()
    assert scan_of(dicom, tmp_path, dicom.image(values, NumberOfFrames=3, Modality="XA")).valid is None


def test_padding_whose_sign_is_written_wrong(dicom, tmp_path):
    values = stored(np.int16)
    values[0, 0] = -2000
    data = dicom.image(values)
    data.add_new("PixelPaddingValue", "US", 65536 - 2000)
    scan = scan_of(dicom, tmp_path, data)
    assert np.argwhere(~scan.valid[0]).tolist() == [[0, 0]]


def test_without_padding_all_is_valid(dicom, tmp_path):
    assert scan_of(dicom, tmp_path, dicom.image(stored(), PixelPaddingValue=-5000)).valid is None


def test_monochrome1_is_told_and_not_changed(dicom, tmp_path):
    values = stored()
    scan = scan_of(dicom, tmp_path, dicom.image(values, PhotometricInterpretation="MONOCHROME1"))
    assert scan.inverted
    assert np.array_equal(scan.frames[0], values)


def test_overlays_in_unused_bits_are_not_burnt_in(dicom, tmp_path):
    values = stored(np.uint16, 0, 4096)
    drawn = values | (np.random.default_rng(1).integers(0, 2, values.shape, dtype=np.uint16) << 15)
    data = dicom.image(drawn, BitsStored=12)
    data.add_new((0x6000, 0x0102), "US", 15)
    assert np.array_equal(scan_of(dicom, tmp_path, data).frames[0], values)


@pytest.mark.parametrize("name", ["examples_palette.dcm", "examples_ybr_color.dcm", "examples_rgb_color.dcm"])
def test_colours_become_rgb_of_8_bits(name):
    path = WHEEL / name
    (found,) = Dicom().listing(path.parent, [path.name]).acquisitions
    frame = Dicom().read(path.parent, found).frames[0]
    fields = dcmread(path)
    wanted = fields.pixel_array
    if wanted.ndim == 2:
        wide = apply_color_lut(wanted, fields)
        wanted = wide if wide.dtype == np.uint8 else np.rint(wide / 257.0)
    assert frame.dtype == np.uint8
    assert np.array_equal(frame, wanted if wanted.ndim == 3 else wanted[0])


@pytest.mark.parametrize("planar", [0, 1])
def test_planes_of_colour(dicom, tmp_path, planar):
    values = stored(np.uint8, 0, 256, (4, 6, 3))
    data = dicom.image(values, PlanarConfiguration=planar)
    data.PixelData = (np.moveaxis(values, 2, 0) if planar else values).tobytes()
    assert np.array_equal(scan_of(dicom, tmp_path, data).frames[0], values)


def test_a_table_leads_to_the_values(dicom, tmp_path):
    values = stored(np.uint8, 0, 256)
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [256, 0, 16], "US"
    table.add_new("LUTData", "US", [int(v) for v in (np.arange(256) ** 2) % 60000])
    data = dicom.image(values)
    data.ModalityLUTSequence = [table]
    scan = scan_of(dicom, tmp_path, data)
    assert np.array_equal(scan.frames[0], (values.astype(int) ** 2) % 60000)
    assert np.array_equal(scan.frames[0], apply_modality_lut(values, data))


def test_floats_that_are_not_finite_are_not_valid(dicom, tmp_path):
    values = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    values[1, 2], values[0, 0] = np.nan, np.inf
    data = dicom.image(stored(), BitsAllocated=32, BitsStored=None, HighBit=None, PixelRepresentation=None)
    del data.PixelData
    data.FloatPixelData = values.tobytes()
    scan = scan_of(dicom, tmp_path, data)
    assert np.array_equal(scan.frames[0], values, equal_nan=True)
    assert np.argwhere(~scan.valid[0]).tolist() == [[0, 0], [1, 2]]


def test_values_beyond_the_bits_of_the_header_are_kept(dicom, tmp_path):
    values = stored(np.uint16, 0, 60000)
    data = dicom.image(values)
    data.compress(RLELossless)
    data.BitsStored, data.HighBit = 8, 7
    dicom.save(data, tmp_path / "one.dcm", syntax=RLELossless)
    scan = dicom.one(tmp_path)[1]
    assert scan.frames.max() in (values.max(), (values & 255).max())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_run_lengths_and_big_endian(dicom, tmp_path, dtype):
    values = stored(dtype, 0, 200)
    data = dicom.image(values)
    data.compress(RLELossless)
    assert np.array_equal(scan_of(dicom, tmp_path, data, syntax=RLELossless).frames[0], values)
    big = dicom.image(values.astype(values.dtype.newbyteorder(">")))
    dicom.save(big, tmp_path / "one.dcm", syntax=ExplicitVRBigEndian)
    assert np.array_equal(dicom.one(tmp_path)[1].frames[0], values)


def test_run_lengths_of_32_bits(dicom, tmp_path):
    data = dcmread(WHEEL / "rtdose_rle.dcm")
    wanted = data.pixel_array
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.20"  # as a dose it would be left out
    scan = scan_of(dicom, tmp_path, data, syntax=RLELossless)
    assert np.array_equal(np.stack([scan.frames[k] for k in range(15)]), wanted)


def test_jpeg_of_12_bits_agrees_with_another_library():
    """imagecodecs decodes it here, GDCM in SimpleITK."""
    import SimpleITK

    path = WHEEL / "JPEG-lossy.dcm"
    reader = Dicom(captures=True)
    (found,) = reader.listing(path.parent, [path.name]).acquisitions
    frames = reader.read(path.parent, found).frames
    assert np.array_equal(frames, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))))


def jpeg(values: np.ndarray, **save) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, format="JPEG", **save)
    return file.getvalue()


@pytest.mark.parametrize("shape", [(16, 24), (16, 24, 3)], ids=["grey", "colour"])
def test_a_jpeg_is_handed_on_as_it_is(dicom, tmp_path, shape):
    smooth = np.add.outer(np.arange(16), np.arange(24)).astype(np.uint8) * 5
    values = smooth if len(shape) == 2 else np.stack([smooth, smooth[::-1], smooth // 2], axis=-1)
    encoded = jpeg(values, subsampling=0)
    for content, kept in ((encoded, True), (jpeg(values, subsampling=0, comment=b"Jane Doe"), False)):
        data = dicom.image(values, Modality="DX")
        if len(shape) == 3:
            data.PhotometricInterpretation = "YBR_FULL"
        data.PixelData = encapsulate([content])
        data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
        scan = scan_of(dicom, tmp_path, data, syntax=JPEGBaseline8Bit)
        if kept and scan.encoded is not None:
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(scan.encoded[0]))), scan.frames[0])
        assert (scan.encoded is not None) == kept


@pytest.mark.parametrize("line", [(1, -5), (0.5, 0)])
def test_a_rescaled_jpeg_is_not_handed_on(dicom, tmp_path, line):
    data = dicom.image(stored(np.uint8, 0, 255, (16, 24)), RescaleSlope=line[0], RescaleIntercept=line[1])
    data.PixelData = encapsulate([jpeg(stored(np.uint8, 0, 255, (16, 24)))])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    assert scan_of(dicom, tmp_path, data, syntax=JPEGBaseline8Bit).encoded is None
