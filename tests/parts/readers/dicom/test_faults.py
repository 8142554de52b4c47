"""What is no image, broken, or not read is told by file and reason, and never by a traceback."""

from __future__ import annotations

import builtins
import contextlib
import re
import tempfile
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    RLELossless,
)

from gmssl.errors import DataError
from gmssl.interfaces.reader import LeftOut
from gmssl.parts.readers.dicom.reader import Dicom

WHEEL = Path(pydicom.data.__file__).parent / "test_files"

AFFINE = np.array([[0, 0, 0.5, 10], [0, 0.8, 0, -20], [2.5, 0, 0, 30], [0, 0, 0, 1.0]])


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1000, shape or (4, 6), dtype=np.int16)


def left(dicom, root: Path, **settings) -> LeftOut:
    found = dicom.listed(root, **settings)
    assert not found.acquisitions
    (one,) = found.left_out
    return one


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("README.txt", b"These are my scans.", False),
        ("scan.nii.gz", b"\x1f\x8b\x08\x00rest", False),
        ("empty", b"", False),
        ("empty.dcm", b"", True),
        ("page.dcm", b"<html>404</html>", True),
        ("zeros", bytes(1000), False),
        ("begins.like", b"\x08\x00" + b"text that is no element at all" * 9, False),
    ],
)
def test_what_is_no_dicom(dicom, tmp_path, name, content, fault):
    (tmp_path / name).write_bytes(content)
    one = left(dicom, tmp_path)
    assert (one.name, one.fault) == (name, fault)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rtstruct.dcm", "RT Structure Set"),
        ("rtplan.dcm", "RT Plan"),
        ("rtdose.dcm", "dose"),
        ("reportsi.dcm", "SR"),
        ("waveform_ecg.dcm", "Waveform"),
        ("liver_1frame.dcm", "segmentation"),
        ("dicomdirtests/DICOMDIR", "DICOMDIR"),
    ],
)
def test_what_is_no_image_is_named_and_no_fault(name, said):
    path = WHEEL / name
    found = Dicom().listing(path.parent, [path.name])
    assert not found.acquisitions
    assert said in found.left_out[0].reason
    assert not found.left_out[0].fault


@pytest.mark.parametrize(
    ("uid", "said"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "Key Object Selection"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "Presentation State"),
        ("1.2.840.10008.5.1.4.1.1.77.1.6", "slide"),
    ],
)
def test_classes_without_images(dicom, tmp_path, uid, said):
    data = dicom.image(pixels(), SOPClassUID=uid)
    if said != "slide":
        del data.PixelData, data.Rows, data.Columns
    dicom.save(data, tmp_path / "one")
    one = left(dicom, tmp_path)
    assert said in one.reason
    assert not one.fault


def test_mosaics_are_left_out(dicom, tmp_path):
    dicom.save(dicom.image(pixels(), ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]), tmp_path / "one")
    one = left(dicom, tmp_path)
    assert "mosaic" in one.reason
    assert not one.fault


def test_a_file_without_preamble_and_meta_is_read(dicom, tmp_path):
    for implicit in (True, False):
        data = dicom.image(pixels())
        del data.file_meta
        data.save_as(tmp_path / "one", implicit_vr=implicit, little_endian=True)
        _, scan = dicom.one(tmp_path)
        assert np.array_equal(scan.frames[0], pixels())


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9, 0.999])
def test_truncated_files_are_faults(dicom, tmp_path, share):
    path = dicom.save(dicom.image(pixels(60, 60)), tmp_path / "one.dcm")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    one = left(dicom, tmp_path)
    assert one.fault
    assert any(word in one.reason for word in ("truncated", "ends before", "does not begin", "size is"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ImagePositionPatient": [1, 2]}, "ImagePositionPatient is '1.0\\\\2.0', where 3 finite numbers belong"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "no pair of perpendicular"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "no pair of perpendicular"),
        ({"Rows": 0}, "size is 0×6"),
        ({"Rows": 400}, "asks for 4800 bytes of pixels, but there are 48"),
        ({"PixelData": b""}, "no pixels"),
        ({"PixelData": None}, "has no pixels"),
        ({"SamplesPerPixel": 2}, "2 samples"),
        ({"NumberOfFrames": 3}, "asks for 144 bytes"),
    ],
)
def test_headers_that_contradict_themselves(dicom, tmp_path, fields, said):
    place = dicom.place(AFFINE, 0)
    data = dicom.image(pixels(), **(place | {k: v for k, v in fields.items() if k != "PixelData"}))
    if "PixelData" in fields:
        data.PixelData = fields["PixelData"]
        if fields["PixelData"] is None:
            del data.PixelData
    dicom.save(data, tmp_path / "one.dcm")
    one = left(dicom, tmp_path)
    assert one.fault
    assert said in one.reason


