"""MetaImage and NRRD volumes are what SimpleITK says; headers and raw data belong together."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.interfaces.reader import Acquisition
from gmssl.parts.readers.itk import Itk

ENDINGS = [".mhd", ".mha", ".nrrd", ".nhdr"]
TYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


def write(path, values, colour=False, compressed=False, affine=None):
    """Without ITK's reader in between, the affine is what the image was given."""
    image = SimpleITK.GetImageFromArray(values, isVector=colour)
    if affine is not None:
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(affine[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path), compressed)


@given(
    st.sampled_from(ENDINGS),
    st.sampled_from(TYPES),
    st.booleans(),
    st.tuples(*[st.integers(1, 5)] * 3),
    st.integers(0, 2**32 - 1),
)
def test_values_and_places(tmp_path_factory, read_all, ending, type_, compressed, shape, seed):
    root = tmp_path_factory.mktemp("volume")
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 100, shape).astype(type_)
    affine = np.eye(4)
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))  # of either handedness
    affine[:3, :3] = turn * generator.uniform(0.1, 10, 3)
    affine[:3, 3] = generator.uniform(-300, 300, 3)
    write(root / f"x{ending}", values, compressed=compressed, affine=affine)
    listing, scans = read_all(Itk(), root)
    assert listing.acquisitions[0].frames == shape[0]
    assert sorted(listing.acquisitions[0].files) == sorted(p.name for p in root.iterdir())
    scan = scans[f"x{ending}"]
    assert scan.frames.dtype == type_
    np.testing.assert_array_equal(scan.frames, values)
    np.testing.assert_allclose(scan.affine, affine[:, [2, 1, 0, 3]], atol=1e-6)
    assert (scan.unit, scan.valid, scan.window) == (None, None, None)


@pytest.mark.parametrize("ending", ENDINGS)
def test_colour(tmp_path, read_all, ending):
    values = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    write(tmp_path / f"x{ending}", values, colour=True)
    _, scans = read_all(Itk(), tmp_path)
    np.testing.assert_array_equal(scans[f"x{ending}"].frames, values)


@pytest.mark.parametrize("ending", ENDINGS)
def test_flat_images_are_volumes_of_one(tmp_path, read_all, ending):
    write(tmp_path / f"x{ending}", VALUES[0])
    _, scans = read_all(Itk(), tmp_path)
    np.testing.assert_array_equal(scans[f"x{ending}"].frames, VALUES[:1])
    np.testing.assert_array_equal(scans[f"x{ending}"].affine, np.eye(4)[:, [2, 1, 0, 3]])


@pytest.mark.parametrize("ending", ENDINGS)
def test_four_dimensions_are_acquisitions(tmp_path, read_all, ending):
    values = np.stack([VALUES + 100 * t for t in range(11)])
    write(tmp_path / f"x{ending}", values)
    listing, scans = read_all(Itk(), tmp_path)
    assert [a.name for a in listing.acquisitions] == [f"x{ending}#{t:02d}" for t in range(11)]
    for scan, volume in zip(scans.values(), values, strict=True):
        np.testing.assert_array_equal(scan.frames, volume)
        assert scan.affine is not None


@pytest.mark.parametrize(
    ("values", "colour", "reason"),
    [
        (np.zeros((3, 4, 5, 6), np.uint8), True, "each voxel holds 6 values"),
        (np.zeros((3, 4, 5, 3), np.float32), True, "each voxel holds 3 values"),
        (np.zeros((3, 4, 5, 2), np.uint8), True, "each voxel holds 2 values"),
    ],
)
def test_vectors_are_no_images(tmp_path, values, colour, reason):
    for ending in ENDINGS:
        write(tmp_path / f"x{ending}", values, colour)
        (left,) = Itk().listing(tmp_path, [f"x{ending}"]).left_out
        assert reason in left.reason


