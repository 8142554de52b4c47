"""Volumes are what nibabel and SimpleITK say, voxel for voxel and place for place."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.interfaces.reader import Acquisition
from gmssl.parts.readers.nifti import Nifti

SAMPLES = Path(nibabel.__file__).parent / "tests" / "data"
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def places(affine: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """mm of voxels `[N,3]`."""
    return voxels @ affine[:3, :3].T + affine[:3, 3]


@pytest.mark.filterwarnings("ignore:Invalid spacing", "ignore::ResourceWarning")  # of nibabel, called by the test
@pytest.mark.parametrize("name", sorted(p.name for p in SAMPLES.iterdir() if p.is_file()))
def test_nibabel_s_files_are_equal_or_refused(read_all, name):
    listing, scans = read_all(Nifti(), SAMPLES, [name])
    try:
        image = nibabel.load(SAMPLES / name)
        values = np.asarray(image.dataobj)
        assert isinstance(image, nibabel.spatialimages.SpatialImage)
        assert not isinstance(image, nibabel.ecat.EcatImage)
    except Exception:
        if not name.endswith((".BRIK.gz", ".BRIK", ".REC")):  # they are read by their header
            assert not listing.acquisitions
            assert len(listing.left_out) == 1
        return
    minc = isinstance(image, nibabel.Minc1Image)
    series = values if minc and values.ndim == 4 else np.moveaxis(values, 3, 0) if values.ndim == 4 else values[None]
    assert len(scans) == len(series)
    for volume, scan, acquisition in zip(series, scans.values(), listing.acquisitions, strict=True):
        np.testing.assert_allclose(scan.frames, volume if minc else volume.T, rtol=1e-6, atol=1e-30)
        assert acquisition.frames == len(scan.frames)
        corners = np.array(np.meshgrid(*[[0, n - 1] for n in scan.frames.shape])).reshape(3, -1).T
        theirs = places(image.affine, corners if minc else corners[:, ::-1]) * [-1, -1, 1]
        np.testing.assert_allclose(places(scan.affine, corners), theirs, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("folder", ["volumes", "brain_progression"])
def test_real_volumes_are_those_of_itk(archives, folder):
    names = sorted(p.name for p in (archives / folder).glob("*.nii.gz"))[:7]
    reader = Nifti()
    for acquisition in reader.listing(archives / folder, names).acquisitions:
        scan = reader.read(archives / folder, acquisition)
        image = SimpleITK.ReadImage(str(archives / folder / acquisition.name))
        np.testing.assert_allclose(scan.frames, SimpleITK.GetArrayFromImage(image), rtol=1e-6)
        corners = np.array(np.meshgrid(*[[0, n - 1] for n in scan.frames.shape])).reshape(3, -1).T
        theirs = [image.TransformIndexToPhysicalPoint([int(n) for n in corner[::-1]]) for corner in corners]
        np.testing.assert_allclose(places(scan.affine, corners), theirs, atol=1e-3)


TYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    """Turned by any angle, mirrored or not, sheared a little, with spacings from 0.1 to 10 mm."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))  # of either handedness
    affine = np.eye(4)
    shear = np.eye(3) + np.triu(generator.uniform(-0.2, 0.2, (3, 3)), 1) * draw(st.booleans())
    affine[:3, :3] = turn @ shear @ np.diag(generator.uniform(0.1, 10, 3))
    affine[:3, 3] = generator.uniform(-300, 300, 3)
    return affine


