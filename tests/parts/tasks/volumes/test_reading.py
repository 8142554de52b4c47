"""Volumes from folders of DICOM files, and masks whose axes run otherwise than those of the image."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pydicom")

from gmssl.downstream.cohort import listed
from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.registry import part
from gmssl.parts.tasks.volumes.reading import read_scan
from gmssl.parts.tasks.volumes.task import VolumeSegmentation
from tests.parts.readers.dicom.conftest import Files
from tests.parts.tasks.volumes.blobs import blobs, save, turned

NIFTI = part("reader", "nifti")


def series(folder: Path, file: Path, **fields: object) -> Path:
    """A NIfTI file as slices of DICOM, in a folder."""
    scan = read_scan(file, NIFTI)
    Files.folder(folder, Files.slices(np.asarray(scan.frames), scan.affine, **fields))
    return folder


@given(
    st.sampled_from(list(itertools.permutations(range(3)))),
    st.tuples(*[st.sampled_from([1, -1])] * 3),
    st.sampled_from([0.0, 20.0]),
)
def test_axes_in_another_order_are_the_same_voxels(
    tmp_path_factory: pytest.TempPathFactory, order: tuple[int, ...], signs: tuple[int, ...], degrees: float
) -> None:
    """nibabel turns the file, and ours turns it back: the same values at the same places."""
    folder, affine = tmp_path_factory.mktemp("axes"), turned(degrees)
    values = np.random.default_rng(0).integers(0, 900, (5, 4, 3)).astype(np.int16)
    image = nibabel.Nifti1Image(values, affine)
    nibabel.save(image, folder / "a.nii")
    other = image.as_reoriented(np.array([[axis, sign] for axis, sign in zip(order, signs, strict=True)]))
    nibabel.save(other, folder / "b.nii")
    one = read_scan(folder / "a.nii", NIFTI)
    found = read_scan(folder / "b.nii", NIFTI, one.affine)
    assert np.array_equal(found.frames, one.frames)
    np.testing.assert_allclose(found.affine, one.affine, atol=1e-4)
    again = read_scan(folder / "b.nii", NIFTI, read_scan(folder / "b.nii", NIFTI).affine)
    assert np.array_equal(again.frames, read_scan(folder / "b.nii", NIFTI).frames)


def test_a_series_is_the_volume_of_its_slices(tmp_path: Path) -> None:
    """The same slices, masks and scores from DICOM as from NIfTI, whose rows run the other way."""
    (case,) = blobs(1, tmp_path / "nifti", turned(spacing=(1.0, 1.5, 4.0)))
    folder = series(tmp_path / "dicom", case.image)
    (folder / "README.txt").write_text("of the archive", encoding="utf-8")
    original = nibabel.load(case.files["mask"])
    flipped = original.as_reoriented(np.array([[0, -1], [1, -1], [2, 1]]))
    nibabel.save(flipped, tmp_path / "flipped.nii.gz")
    ours = Case("series", {"image": folder, "mask": tmp_path / "flipped.nii.gz"})
    settings = VolumeSegmentation(size=32, window=part("window", "given", lower=0, upper=600))
    from_files, from_series = (settings.open([one], 1) for one in (case, ours))
    assert from_series.checked[0].voxels == from_files.checked[0].voxels
    np.testing.assert_allclose(from_series.checked[0].affine, from_files.checked[0].affine, atol=1e-4)
    pairs = [(a.testing([0]), b.testing([0])) for a, b in [(from_files, from_series)]]
    for one, other in pairs:
        assert len(one) == len(other) == 9
        for number in range(len(one)):
            assert (one[number].image == other[number].image).all()
            assert (one[number].labels == other[number].labels).all()


def test_a_perfect_prediction_of_a_series_scores_one_and_lies_where_it_does(tmp_path: Path) -> None:
    (case,) = blobs(1, tmp_path / "nifti")
    ours = Case("series", {"image": series(tmp_path / "dicom", case.image), "mask": case.files["mask"]})
    opened = VolumeSegmentation(size=32).open([ours], 1)
    scoring = opened.scoring([0], keep=True)
    labels = np.asarray(read_scan(case.files["mask"], NIFTI, opened.checked[0].affine).frames)
    scoring.take(0, np.ascontiguousarray(opened.checked[0].cut.slices(labels)))
    assert opened.summarise(scoring.rows())["dice"] == 1
    (written,) = [path for path in scoring.write(tmp_path / "out") if path.name.endswith(".nii.gz")]
    found, truth = nibabel.load(written), nibabel.load(case.files["mask"])
    places = [
        np.c_[np.argwhere(np.asarray(i.dataobj) > 0), np.ones(int((np.asarray(i.dataobj) > 0).sum()))] @ i.affine.T
        for i in (found, truth)
    ]
    one, other = (np.array(sorted(map(tuple, np.round(p, 2)))) for p in places)
    np.testing.assert_allclose(one, other, atol=0.02)


def test_what_is_no_single_whole_series_is_told(tmp_path: Path) -> None:
    (case,) = blobs(1, tmp_path / "nifti")

    def message(folder: Path) -> str:
        with pytest.raises(DataError) as told:
            VolumeSegmentation(size=32).open([Case("a", {"image": folder, "mask": case.files["mask"]})], 1)
        return str(told.value)

    twice = series(tmp_path / "two", case.image)
    series(twice / "more", case.image, SeriesInstanceUID="1.2.3.10", first=100)
    assert "holds 2 volumes (series, echoes, times), where a case has one" in message(twice)
    holed = series(tmp_path / "holed", case.image)
    places = {path: np.asarray(Files.one(holed)[0].files) for path in holed.iterdir()}
    middle = next(iter(places.values()))[4]
    (holed / middle).unlink()
    assert "cannot be read as a volume" in message(holed)
    (tmp_path / "empty").mkdir()
    assert "holds 0 volumes" in message(tmp_path / "empty")


def test_a_file_of_a_series_that_changes_changes_the_digest(tmp_path: Path) -> None:
    (case,) = blobs(1, tmp_path / "nifti")
    folder = series(tmp_path / "dicom", case.image)
    cases = [Case("a", {"image": folder, "mask": case.files["mask"]})]
    before = listed(cases)
    assert listed(cases).digest == before.digest
    (folder / "000.dcm").rename(folder / "100.dcm")
    assert listed(cases).digest != before.digest


def test_a_mask_elsewhere_is_still_refused(tmp_path: Path) -> None:
    (case,) = blobs(1, tmp_path / "nifti")
    flipped = turned(flips=(-1, 1, 1))  # about the corner, not within the volume: another place
    other = save(tmp_path / "other.nii.gz", np.asarray(nibabel.load(case.files["mask"]).dataobj), flipped)
    with pytest.raises(DataError, match="lies elsewhere in space"):
        VolumeSegmentation(size=32).open([Case("a", {**case.files, "mask": other})], 1)