def test_a_position_that_is_no_number(dicom, tmp_path):
    path = dicom.save(dicom.image(pixels(), **dicom.place(AFFINE, 0)), tmp_path / "one.dcm")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"10\\-20\\30 ", b"nan\\-20\\3 "))
    assert path.read_bytes() != content
    one = left(dicom, tmp_path)
    assert "ImagePositionPatient" in one.reason
    assert one.fault


@pytest.mark.parametrize("spacing", [None, [0, 0], [-1, 1]])
def test_without_spacing_slices_are_read_in_order_and_it_is_told(dicom, tmp_path, spacing):
    data = dicom.slices(pixels(4, 4, 6), AFFINE, PixelSpacing=spacing)
    dicom.folder(tmp_path, data)
    found = dicom.listed(tmp_path)
    (scan,) = dicom.read(tmp_path)
    assert np.array_equal(scan.frames, pixels(4, 4, 6))
    assert scan.affine is None
    assert "PixelSpacing" in found.left_out[0].reason
    assert not found.left_out[0].fault


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"RescaleSlope": 0}, "RescaleSlope is 0"),
        ({"RescaleSlope": "1e36"}, r"its scale \(1e\+36 . number \+ 0\) makes values that float32 does not hold"),
        ({"RescaleSlope": "-1e300", "RescaleIntercept": "1e300"}, "makes values that float32 does not hold"),
        ({"RescaleIntercept": "1e300"}, "makes values that float32 does not hold"),
        ({"BitsStored": 65, "HighBit": 64}, "BitsStored is 65"),
        ({"BitsStored": 65535, "HighBit": 65534}, "BitsStored is 65535"),
        ({"HighBit": 7}, "HighBit 7"),
    ],
)
def test_values_that_cannot_be_read(dicom, tmp_path, fields, said):
    dicom.save(dicom.image(pixels(), **fields), tmp_path / "one.dcm")
    with pytest.raises(DataError, match=f"one.dcm .*{said}"):
        dicom.read(tmp_path)


def test_colours_of_another_kind(dicom, tmp_path):
    colours = np.zeros((4, 6, 3), np.uint8)
    dicom.save(dicom.image(colours, PhotometricInterpretation="HSV"), tmp_path / "one.dcm")
    with pytest.raises(DataError, match="HSV"):
        dicom.read(tmp_path)


def compressed(content: bytes, dicom) -> Dataset:
    data = dicom.image(pixels(16, 16))
    data.PixelData = encapsulate([content])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    return data


def frame(name: str) -> bytes:
    from pydicom import dcmread
    from pydicom.encaps import get_frame

    return get_frame(dcmread(WHEEL / name).PixelData, 0, number_of_frames=1)


def test_pixels_are_compressed_though_the_header_says_not(dicom, tmp_path):
    path = dicom.save(compressed(frame("MR_small_jp2klossless.dcm"), dicom), tmp_path / "one.dcm", JPEG2000Lossless)
    content = path.read_bytes()
    wrong = content.replace(JPEG2000Lossless.encode(), (ExplicitVRLittleEndian + "\0" * 3).encode())
    path.write_bytes(wrong)
    one = left(dicom, tmp_path)
    assert one.fault
    assert "Explicit VR Little Endian, but its pixels are compressed" in one.reason


