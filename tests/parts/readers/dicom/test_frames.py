"""Files of many frames: enhanced ones become volumes, cines are read frame by frame."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from pydicom.pixels import pixel_array

from gmssl.errors import DataError
from gmssl.parts.readers.dicom.reader import Dicom

WHEEL = Path(pydicom.data.__file__).parent / "test_files"

US = "1.2.840.10008.5.1.4.1.1.3.1"
AFFINE = np.array([[0, 0, 0.5, 10], [0, 0.8, 0, -20], [2.5, 0, 0, 30], [0, 0, 0, 1.0]])


def volume(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4000, (frames, 4, 6), dtype=np.uint16)


def groups(dicom, k: int, **content) -> dict:
    position = dicom.place(AFFINE, k)["ImagePositionPatient"]
    return {"PlanePositionSequence": {"ImagePositionPatient": position}} | content


def shared(dicom) -> dict:
    place = dicom.place(AFFINE, 0)
    return {
        "PlaneOrientationSequence": {"ImageOrientationPatient": place["ImageOrientationPatient"]},
        "PixelMeasuresSequence": {"PixelSpacing": place["PixelSpacing"], "SliceThickness": 2.5},
    }


def test_an_enhanced_file_is_ordered_in_space_and_scaled_frame_by_frame(dicom, tmp_path):
    values, order = volume(5), [3, 0, 4, 2, 1]
    scale = "PixelValueTransformationSequence"
    frames = [groups(dicom, k, **{scale: {"RescaleSlope": 0.5 + k, "RescaleIntercept": k}}) for k in order]
    for frame, k in zip(frames, order, strict=True):
        frame["FrameVOILUTSequence"] = {"WindowCenter": 100 * k, "WindowWidth": 50}
    dicom.save(dicom.enhanced(values[order], frames, shared(dicom)), tmp_path / "all.dcm")
    found, scan = dicom.one(tmp_path)
    slopes = np.arange(5)[:, None, None]
    assert np.array_equal(scan.frames, (values * (0.5 + slopes) + slopes).astype(np.float32))
    assert scan.frames.dtype == np.float32
    assert np.allclose(scan.affine, AFFINE)
    assert (found.name, found.frames, found.modality) == ("all.dcm", 5, "mri")
    assert scan.window == (175, 224)  # of the frame in the middle


@pytest.mark.parametrize(
    ("sequence", "element"),
    [
        ("FrameContentSequence", "TemporalPositionIndex"),
        ("FrameContentSequence", "StackID"),
        ("MREchoSequence", "EffectiveEchoTime"),
        ("MRDiffusionSequence", "DiffusionBValue"),
        ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ],
)
def test_one_file_of_several_volumes(dicom, tmp_path, sequence, element):
    values = volume(12)
    frames = [
        groups(dicom, k, **{sequence: {element: str(v) if element == "StackID" else v}})
        for k in range(4)
        for v in range(3)
    ]
    dicom.save(dicom.enhanced(values, frames, shared(dicom)), tmp_path / "all.dcm")
    found = dicom.listed(tmp_path)
    assert len({a.name for a in found.acquisitions}) == 3
    assert all((a.files, a.frames) == (("all.dcm",), 4) for a in found.acquisitions)
    scans = dicom.read(tmp_path)
    assert sorted(s.frames.tobytes() for s in scans) == sorted(values[v::3].tobytes() for v in range(3))
    assert all(np.allclose(scan.affine, AFFINE) for scan in scans)


def test_a_file_that_changed_is_read_anew(dicom, tmp_path):
    for seed in (0, 1):
        values = volume(4 + seed, seed)
        frames = [groups(dicom, k) for k in range(len(values))]
        dicom.save(dicom.enhanced(values, frames, shared(dicom)), tmp_path / "all.dcm")
        assert np.array_equal(dicom.one(tmp_path)[1].frames, values)


def test_enhanced_files_of_one_frame_are_a_series(dicom, tmp_path):
    values = volume(5)
    for k in range(5):
        one = dicom.enhanced(values[k : k + 1], [groups(dicom, k)], shared(dicom), uid=f"1.2.{9 - k}")
        dicom.save(one, tmp_path / f"{k * 7 % 5}.dcm")
    _, scan = dicom.one(tmp_path)
    assert np.array_equal(scan.frames, values)


def test_a_volume_over_two_enhanced_files(dicom, tmp_path):
    values = volume(6)
    for part in (0, 1):
        frames = [groups(dicom, k) for k in range(part, 6, 2)]
        dicom.save(dicom.enhanced(values[part::2], frames, shared(dicom), uid=f"1.2.{part}"), tmp_path / f"{part}.dcm")
    found, scan = dicom.one(tmp_path)
    assert np.array_equal(scan.frames, values)
    assert (found.files, found.frames) == (("0.dcm", "1.dcm"), 6)


def test_frames_that_are_not_described_are_a_fault(dicom, tmp_path):
    dicom.save(dicom.enhanced(volume(5), [groups(dicom, 0)], shared(dicom)), tmp_path / "all.dcm")
    (left,) = dicom.listed(tmp_path).left_out
    assert left.fault
    assert "5 frames, but describes 1" in left.reason


def test_frames_of_nuclear_medicine_are_stacked_along_their_normal(dicom, tmp_path):
    values, place = volume(4), dicom.place(AFFINE, 0)
    data = dicom.image(
        values, NumberOfFrames=4, Modality="NM", ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    )
    detector = type(data)()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = (
        place["ImagePositionPatient"],
        place["ImageOrientationPatient"],
    )
    data.DetectorInformationSequence = [detector]
    data.PixelSpacing, data.SpacingBetweenSlices = place["PixelSpacing"], -2.5
    dicom.save(data, tmp_path / "nm.dcm")
    _, scan = dicom.one(tmp_path)
    assert np.array_equal(scan.frames, values[::-1])  # the spacing is against the normal
    assert np.allclose(scan.affine[2], [2.5, 0, 0, 30 - 3 * 2.5])


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_a_cine_is_read_frame_by_frame(dicom, tmp_path, colour, monkeypatch):
    shape = (7, 5, 4, 3) if colour else (7, 5, 4)
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    dicom.save(dicom.image(values, NumberOfFrames=7, SOPClassUID=US, Modality="US"), tmp_path / "cine.dcm")
    found, scan = dicom.one(tmp_path)
    assert (found.frames, len(scan.frames), scan.affine, found.modality) == (7, 7, None, "ultrasound")
    frames = pickle.loads(pickle.dumps(scan.frames))
    for k in (6, 0, 3):
        assert np.array_equal(frames[k], values[k])
        assert frames[k].dtype == np.uint8
    with pytest.raises(IndexError):
        frames[7]


def test_a_compressed_cine_is_read_frame_by_frame(tmp_path):
    path = WHEEL / "examples_ybr_color.dcm"
    (tmp_path / "cine").write_bytes(path.read_bytes())
    (found,) = Dicom().listing(tmp_path, ["cine"]).acquisitions
    scan = Dicom().read(tmp_path, found)
    wanted = pixel_array(path)
    assert np.array_equal(np.stack([scan.frames[k] for k in range(30)]), wanted)


def test_a_cine_that_was_cut_off_says_which_frame_is_missing(tmp_path):
    content = (WHEEL / "examples_ybr_color.dcm").read_bytes()
    (tmp_path / "cine").write_bytes(content[: len(content) // 2])
    (found,) = Dicom().listing(tmp_path, ["cine"]).acquisitions
    scan = Dicom().read(tmp_path, found)
    assert scan.frames[0].shape == (240, 320, 3)
    with pytest.raises(DataError, match=r"cine cannot be read: .*frame 29"):
        scan.frames[29]
