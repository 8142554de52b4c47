"""Images of one array, read one by one."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.interfaces.reader import Acquisition
from gmssl.parts.readers import hdf5
from gmssl.parts.readers.hdf5 import Hdf5

VALUES = np.random.default_rng(0).integers(0, 256, (23, 8, 6, 3), dtype=np.uint8)


def write(path, **arrays):
    with h5py.File(path, "w") as file:
        for key, values in arrays.items():
            file.create_dataset(key.replace("__", "/"), data=values)
    return path


@pytest.mark.parametrize("shape", [(23, 8, 6, 3), (23, 8, 6, 1), (23, 8, 6)])
@pytest.mark.parametrize("chunks", [None, (1,), (5,), (23,)])
@pytest.mark.parametrize("type_", ["u1", ">u2", "f4"])
def test_images_in_any_order(tmp_path, shape, chunks, type_, monkeypatch):
    values = VALUES[..., : shape[3] if len(shape) == 4 else 1].reshape(shape).astype(type_)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=None if chunks is None else chunks + shape[1:])
    (acquisition,) = Hdf5().listing(tmp_path, ["x.h5"]).acquisitions
    assert acquisition == Acquisition("x.h5", ("x.h5",), frames=23)
    expected = values[..., 0] if shape[-1] == 1 else values
    for kept in (2**28, 1, 300):
        monkeypatch.setattr(hdf5, "_KEPT", kept)
        frames = Hdf5().read(tmp_path, acquisition).frames
        assert len(frames) == 23
        for index in (22, 0, 7, 6, 7, -1):
            np.testing.assert_array_equal(frames[index], expected[index])
        np.testing.assert_array_equal(np.stack(list(frames)), expected)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(frames))[3], expected[3])
        for index in (23, -24):
            with pytest.raises(IndexError):
                frames[index]


def test_compressed_images_are_decoded_once(tmp_path, monkeypatch):
    """PatchCamelyon compresses a thousand images together."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=VALUES, chunks=(10, 8, 6, 3), compression="gzip")
    reads = []
    original = h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, at: (reads.append(at), original(self, at))[1])
    frames = Hdf5().read(tmp_path, Acquisition("x.h5", ("x.h5",))).frames
    np.testing.assert_array_equal(np.stack(list(frames)), VALUES)
    assert len(reads) == 3


def test_a_frame_is_the_caller_s_own(tmp_path):
    write(tmp_path / "x.h5", x=VALUES)
    frames = Hdf5().read(tmp_path, Acquisition("x.h5", ("x.h5",))).frames
    frames[0][:] = 0
    np.testing.assert_array_equal(frames[0], VALUES[0])


def test_keys(tmp_path, read_all):
    write(tmp_path / "x.h5", a=VALUES, group__images=VALUES[:4])
    (left,) = Hdf5().listing(tmp_path, ["x.h5"]).left_out
    assert left.reason == "there is no array 'x' in it; there are a, group/images; set the reader's key"
    with pytest.raises(
        DataError, match=r"x\.h5 cannot be read: there is no array 'group' in it; there are a, group/images"
    ):
        Hdf5(key="group").read(tmp_path, Acquisition("x.h5", ("x.h5",)))
    _, scans = read_all(Hdf5(key="group/images"), tmp_path)
    np.testing.assert_array_equal(np.stack(list(scans["x.h5"].frames)), VALUES[:4])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((4, 5)), r"is \(4, 5\) and not images"),
        (np.zeros((2, 3, 4, 5)), r"is \(2, 3, 4, 5\) and not images"),
        (np.zeros((0, 4, 5)), r"is \(0, 4, 5\) and not images"),
        (np.zeros((2, 4, 5), complex), "complex128 and not of numbers"),
        (np.float64(3), r"is \(\) and not images"),
    ],
)
def test_what_is_no_array_of_images(tmp_path, read_all, values, reason):
    write(tmp_path / "x.h5", x=values)
    (left,) = read_all(Hdf5(), tmp_path)[0].left_out
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(left.reason)


def test_huge_images_are_refused(tmp_path, read_all):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (2, 2**14, 2**13), "u1", chunks=(1, 64, 64))  # small on disk
    (left,) = read_all(Hdf5(), tmp_path)[0].left_out
    assert "8192×16384 pixels, above the limit" in left.reason


def test_arrays_of_other_files_are_refused(tmp_path, read_all):
    write(tmp_path / "secret.h5", x=VALUES)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = h5py.ExternalLink("secret.h5", "/x")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("x", (2, 4, 4), "u1", external=[(str(tmp_path / "secret.h5"), 0, 32)])
    left = Hdf5().listing(tmp_path, ["a.h5", "b.h5"]).left_out
    assert [item.reason for item in left] == ["its array 'x' lies in another file; copy it into this one"] * 2


CONTENT: list[bytes] = []


@given(st.floats(0, 1), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6))
def test_damaged_files_give_images_or_a_reason(tmp_path_factory, read_all, kept, changes):
    root = tmp_path_factory.mktemp("damaged")
    if not CONTENT:
        with h5py.File(root / "x.h5", "w") as file:
            file.create_dataset("x", data=VALUES, chunks=(4, 8, 6, 3), compression="gzip")
        CONTENT.append((root / "x.h5").read_bytes())
    damaged = bytearray(CONTENT[0][: int(len(CONTENT[0]) * kept)]) if kept < 0.5 else bytearray(CONTENT[0])
    for place, value in changes:
        if damaged:
            damaged[int(place * (len(damaged) - 1) * (1 if place > 0.5 else 0.2))] = value
    (root / "x.h5").write_bytes(damaged)
    listing, scans = read_all(Hdf5(), root)
    assert scans or listing.left_out


def test_without_h5py(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DataError, match=r'h5py.*pip install "gmssl\[med\]"'):
        Hdf5().listing(tmp_path, [])
