"""Real series, with SimpleITK as oracle, and the files of pydicom's wheel, with pydicom as oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.pixels import apply_color_lut, apply_modality_lut

from gmssl.errors import DataError
from gmssl.parts.readers.dicom.headers import quiet
from gmssl.parts.readers.dicom.reader import Dicom

WHEEL = Path(pydicom.data.__file__).parent / "test_files"

SERIES = ["ct", "mr_flair", "mr_knee", "mr_tumour_mask"]


@pytest.fixture
def archive(dicom) -> Path:
    root = dicom.SHARED / "dicom"
    if not root.is_dir():
        pytest.skip("the real series are not here")
    return root


@pytest.mark.parametrize("name", SERIES)
def test_real_series_agree_with_itk(dicom, archive, name):
    """ITK has index (column, row, slice), and the same coordinates in mm."""
    import SimpleITK

    sorter = SimpleITK.ImageSeriesReader()
    sorter.SetFileNames(sorter.GetGDCMSeriesFileNames(str(archive / name)))
    image = sorter.Execute()
    step = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    found, scan = dicom.one(archive / name)
    assert np.array_equal(scan.frames, SimpleITK.GetArrayFromImage(image))
    assert [archive / name / file for file in found.files] == [Path(f) for f in sorter.GetFileNames()]
    assert np.allclose(scan.affine[:3, :3], step[:, ::-1], atol=2e-4)
    assert np.allclose(scan.affine[:3, 3], image.GetOrigin(), atol=1e-6)


def test_the_mask_lies_on_its_image_slice_for_slice(dicom, archive):
    (_, image), (_, mask) = (dicom.one(archive / name) for name in ("mr_flair", "mr_tumour_mask"))
    assert image.frames.shape == mask.frames.shape
    # a bright lesion: the mask of another slice would not say so
    inside = [f[m > 0].mean() / f[f > 50].mean() for f, m in zip(image.frames, mask.frames, strict=True) if m.any()]
    assert np.mean(inside) > 1.2
    assert np.isclose(np.linalg.norm(image.affine[:3, 0]), np.linalg.norm(mask.affine[:3, 0]), rtol=1e-4)


def test_all_series_at_once_are_the_series_one_by_one(dicom, archive):
    found = dicom.listed(archive)
    assert [(a.name.split("/")[0], a.frames, a.modality) for a in found.acquisitions] == [
        ("ct", 32, "ct"),
        ("mr_flair", 25, "mri"),
        ("mr_knee", 16, "mri"),
        ("mr_tumour_mask", 25, "mri"),
    ]
    assert not found.left_out
    assert len({a.patient for a in found.acquisitions if a.name.startswith(("mr_flair", "mr_tumour"))}) == 1


FILES = sorted(p for p in WHEEL.rglob("*.dcm") if p.is_file())
NOT_DECODED = {"JPEG2000-embedded-sequence-delimiter.dcm": "JPEG 2000", "MR_truncated.dcm": "truncated"}
"""Files that pydicom does not decode either, being damaged, and what is said of them."""


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_what_pydicom_decodes_is_read_and_equal(path):
    with quiet():
        fields = dcmread(path, force=True)
        try:
            wanted = fields.pixel_array
        except Exception:
            wanted = None
    reader = Dicom(captures=True, localizers=True)
    found = reader.listing(path.parent, [path.name])
    if not found.acquisitions:
        image = wanted is not None and fields.SOPClassUID.name not in ("Segmentation Storage", "RT Dose Storage")
        assert not image, found.left_out
        return
    (acquisition,) = found.acquisitions
    if wanted is None and path.name in NOT_DECODED:
        with pytest.raises(DataError, match=NOT_DECODED[path.name]):
            reader.read(path.parent, acquisition)
        return
    scan = reader.read(path.parent, acquisition)
    given = np.stack([scan.frames[k] for k in range(len(scan.frames))])
    if wanted is not None:
        wanted = _value(wanted, fields)
        assert np.array_equal(given[0] if wanted.ndim < given.ndim else given, wanted)


def _value(stored: np.ndarray, fields) -> np.ndarray:
    """Of pydicom's own functions; colours of more than 8 bits are scaled."""
    if fields.PhotometricInterpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, fields)
    elif fields.SamplesPerPixel == 1:
        return apply_modality_lut(stored, fields).astype(np.float32)
    return stored if stored.dtype == np.uint8 else np.rint(stored / ((2 ** (8 * stored.dtype.itemsize) - 1) / 255))