@pytest.mark.parametrize(
    ("ending", "before", "after"),
    [(".mha", b"ElementSpacing = 1 1 1", b"ElementSpacing = 0 1 1"), (".nrrd", b"(1,0,0) (0,", b"(0,0,0) (0,")],
)
def test_a_spacing_of_zero_is_named(tmp_path, ending, before, after):
    """ITK reads the header, and refuses the values."""
    write(tmp_path / f"x{ending}", VALUES)
    content = (tmp_path / f"x{ending}").read_bytes()
    assert before in content
    (tmp_path / f"x{ending}").write_bytes(content.replace(before, after))
    listing = Itk().listing(tmp_path, [f"x{ending}"])
    assert not listing.acquisitions
    assert [left.fault for left in listing.left_out] == [True]
    assert "a spacing of (0.0, 1.0, 1.0)" in listing.left_out[0].reason


def test_missing_values_are_named(tmp_path, read_all):
    for name in ("a.mhd", "b.nhdr"):
        write(tmp_path / name, VALUES)
    listing = Itk().listing(tmp_path, ["a.mhd", "a.raw", "b.nhdr", "b.raw"])
    assert [a.files for a in listing.acquisitions] == [("a.mhd", "a.raw"), ("b.nhdr", "b.raw")]
    for name in ("a.raw", "b.raw"):
        (tmp_path / name).unlink()
    listing, _ = read_all(Itk(), tmp_path)
    assert [(left.name, left.reason) for left in listing.left_out] == [
        ("a.mhd", "its values are missing: there is no a.raw"),
        ("b.nhdr", "its values are missing: there is no b.raw"),
    ]
    with pytest.raises(DataError, match=r"a\.mhd cannot be read: its values are missing: there is no a\.raw\."):
        Itk().read(tmp_path, Acquisition("a.mhd", ("a.mhd", "a.raw")))


def test_values_in_slices(tmp_path, read_all):
    """A pattern or a list of files, one a slice."""
    header = "ObjectType = Image\nNDims = 3\nBinaryData = True\nElementSpacing = 1 1 1\nDimSize = 5 4 3\n"
    header += "ElementType = MET_SHORT\nElementDataFile = "
    (tmp_path / "raw").mkdir()
    for number, plane in enumerate(VALUES):
        (tmp_path / f"raw/s{number + 1:03d}.raw").write_bytes(plane.tobytes())
    (tmp_path / "list.mhd").write_text(header + "LIST\nraw/s001.raw\nraw/s002.raw\nraw/s003.raw\n")
    (tmp_path / "pattern.mhd").write_text(header + "raw/s%03d.raw 1 3 1\n")
    listing, scans = read_all(Itk(), tmp_path)
    files = ("raw/s001.raw", "raw/s002.raw", "raw/s003.raw")
    assert [a.files for a in listing.acquisitions] == [("list.mhd", *files), ("pattern.mhd", *files)]
    for scan in scans.values():
        np.testing.assert_array_equal(scan.frames, VALUES)


@pytest.mark.parametrize("place", ["/etc/passwd", "../secret.raw", "a/../../secret.raw", "C:/x.raw", "..\\secret.raw"])
@pytest.mark.parametrize("ending", [".mhd", ".nhdr"])
def test_no_header_reaches_out_of_its_source(tmp_path, place, ending):
    root = tmp_path / "source"
    root.mkdir()
    (tmp_path / "secret.raw").write_bytes(VALUES.tobytes())
    write(root / f"x{ending}", VALUES)
    text = (root / f"x{ending}").read_text()
    (root / f"x{ending}").write_text(text.replace("x.raw", place))
    (left,) = Itk().listing(root, [f"x{ending}"]).left_out
    assert "outside of the source" in left.reason


def test_other_names_are_left_out(tmp_path, read_all):
    write(tmp_path / "x.mha", VALUES)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "y.raw").write_bytes(b"1234")
    listing = Itk().listing(tmp_path, ["notes.txt", "x.mha", "y.raw"])
    assert [left.name for left in listing.left_out] == ["notes.txt", "y.raw"]
    assert [a.name for a in listing.acquisitions] == ["x.mha"]


def test_unit_is_what_the_recipe_says(tmp_path):
    write(tmp_path / "x.mha", VALUES)
    assert Itk(unit="HU").read(tmp_path, Acquisition("x.mha", ("x.mha",))).unit == "HU"