@given(
    affine=affines(),
    type_=st.sampled_from(TYPES),
    order=st.sampled_from("<>"),
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    slope=st.sampled_from([1.0, 0.5, 2.0, -1.0, 0.1, 1e-6, 300.0]),
    intercept=st.sampled_from([0.0, -1024.0, 0.25, 1e5]),
    ending=st.sampled_from([".nii", ".nii.gz", ".hdr"]),
    kind=st.sampled_from([nibabel.Nifti1Image, nibabel.Nifti2Image]),
)
def test_every_header_is_taken_at_its_word(
    tmp_path_factory, affine, type_, order, shape, slope, intercept, ending, kind
):
    root = tmp_path_factory.mktemp("volume")
    generator = np.random.default_rng(0)
    raw = generator.integers(0, 100, shape).astype(type_)
    pair = {nibabel.Nifti1Image: nibabel.Nifti1Pair, nibabel.Nifti2Image: nibabel.Nifti2Pair}
    image = (pair[kind] if ending == ".hdr" else kind)(raw, affine, kind.header_class(endianness=order))
    image.header.set_data_dtype(raw.dtype.newbyteorder(order))
    image.header.set_slope_inter(slope, intercept)
    stored = np.float32(slope).astype(float), np.float32(intercept).astype(float)
    path = root / f"x{ending}"
    image.to_filename(path)  # scales the values, so they are written over by those that the header speaks of
    written = path.with_suffix(".img") if ending == ".hdr" else path
    opened = nibabel.load(path)
    assert (opened.dataobj.slope, opened.dataobj.inter) == pytest.approx(
        stored if kind is nibabel.Nifti1Image else (slope, intercept)
    )
    raw = np.asarray(nibabel.arrayproxy.ArrayProxy(str(written), (shape, opened.dataobj.dtype, opened.dataobj.offset)))
    scan = Nifti().read(root, Acquisition(path.name, (path.name,)))
    expected = raw.astype(np.longdouble) * opened.dataobj.slope + opened.dataobj.inter
    np.testing.assert_allclose(scan.frames.astype(np.longdouble), expected.T, rtol=2e-7, atol=1e-30)
    assert scan.frames.dtype.isnative
    assert scan.frames.dtype.itemsize <= max(raw.dtype.itemsize, 4) or raw.dtype.itemsize == 4
    if slope == 1 and intercept == 0:
        assert scan.frames.dtype == raw.dtype.newbyteorder("=")
    voxels = generator.integers(0, 5, (4, 3))
    theirs = places(TO_LPS @ affine, voxels[:, ::-1])
    np.testing.assert_allclose(places(scan.affine, voxels), theirs, atol=1e-2, rtol=1e-5)  # float32 in the file


def saved(root: Path, image: object, name: str = "x.nii") -> Acquisition:
    image.to_filename(root / name)
    (acquisition,) = Nifti().listing(root, [name]).acquisitions
    return acquisition


def test_ct_without_fractions_stays_whole(tmp_path):
    raw = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(raw, np.eye(4))
    image.to_filename(tmp_path / "x.nii")
    content = bytearray((tmp_path / "x.nii").read_bytes())
    content[112:120] = np.array([1, -1024], "<f4").tobytes()
    (tmp_path / "x.nii").write_bytes(content)
    scan = Nifti(unit="HU").read(tmp_path, Acquisition("x.nii", ("x.nii",)))
    assert scan.frames.dtype == np.int16
    assert scan.unit == "HU"
    np.testing.assert_array_equal(scan.frames, raw.T.astype(int) - 1024)


def test_four_dimensions_are_acquisitions_in_order(tmp_path, read_all):
    values = np.arange(2 * 3 * 4 * 12, dtype=np.int16).reshape(2, 3, 4, 12)
    for name in ("x.nii", "y.nii.gz"):
        nibabel.Nifti1Image(values, np.eye(4)).to_filename(tmp_path / name)
    listing, scans = read_all(Nifti(), tmp_path)
    assert [a.name for a in listing.acquisitions][:12] == [f"x.nii#{t:02d}" for t in range(12)]
    assert {a.frames for a in listing.acquisitions} == {4}
    for t in range(12):
        np.testing.assert_array_equal(scans[f"x.nii#{t:02d}"].frames, values[..., t].T)
        np.testing.assert_array_equal(scans[f"y.nii.gz#{t:02d}"].frames, values[..., t].T)
    with pytest.raises(DataError, match=r"x\.nii cannot be read: it has 12 volumes; there is no number 40"):
        Nifti().read(tmp_path, Acquisition("x.nii#40", ("x.nii",)))


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (3, 4, 1, 1)])
def test_a_slice_is_a_volume_of_one(tmp_path, shape):
    values = np.arange(12, dtype=np.int16).reshape(shape)
    scan = Nifti().read(tmp_path, saved(tmp_path, nibabel.Nifti1Image(values, np.diag([2.0, 3.0, 4.0, 1.0]))))
    np.testing.assert_array_equal(scan.frames, values.reshape(3, 4).T[None])
    assert scan.affine is not None


