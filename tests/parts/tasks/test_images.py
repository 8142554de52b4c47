"""Images of cases: pictures, and DICOM files that look as they do in a store."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from gmssl.downstream.cohort import listed
from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.images import case_image, case_size, image_digest, is_dicom

RADIOGRAPH, CT = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.2"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a radiograph `[H,W]`, or what fields say otherwise."""

    def make(name: str, pixels: np.ndarray, **fields: Any) -> Path:
        colour, bits = pixels.shape[-1] == 3, 8 * pixels.dtype.itemsize
        rows, columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID, data.Modality, data.PatientID = RADIOGRAPH, "1.2.3", "DX", "someone"
        data.Rows, data.Columns, data.SamplesPerPixel = rows, columns, 3 if colour else 1
        data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
        data.PixelRepresentation = int(pixels.dtype.kind == "i")
        if colour:
            data.PlanarConfiguration = 0
        for key, value in fields.items():
            setattr(data, key, value)
        data.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
        data["PixelData"].VR = "OW" if bits > 8 else "OB"
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return make


def ramp(rows: int = 40, columns: int = 60) -> np.ndarray:
    return (np.arange(rows * columns, dtype=np.uint16).reshape(rows, columns) * 3) % 4000


def test_radiographs_have_the_grey_of_percentiles(write: Write) -> None:
    values = ramp()
    low, high = np.percentile(values, [0.5, 99.5])
    expected = np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    image = case_image(write("a.dicom", values), 1)
    assert (image.mode, image.size) == ("L", (60, 40))
    assert np.abs(np.asarray(image).astype(int) - expected).max() <= 1
    inverted = case_image(write("b.dcm", values, PhotometricInterpretation="MONOCHROME1"), 3)
    assert inverted.mode == "RGB"
    assert (np.asarray(inverted)[..., 0] == 255 - np.asarray(image)).all()


def test_ct_has_the_window_of_soft_tissue_and_colours_stay(write: Write) -> None:
    values = np.array([[0, 864, 1065, 1264, 4000]], np.uint16)
    fields = {"SOPClassUID": CT, "Modality": "CT", "RescaleIntercept": -1024, "RescaleSlope": 1}
    grey = np.asarray(case_image(write("ct.dcm", values, **fields), 1))
    assert grey.tolist() == [[0, 0, 128, 255, 255]]
    picture = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    assert (np.asarray(case_image(write("us.dcm", picture, Modality="US"), 3)) == picture).all()


def test_what_is_dicom_is_told_by_its_ending_or_its_mark(write: Write, tmp_path: Path) -> None:
    unnamed = write("IM0001", ramp())
    Image.fromarray(ramp().astype(np.uint8)).save(tmp_path / "a.png")
    assert is_dicom(unnamed)
    assert not is_dicom(tmp_path / "a.png")
    assert not is_dicom(tmp_path / "missing")
    assert case_size(unnamed) == case_image(unnamed, 1).size == (60, 40)


def test_copies_are_found_under_other_headers(write: Write, tmp_path: Path) -> None:
    one = write("a.dcm", ramp())
    other = write("b.dcm", ramp(), PatientID="another", SOPInstanceUID="1.2.4")
    third = write("c.dcm", ramp() + 1)
    cases = [Case(path.name, {"image": path}) for path in (one, other, third)]
    found = listed(cases)
    assert found.images[0] == found.images[1] != found.images[2]
    assert image_digest(tmp_path / "volume.nii.gz") is None
    data = dcmread(one)
    data.compress(RLELossless)
    data.save_as(tmp_path / "d.dcm")
    assert np.array_equal(case_image(tmp_path / "d.dcm", 1), case_image(one, 1))


@pytest.mark.parametrize("size", [200, 700, 4000])
def test_damaged_files_are_told(write: Write, size: int) -> None:
    path = write("a.dcm", ramp())
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"a\.dcm cannot be read as an image"):
        case_image(path, 1)


def test_several_images_and_missing_files_are_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 3 images, where a case has one"):
        case_image(write("cine.dcm", np.stack([ramp()] * 3), NumberOfFrames=3), 1)
    (tmp_path / "text.dcm").write_text("no image")
    for name in ("text.dcm", "missing.dcm"):
        for read in (lambda path: case_image(path, 1), case_size):
            with pytest.raises(DataError, match=rf"{name} cannot be read as an image"):
                read(tmp_path / name)


def test_the_library_that_is_missing_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a.dcm", ramp())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    for read in (lambda: case_image(path, 1), lambda: case_size(path), lambda: image_digest(path)):
        with pytest.raises(DataError, match=r'pip install "gmssl\[med\]"'):
            read()
