"""Slices of series: their order, affine and volumes do not depend on how files are called."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from gmssl.parts.readers.dicom.geometry import EVEN
from gmssl.parts.readers.dicom.planes import MARKS, File, Plane
from gmssl.parts.readers.dicom.reader import Dicom
from gmssl.parts.readers.dicom.stacks import stacks_of, unique

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def volume(slices: int = 5, height: int = 4, width: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 2000, (slices, height, width), dtype=np.int16)


def affine(spacing=(2.5, 0.8, 0.5), turn=(0.0, 0.0, 0.0), origin=(10.0, -20.0, 30.0)) -> np.ndarray:
    """Axial for no turn: the columns follow x, the rows y, the slices z."""
    made = np.eye(4)
    made[:3, :3] = (
        Rotation.from_rotvec(turn).as_matrix() @ np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) @ np.diag(spacing)
    )
    made[:3, 3] = origin
    return made


turns = st.tuples(*[st.floats(-3, 3)] * 3)
spacings = st.tuples(st.floats(0.3, 6), st.floats(0.1, 3), st.floats(0.1, 3))
origins = st.tuples(*[st.floats(-300, 300)] * 3)


@given(turn=turns, spacing=spacings, origin=origins, slices=st.integers(1, 7), seed=st.integers(0, 99))
def test_a_volume_reads_back_and_agrees_with_nifti(dicom, turn, spacing, origin, slices, seed):
    values, to_mm = volume(slices, seed=seed), affine(spacing, turn, origin)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        written = dicom.slices(
            values, to_mm, RescaleSlope=1, RescaleIntercept=0, SpacingBetweenSlices=f"{spacing[0]:.9g}"
        )
        order = np.random.default_rng(seed).permutation(slices)
        dicom.folder(root, [written[k] for k in order])
        found, scan = dicom.one(root)
        nifti = root / "same.nii.gz"
        nibabel.Nifti1Image(values, LPS_TO_RAS @ to_mm).to_filename(nifti)
        same = nibabel.load(nifti)
        assert np.array_equal(np.asarray(same.dataobj), scan.frames)
        assert np.allclose(same.affine, LPS_TO_RAS @ scan.affine, atol=1e-4)
    assert scan.frames.dtype == np.int16
    assert np.array_equal(scan.frames, values)
    assert np.allclose(scan.affine, to_mm, atol=1e-5)
    assert (scan.unit, found.frames, found.modality) == ("HU", slices, "ct")


@given(names=st.permutations([f"{c}/{n}" for c in "ab" for n in ("z", "IM.dcm", "9", "10", "x.IMA")]))
@settings(max_examples=15)
def test_names_and_order_of_files_mean_nothing(dicom, names):
    first, second = volume(5), volume(5, seed=1)
    data = dicom.slices(first, affine()) + dicom.slices(second, affine(), 50, SeriesInstanceUID="1.2.3.8")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for where, one in zip(names, data, strict=True):
            dicom.save(one, root / "patient" / where)
        found = dicom.listed(root)
        scans = dicom.read(root)
    kept = [a.name.rpartition("/")[2] for a in found.acquisitions]
    assert sorted(kept) == ["2495a92f4af0", "df98c88927fd"]  # the same on every machine
    by_series = {a.series: scan for a, scan in zip(found.acquisitions, scans, strict=True)}
    assert np.array_equal(by_series["1.2.3.9"].frames, first)
    assert np.array_equal(by_series["1.2.3.8"].frames, second)
    assert all(np.allclose(scan.affine, affine()) for scan in scans)
    assert not found.left_out


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"EchoNumbers": 1}, {"EchoNumbers": 2}),
        ({"EchoTime": 10}, {"EchoTime": 80}),
        ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
        ({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}),
        ({"DiffusionBValue": 0.0}, {"DiffusionBValue": 1000.0}),
        ({"DiffusionGradientOrientation": [1.0, 0.0, 0.0]}, {"DiffusionGradientOrientation": [0.0, 1.0, 0.0]}),
        ({"TriggerTime": 0}, {"TriggerTime": 40}),
        ({"FrameReferenceTime": 0}, {"FrameReferenceTime": 9000}),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "P"]}),
        ({"ImagePositionPatient": None}, {}),
    ],
    ids=lambda fields: "-".join(fields),
)
def test_what_shares_a_place_becomes_volumes(dicom, tmp_path, first, second):
    a, b = volume(4), volume(4, seed=1)
    data = dicom.slices(a, affine(), **first) + dicom.slices(b, affine(), 50, **second)
    dicom.folder(tmp_path, data)
    scans = dicom.read(tmp_path)
    if "ImagePositionPatient" in first:  # slices without a place are pictures of their own
        assert sorted(len(scan.frames) for scan in scans) == [1, 1, 1, 1, 4]
        assert sum(scan.affine is None for scan in scans) == 4
    else:
        given = sorted(scan.frames.tobytes() for scan in scans)
        assert given == sorted(v.tobytes() for v in (a, b))
        assert all(np.allclose(scan.affine, affine()) for scan in scans)
    assert not dicom.listed(tmp_path).left_out


def test_times_of_a_trigger_that_differ_from_slice_to_slice(dicom, tmp_path):
    phases = [volume(4, seed=phase) for phase in range(3)]
    data = []
    for phase, values in enumerate(phases):
        data += dicom.slices(values, affine(), 1 + 50 * phase)
        for k, one in enumerate(data[-4:]):
            one.TriggerTime = phase * (40 + k)
    dicom.folder(tmp_path, data)
    assert sorted(s.frames.tobytes() for s in dicom.read(tmp_path)) == sorted(v.tobytes() for v in phases)


def test_time_and_echo_at_once(dicom, tmp_path):
    made = {(t, e): volume(3, seed=3 * t + e) for t in range(3) for e in range(2)}
    data = []
    for (t, e), values in made.items():
        data += dicom.slices(values, affine(), 1 + 100 * t + 50 * e, TemporalPositionIdentifier=t, EchoTime=10 + e)
    dicom.folder(tmp_path, data)
    assert sorted(s.frames.tobytes() for s in dicom.read(tmp_path)) == sorted(v.tobytes() for v in made.values())


def test_orientation_size_and_spacing_split(dicom, tmp_path):
    kinds = [affine(), affine(turn=(0, 1.5, 0)), affine(spacing=(2.5, 0.9, 0.5))]
    data = [one for n, to_mm in enumerate(kinds) for one in dicom.slices(volume(3, seed=n), to_mm, 1 + 50 * n)]
    data += dicom.slices(volume(3, height=5, seed=3), affine(), 200)
    dicom.folder(tmp_path, data)
    scans = dicom.read(tmp_path)
    assert [len(scan.frames) for scan in scans] == [3, 3, 3, 3]
    for to_mm, values in zip(
        [*kinds, affine()], [volume(3, seed=n) for n in range(3)] + [volume(3, 5, seed=3)], strict=True
    ):
        match = next(scan for scan in scans if np.array_equal(scan.frames, values))
        assert np.allclose(match.affine, to_mm)


def test_noise_in_the_orientation_does_not_split(dicom, tmp_path):
    data = dicom.slices(volume(6), affine())
    for k, one in enumerate(data):
        one.ImageOrientationPatient = [1, 1e-7 * k, 0, -1e-7 * k, 1, 0]
    dicom.folder(tmp_path, data)
    assert len(dicom.read(tmp_path)) == 1


@pytest.mark.parametrize("numbers", [[1, 2, 3, 4, 5, 6], [1, 1, 1, 2, 2, 2]])
def test_acquisitions_beside_each_other_are_one_volume(dicom, tmp_path, numbers):
    data = dicom.slices(volume(6), affine())
    for number, one in zip(numbers, data, strict=True):
        one.AcquisitionNumber = number
    dicom.folder(tmp_path, data)
    _, scan = dicom.one(tmp_path)
    assert np.array_equal(scan.frames, volume(6))


def test_acquisitions_that_interleave_are_two(dicom, tmp_path):
    shifted = affine(origin=(10, -20, 31.25))
    data = dicom.slices(volume(4), affine(), AcquisitionNumber=1)
    data += dicom.slices(volume(4, seed=1), shifted, 50, AcquisitionNumber=2)
    dicom.folder(tmp_path, data)
    scans = dicom.read(tmp_path)
    assert sorted(scan.affine[2, 3] for scan in scans) == [30, 31.25]


def test_a_series_sent_twice_is_one(dicom, tmp_path):
    values = volume(4)
    dicom.folder(tmp_path, dicom.slices(values, affine()))
    dicom.folder(tmp_path, dicom.slices(values, affine()), "copy")
    again = dicom.slices(values, affine())
    for k, one in enumerate(again):
        one.SOPInstanceUID = f"1.2.4.{k}"
    dicom.folder(tmp_path, again, "sent again")
    _, scan = dicom.one(tmp_path)
    assert np.array_equal(scan.frames, values)
    left = dicom.listed(tmp_path).left_out
    assert len(left) == 8
    assert not any(one.fault for one in left)
    assert all("at the place of another slice" in one.reason for one in left)


def test_of_two_slices_at_one_place_the_first_uid_stays(dicom, tmp_path):
    data = dicom.slices(volume(4), affine())
    data += [dicom.image(volume(1, seed=7)[0], uid="1.2.2", InstanceNumber=77, **dicom.place(affine(), 2))]
    dicom.folder(tmp_path, data)
    _, scan = dicom.one(tmp_path)
    assert np.array_equal(scan.frames[2], volume(1, seed=7)[0])
    assert len(dicom.listed(tmp_path).left_out) == 1


def test_a_series_repeated_as_a_whole_and_counted_on_is_two_volumes(dicom, tmp_path):
    data = dicom.slices(volume(4), affine())
    again = dicom.slices(volume(4, seed=1), affine(), 50)
    for one in again:
        one.InstanceNumber += 4
    dicom.folder(tmp_path, data + again)
    assert len(dicom.read(tmp_path)) == 2


def test_a_tilted_gantry_shears_the_volume(dicom, tmp_path):
    tilted = affine()
    tilted[:3, 0] = [0, 0.7, 2.5]
    dicom.folder(tmp_path, dicom.slices(volume(5), tilted))
    _, scan = dicom.one(tmp_path)
    assert np.allclose(scan.affine, tilted)


def test_files_without_a_series_belong_to_their_folder(dicom, tmp_path):
    for name in ("a/", "b/"):
        dicom.folder(tmp_path, dicom.slices(volume(3), affine(), SeriesInstanceUID=None), name)
    assert [len(scan.frames) for scan in dicom.read(tmp_path)] == [3, 3]


def test_one_uid_for_two_patients_is_two_series(dicom, tmp_path):
    for patient in ("p", "q"):
        dicom.folder(tmp_path, dicom.slices(volume(3), affine(), PatientID=patient), patient)
    assert sorted(a.patient for a in dicom.listed(tmp_path).acquisitions) == ["p", "q"]


GAPPED = [0, 1, 2, 5, 6, 8]


@pytest.mark.parametrize("settings", [{}, {"gaps": "split"}, {"gaps": "refuse"}], ids=str)
def test_gaps_are_told_and_treated_as_asked(dicom, tmp_path, settings):
    data = dicom.slices(volume(9), affine())
    dicom.folder(tmp_path, [data[k] for k in GAPPED])
    found = dicom.listed(tmp_path, **settings)
    (told,) = found.left_out
    assert "2 missing between 35 and 42.5 mm; 1 missing between 45 and 50 mm" in told.reason
    assert told.fault == (settings.get("gaps") == "refuse")
    scans = dicom.read(tmp_path, **settings)
    wanted = {"split": [[0, 1, 2], [5, 6], [8]], "refuse": []}.get(settings.get("gaps", ""), [GAPPED])
    assert sorted(s.frames.tobytes() for s in scans) == sorted(volume(9)[part].tobytes() for part in wanted)
    if wanted and settings:
        assert all(np.isclose(scan.affine[2, 0], 2.5) for scan in scans if len(scan.frames) > 1)


@given(kept=st.sets(st.integers(0, 11), min_size=1), seed=st.integers(0, 9))
@settings(max_examples=25)
def test_parts_are_even_and_lose_nothing(dicom, kept, seed):
    values = volume(12, seed=seed)
    data = dicom.slices(values, affine(), first=seed + 1)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        dicom.folder(root, [data[k] for k in kept])
        (whole,), parts = dicom.read(root), dicom.read(root, gaps="split")
        told = dicom.listed(root).left_out
        refused = dicom.listed(root, gaps="refuse").acquisitions
    assert np.array_equal(whole.frames, values[sorted(kept)])
    parts = sorted(parts, key=lambda scan: scan.affine[2, 3])
    assert np.array_equal(np.concatenate([scan.frames for scan in parts]), whole.frames)
    assert (len(parts) > 1) == bool(told) == (not refused)
    places = iter(sorted(kept))
    for scan in parts:
        mine = np.array([next(places) for _ in scan.frames])
        steps = np.diff(mine)
        if len({*steps}) > 1:  # such as 4 and 5
            assert steps.max() <= (1 + EVEN) * steps.min()
            mine = np.linspace(mine[0], mine[-1], len(mine))
        assert np.allclose(scan.affine[2, 3] + scan.affine[2, 0] * np.arange(len(mine)), 30 + 2.5 * mine)


def test_a_gap_after_the_first_slice(dicom, tmp_path):
    data = dicom.slices(volume(6), affine())
    dicom.folder(tmp_path, [data[k] for k in (0, 3, 4, 5)])
    assert sorted(len(scan.frames) for scan in dicom.read(tmp_path, gaps="split")) == [1, 3]


def test_rounded_positions_are_no_gaps(dicom, tmp_path):
    data = dicom.slices(volume(9), affine(spacing=(0.625, 0.5, 0.5)))
    for one in data:
        one.ImagePositionPatient = [round(float(v), 1) for v in one.ImagePositionPatient]
    dicom.folder(tmp_path, data)
    assert len(dicom.read(tmp_path, gaps="refuse")) == 1
    assert not dicom.listed(tmp_path).left_out


def test_localizers_and_captures_are_left_out_unless_asked_for(dicom, tmp_path):
    capture = "1.2.840.10008.5.1.4.1.1.7"
    dicom.folder(
        tmp_path, dicom.slices(volume(1), affine(), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"
    )
    dicom.folder(tmp_path, [dicom.image(volume(1)[0], SOPClassUID=capture, SeriesInstanceUID="1.7")], "capture")
    mask = dicom.slices(volume(3), affine(), SOPClassUID=capture, SeriesInstanceUID="1.8")
    dicom.folder(tmp_path, mask, "mask")
    found = dicom.listed(tmp_path)
    assert len(found.acquisitions) == 1  # a mask that is placed in the patient is an image
    assert [one.reason.split(" (")[0] for one in found.left_out] == ["a secondary capture", "a localizer."]
    assert not any(one.fault for one in found.left_out)
    assert len(dicom.listed(tmp_path, localizers=True, captures=True).acquisitions) == 3


def test_only_named_fields_leave_the_header(dicom, tmp_path):
    secret = dict.fromkeys(("PatientName", "SeriesDescription", "InstitutionName", "PatientComments"), "Secret")
    dicom.folder(tmp_path, dicom.slices(volume(3), affine(), PatientID="P-17", **secret))
    found = dicom.listed(tmp_path)
    assert "Secret" not in repr(found)
    (acquisition,) = found.acquisitions
    assert (acquisition.patient, acquisition.study, acquisition.series) == ("P-17", "1.2.3", "1.2.3.9")
    assert "P-17" not in acquisition.name
    assert Dicom().read(tmp_path, acquisition).frames.shape == (3, 4, 6)


def plane(number: int, place: int, shift: int, marks: tuple[int, ...], name: str) -> Plane:
    file = File(name, 100, 1, f"1.2.{number}", number % 5, "p", "s", "t", "mri")
    position = (float(shift), 0.0, 2.0 * place)
    known = (*(float(m) for m in marks), *(None,) * (len(MARKS) - len(marks)))
    return Plane(file, 0, position, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (1.0, 1.0), 2.0, ("MR",), known)


some_planes = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0, 0, 40]), st.tuples(*[st.integers(0, 2)] * 3)),
    min_size=1,
    max_size=14,
)


@given(made=some_planes, data=st.data())
@settings(max_examples=150)
def test_no_place_is_taken_twice_and_no_frame_is_lost(made, data):
    planes = [plane(n, *one, name=f"{n}.dcm") for n, one in enumerate(made)]
    named = data.draw(st.permutations(range(len(made))))
    again = [plane(n, *made[n], name=f"{k}.dcm") for k, n in enumerate(named)]
    found = [unique(stack) for stack in stacks_of(planes)]
    kept, doubled = [[p for stack in part for p in stack] for part in zip(*found, strict=True)]
    assert sorted(p.file.uid for p in (*kept, *doubled)) == sorted(p.file.uid for p in planes)
    for stack, _ in found:
        places = [p.position[2] for p in stack]
        assert places == sorted(set(places))
    # what is left out is told apart by nothing, and stands for a frame that is kept
    twins = {(p.position, p.marks) for p in kept}
    assert all((p.position, p.marks) in twins for p in doubled)
    names = [[p.file.uid for p in stack] for stack, _ in found]
    assert names == [[p.file.uid for p in unique(stack)[0]] for stack in stacks_of(again)]