@pytest.mark.parametrize("alpha", [False, True])
def test_colour(tmp_path, alpha):
    colours = ["R", "G", "B", *("A" * alpha)]
    values = np.zeros((2, 3, 4), dtype=[(colour, "u1") for colour in colours])
    for number, colour in enumerate(colours):
        values[colour] = np.arange(24).reshape(2, 3, 4) + 50 * number
    scan = Nifti().read(tmp_path, saved(tmp_path, nibabel.Nifti1Image(values, np.eye(4))))
    assert scan.frames.shape == (4, 3, 2, 3)
    np.testing.assert_array_equal(scan.frames[3, 2, 1], [23, 73, 123])


def test_values_that_are_not_finite(tmp_path):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    values[1, 2, 3], values[0, 0, 0] = np.nan, np.inf
    acquisition = saved(tmp_path, nibabel.Nifti1Image(values, np.eye(4)))
    scan = Nifti().read(tmp_path, acquisition)
    np.testing.assert_array_equal(scan.valid, np.isfinite(values.T))
    saved(tmp_path, nibabel.Nifti1Image(np.full_like(values, np.nan), np.eye(4)))
    with pytest.raises(DataError, match=r"x\.nii cannot be read: none of its values is finite\.$"):
        Nifti().read(tmp_path, acquisition)


def test_windows_of_the_header(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4))
    assert Nifti().read(tmp_path, saved(tmp_path, image)).window is None
    image.header["cal_min"], image.header["cal_max"] = -100, 300
    assert Nifti().read(tmp_path, saved(tmp_path, image)).window == (-100, 300)


def test_without_a_place_the_spacing_counts(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((5, 4, 3), np.int16), None)
    image.header.set_zooms((2, 3, 4))
    scan = Nifti().read(tmp_path, saved(tmp_path, image))
    np.testing.assert_allclose(np.abs(scan.affine[:3, :3]), [[0, 0, 2], [0, 3, 0], [4, 0, 0]])
    np.testing.assert_allclose(scan.affine @ [1, 1.5, 2, 1], [0, 0, 0, 1])
    content = bytearray((tmp_path / "x.nii").read_bytes())
    content[252:256] = np.array([0, 1], "<i2").tobytes()  # sform alone, and flat
    content[280:328] = bytes(48)
    (tmp_path / "x.nii").write_bytes(content)
    assert Nifti().read(tmp_path, Acquisition("x.nii", ("x.nii",))).affine is None


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "hdr", "img"])
@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("qform", [0, 1])
@pytest.mark.parametrize("length", [1, 3])
def test_a_spacing_of_zero_says_no_place(tmp_path, ending, axis, qform, length):
    """nibabel takes it for 1 mm. One slice alone has no neighbours that it could be far from."""
    type_ = nibabel.Nifti1Image if ending.startswith("nii") else nibabel.Nifti1Pair
    image = type_(np.zeros((5, 4, length), np.int16), None)
    image.set_qform(np.diag([2, 3, 4, 1.0]), qform)
    image.set_sform(None, 0)
    image.to_filename(tmp_path / f"x.{ending}")
    place = tmp_path / ("x.hdr" if ending in ("hdr", "img") else f"x.{ending}")
    zipped = ending == "nii.gz"
    content = bytearray(gzip.decompress(place.read_bytes()) if zipped else place.read_bytes())
    content[76 + 4 * axis : 80 + 4 * axis] = bytes(4)
    place.write_bytes(gzip.compress(content) if zipped else content)
    affine = Nifti().read(tmp_path, Acquisition(f"x.{ending}", (f"x.{ending}",))).affine
    assert (affine is None) == (axis < 3 or length > 1)
    # It is told, as of a DICOM series, and is no fault; of several files for one volume, once.
    told = Nifti().listing(tmp_path, sorted(path.name for path in tmp_path.iterdir())).left_out
    assert [(left.name, left.fault) for left in told] == ([(place.name, False)] if affine is None else [])
    assert all("size of 0" in left.reason and "without positions" in left.reason for left in told)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((2, 2, 2, 2, 2), np.int16), r"5 dimensions \(2, 2, 2, 2, 2\)"),
        (np.zeros((2, 2, 2, 1, 3), np.float32), "5 dimensions"),
        (np.zeros((2, 2, 2), np.complex64), "complex"),
        (np.zeros(4, np.int16), "1 dimensions"),
    ],
)
def test_what_is_no_volume_is_left_out(tmp_path, read_all, values, reason):
    nibabel.Nifti1Image(values, np.eye(4)).to_filename(tmp_path / "x.nii")
    listing, _ = read_all(Nifti(), tmp_path)
    assert not listing.acquisitions
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(listing.left_out[0].reason)