@pytest.mark.parametrize(
    ("syntax", "name", "said"),
    [
        (RLELossless, "MR_small_jp2klossless.dcm", "header says RLE Lossless, but its pixels are JPEG 2000"),
        (JPEG2000Lossless, "MR_small_jpeg_ls_lossless.dcm", "header says JPEG 2000 .*, but its pixels are JPEG-LS"),
        (JPEGBaseline8Bit, "MR_small_RLE.dcm", "frame 0 is damaged, or no JPEG Baseline"),
    ],
)
def test_pixels_of_another_transfer_syntax(dicom, tmp_path, syntax, name, said):
    dicom.save(compressed(frame(name), dicom), tmp_path / "one.dcm", syntax)
    with pytest.raises(DataError, match=f"one.dcm cannot be read: .*{said}"):
        dicom.read(tmp_path)


def test_videos_are_left_out(dicom, tmp_path):
    dicom.save(compressed(b"\0\0\1", dicom), tmp_path / "one.dcm", "1.2.840.10008.1.2.4.102")
    one = left(dicom, tmp_path)
    assert "MPEG-4" in one.reason
    assert not one.fault


@pytest.mark.parametrize(
    ("syntax", "package"),
    [(JPEG2000Lossless, "imagecodecs"), (JPEGLossless, "imagecodecs"), (JPEGBaseline8Bit, "Pillow")],
)
def test_missing_decoders_are_named(dicom, tmp_path, monkeypatch, syntax, package):
    from pydicom.pixels.common import CoderBase

    data = compressed(b"\xff\xd8", dicom)
    data.BitsStored, data.HighBit = 8, 7
    dicom.save(data, tmp_path / "one.dcm", syntax)
    (found,) = dicom.listed(tmp_path).acquisitions
    monkeypatch.setattr(CoderBase, "available_plugins", property(lambda self: ()))
    said = rf'one.dcm is stored as {re.escape(syntax.name)}, which {package} reads.*pip install "gmssl\[med\]"'
    with pytest.raises(DataError, match=said):
        Dicom().read(tmp_path, found)


def test_missing_pydicom_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "pydicom":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r'pydicom.*pip install "gmssl\[med\]"'):
        Dicom().listing(tmp_path, [])


def test_a_file_that_is_gone(dicom, tmp_path):
    path = dicom.save(dicom.image(pixels()), tmp_path / "one.dcm")
    (found,) = dicom.listed(tmp_path).acquisitions
    path.unlink()
    assert "cannot be opened" in Dicom().listing(tmp_path, ["one.dcm"]).left_out[0].reason
    with pytest.raises(DataError, match=r"one.dcm cannot be opened"):
        Dicom().read(tmp_path, found)


SEEDS = [
    "MR_small.dcm",
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "MR_small_implicit.dcm",
    "rtdose.dcm",
]


@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=4),
    end=st.one_of(st.just(1.0), st.floats(0, 1)),
    head=st.booleans(),
)
@settings(max_examples=150)
def test_random_damage_gives_only_errors_of_data(seed, edits, end, head):
    """Most edits fall into the first tenth, where the header is."""
    content = bytearray((WHEEL / seed).read_bytes())
    for place, new in edits:
        at = int(place * (0.1 if head else 1) * (len(content) - 5))
        content[at : at + len(new)] = new
    _only_errors_of_data(bytes(content[: int(end * len(content))]))


@given(
    field=st.sampled_from(
        [
            *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
            *("PlanarConfiguration", "NumberOfFrames", "PixelPaddingValue"),
        ]
    ),
    value=st.integers(0, 65535),
)
@settings(max_examples=80)
def test_random_headers_give_only_errors_of_data(dicom, field, value):
    data = dicom.image(
        pixels(), **(dicom.place(AFFINE, 0) | {field: min(value, 32767) if field == "PixelPaddingValue" else value})
    )
    with tempfile.TemporaryDirectory() as name:
        _only_errors_of_data(dicom.save(data, Path(name) / "one.dcm").read_bytes())


def _only_errors_of_data(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "one.dcm").write_bytes(content)
        reader = Dicom(captures=True)
        found = reader.listing(root, ["one.dcm"])
        assert found.acquisitions or found.left_out
        for acquisition in found.acquisitions:
            with contextlib.suppress(DataError):
                frames = reader.read(root, acquisition).frames
                for k in range(min(len(frames), 3)):
                    assert frames[k].ndim in (2, 3)