def test_not_finite(tmp_path):
    values = VALUES.astype(np.float32)
    values[0, 1, 2] = np.nan
    write(tmp_path / "x.mha", values)
    scan = Itk().read(tmp_path, Acquisition("x.mha", ("x.mha",)))
    np.testing.assert_array_equal(scan.valid, np.isfinite(values))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kept", [0, 5, 100, 0.5, -20])  # the last 8 bytes of gzip are a checksum
def test_truncated_files(tmp_path, read_all, ending, compressed, kept):
    write(
        tmp_path / f"x{ending}", np.random.default_rng(0).integers(0, 99, (9, 9, 9)).astype(np.int16), False, compressed
    )
    beside = [p for p in tmp_path.iterdir() if p.suffix != ending]
    path = beside[0] if beside else tmp_path / f"x{ending}"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    listing, scans = read_all(Itk(), tmp_path)
    assert all(isinstance(scan, str) for scan in scans.values())
    assert scans or listing.left_out


@pytest.mark.parametrize("ending", [".mhd", ".mha"])
@pytest.mark.parametrize("kept", [0.3, 0.8, -20])
def test_truncated_series_end(tmp_path, read_all, ending, kept):
    """ITK itself waits for the missing bytes for ever."""
    write(tmp_path / f"x{ending}", np.random.default_rng(0).integers(0, 99, (4, 9, 9, 9)).astype(np.int16), False, True)
    path = tmp_path / ("x.zraw" if ending == ".mhd" else f"x{ending}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    _, scans = read_all(Itk(), tmp_path)
    assert len(scans) == 4
    assert all("cut off" in scan or "Error -" in scan for scan in scans.values())


@pytest.mark.parametrize("binary", ["BinaryData = False\n", "BinaryData = \x8erue\n", ""])
def test_values_as_text_are_refused(tmp_path, read_all, binary):
    """ITK itself writes past the end of its memory where values are no text."""
    write(tmp_path / "x.mha", VALUES)
    content = (tmp_path / "x.mha").read_bytes().replace(b"BinaryData = True\n", binary.encode("latin-1"), 1)
    (tmp_path / "x.mha").write_bytes(content)
    (left,) = read_all(Itk(), tmp_path)[0].left_out
    assert "its values are text" in left.reason


def test_large_compressed_values(tmp_path, read_all):
    values = np.random.default_rng(0).integers(0, 4, (20, 200, 200)).astype(np.int16)
    values[5:15] = 0
    write(tmp_path / "x.mha", values, False, True)
    write(tmp_path / "y.mhd", values, False, True)
    for scan in read_all(Itk(), tmp_path)[1].values():
        np.testing.assert_array_equal(scan.frames, values)


def encoded(ending):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / f"x{ending}", VALUES)
        return (Path(folder) / f"x{ending}").read_bytes()


CONTENT = {ending: encoded(ending) for ending in (".mha", ".nrrd")}


@given(
    st.sampled_from(sorted(CONTENT)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6)
)
def test_damaged_headers_give_a_scan_or_a_reason(tmp_path_factory, read_all, ending, changes):
    damaged = bytearray(CONTENT[ending])
    for place, value in changes:
        damaged[int(place * (len(damaged) - 121))] = value
    root = tmp_path_factory.mktemp("damaged")
    (root / f"x{ending}").write_bytes(damaged)
    listing, scans = read_all(Itk(), root)
    assert scans or listing.left_out


def test_a_gzip_of_less_than_its_header_says(tmp_path, read_all):
    write(tmp_path / "x.nhdr", VALUES, compressed=True)
    (tmp_path / "x.raw.gz").write_bytes(gzip.compress(b"1234"))
    _, scans = read_all(Itk(), tmp_path)
    assert "damaged or cut off" in scans["x.nhdr"]


def test_without_simpleitk(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "SimpleITK", None)
    with pytest.raises(DataError, match=r'SimpleITK.*pip install "gmssl\[med\]"'):
        Itk().listing(tmp_path, [])