def test_pairs_are_one_acquisition(tmp_path, read_all):
    for name, kind in (("a/nifti.img", nibabel.Nifti1Pair), ("b/analyze.img", nibabel.AnalyzeImage)):
        (tmp_path / name).parent.mkdir()
        kind(np.ones((2, 3, 4), np.int16), np.eye(4)).to_filename(tmp_path / name)
    listing, scans = read_all(Nifti(), tmp_path)
    assert [a.files for a in listing.acquisitions] == [
        ("a/nifti.hdr", "a/nifti.img"),
        ("b/analyze.hdr", "b/analyze.img"),
    ]
    assert all(scan.frames.sum() == 24 for scan in scans.values())
    only = Nifti().listing(tmp_path, ["a/nifti.img"])  # a source may include these alone
    assert only.acquisitions[0].files == ("a/nifti.hdr", "a/nifti.img")
    (tmp_path / "a/nifti.hdr").unlink()
    (tmp_path / "b/analyze.img").unlink()
    left = Nifti().listing(tmp_path, ["a/nifti.img", "b/analyze.hdr"]).left_out
    assert "nifti.hdr is missing" in left[0].reason
    assert "no analyze.img" in left[1].reason


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".hdr"])
@pytest.mark.parametrize("kept", [0, 10, 300, 360, 400, 0.5, -1])
def test_truncated_files(tmp_path, read_all, ending, kept):
    kind = nibabel.Nifti1Pair if ending == ".hdr" else nibabel.Nifti1Image
    kind(np.random.default_rng(0).integers(0, 99, (20, 20, 20)).astype(np.int16), np.eye(4)).to_filename(
        tmp_path / f"x{ending}"
    )
    path = tmp_path / ("x.img" if ending == ".hdr" else f"x{ending}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    listing, scans = read_all(Nifti(), tmp_path)
    assert not any(not isinstance(scan, str) for scan in scans.values())
    assert scans or listing.left_out


@pytest.mark.parametrize("shape", [(1, 1, 1, 2**40), (2**20, 2**20, 2**20), (2**62, 4, 1)])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_header_does_not_take_memory_or_time(tmp_path, read_all, shape, ending):
    image = nibabel.Nifti2Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    content = bytearray(image.to_bytes())
    content[16 : 16 + 8 * (1 + len(shape))] = np.array([len(shape), *shape], "<i8").tobytes()
    (tmp_path / f"x{ending}").write_bytes(gzip.compress(content) if ending == ".nii.gz" else content)
    (left,) = read_all(Nifti(), tmp_path)[0].left_out
    assert "truncated" in left.reason


def test_too_many_volumes(tmp_path, read_all):
    nibabel.Nifti2Image(np.zeros((1, 1, 1, 100_001), np.uint8), np.eye(4)).to_filename(tmp_path / "x.nii")
    (left,) = read_all(Nifti(), tmp_path)[0].left_out
    assert "100001 volumes, above the limit" in left.reason


CONTENT = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.diag([1.0, 2, 3, 1])).to_bytes()


@given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=8), st.booleans())
def test_damaged_headers_give_a_scan_or_a_reason(tmp_path_factory, read_all, changes, compressed):
    damaged = bytearray(CONTENT)
    for place, value in changes:
        damaged[place] = value
    root = tmp_path_factory.mktemp("damaged")
    name = "x.nii.gz" if compressed else "x.nii"
    (root / name).write_bytes(gzip.compress(damaged) if compressed else damaged)
    listing, scans = read_all(Nifti(), root)
    for scan in scans.values():
        if not isinstance(scan, str):
            assert scan.affine is None or np.isfinite(scan.affine).all()
            assert scan.frames.ndim in (3, 4)
    assert scans or listing.left_out


def test_without_nibabel(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(DataError, match=r'nibabel.*pip install "gmssl\[med\]"'):
        Nifti().listing(tmp_path, [])
