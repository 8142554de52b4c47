"""Slices lie as radiologists see them, whatever the order of a volume's axes."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.corpus.slices import SlicePolicy, cut, lying
from gmssl.errors import DataError
from gmssl.interfaces.reader import Scan

AXES = ("acquired", "axial", "coronal", "sagittal")


def where(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A value that tells the place in the patient, in mm."""
    return 10_000 * z + 100 * y + x


def scan_of(order: tuple[int, ...], signs: tuple[int, ...], shape: tuple[int, int, int]) -> Scan:
    """A volume of voxels of 1 mm whose axis i lies along z, y or x (`order[i]`), in the direction `signs[i]`."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (along, sign) in enumerate(zip(order, signs, strict=True)):
        affine[2 - along, axis] = sign  # rows of the affine are x, y, z
        if sign < 0:
            affine[2 - along, 3] = shape[axis] - 1
    index = np.stack([*np.indices(shape).reshape(3, -1), np.ones(int(np.prod(shape)))])
    x, y, z, _ = affine @ index
    return Scan(where(z, y, x).reshape(shape), affine=affine)


@given(
    order=st.permutations(range(3)),
    signs=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    axis=st.sampled_from(AXES),
    every=st.integers(1, 3),
)
def test_every_slice_is_in_its_place(
    order: list[int], signs: tuple[int, ...], shape: tuple[int, int, int], axis: str, every: int
) -> None:
    scan = scan_of(tuple(order), signs, shape)
    extent = dict(zip(order, shape, strict=True))
    along = order[0] if axis == "acquired" else AXES.index(axis) - 1
    slices = list(cut(scan, SlicePolicy(axis=axis, every=every)))
    assert [s.number for s in slices] == list(range(0, extent[along], every))
    for slice_ in slices:
        z, y, x = (np.arange(extent[a]) for a in range(3))
        if along == 0:
            expected = where(np.array(slice_.number), y[:, None], x[None])
        elif along == 1:
            expected = where(z[::-1, None], np.array(slice_.number), x[None])
        else:
            expected = where(z[::-1, None], y[None], np.array(slice_.number))
        assert np.array_equal(slice_.values, expected)


@given(st.integers(0, 2**32 - 1))
def test_oblique_volumes_lie_along_the_nearest_axes(seed: int) -> None:
    generator = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turned * generator.uniform(0.1, 10, size=3)
    axes, signs = lying(affine)
    assert sorted(axes) == [0, 1, 2]
    directions = [turned[2 - i, a] * s for i, (a, s) in enumerate(zip(axes, signs, strict=True))]
    assert min(directions) >= 0
    best = max(sum(abs(turned[2 - i, a]) for i, a in enumerate(order)) for order in itertools.permutations(range(3)))
    assert sum(directions) == pytest.approx(best)


def test_colour_and_padding_are_cut_as_values_are() -> None:
    scan = scan_of((2, 1, 0), (1, -1, 1), (4, 3, 2))
    values = scan.frames
    assert isinstance(values, np.ndarray)
    colour = Scan(np.stack([values, values + 1, values + 2], axis=3), affine=scan.affine, valid=values > 100)
    for plain, slice_ in zip(cut(scan, SlicePolicy()), cut(colour, SlicePolicy()), strict=True):
        assert np.array_equal(slice_.values[..., 1], plain.values + 1)
        assert slice_.valid is not None
        assert np.array_equal(slice_.valid, plain.values > 100)


@pytest.mark.parametrize("axis", AXES)
def test_a_slice_takes_the_memory_of_a_slice(axis: str) -> None:
    scan = scan_of((2, 1, 0), (-1, -1, -1), (60, 60, 60))
    assert isinstance(scan.frames, np.ndarray)
    slices = cut(scan, SlicePolicy(axis=axis))
    next(slices)
    tracemalloc.start()
    try:
        next(slices)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * scan.frames.nbytes / 60


def test_pieces_of_a_scan_are_its_slices() -> None:
    scan = Scan(np.arange(10)[:, None, None])
    whole = [s.number for s in cut(scan, SlicePolicy(every=3))]
    assert whole == [0, 3, 6, 9]
    assert [s.number for a, b in ((0, 4), (4, 8), (8, None)) for s in cut(scan, SlicePolicy(every=3), a, b)] == whole


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("size", [1e200, np.inf, np.nan, 0.0])
def test_voxels_without_an_extent_that_is_finite_are_refused(axis: str, size: float) -> None:
    with pytest.raises(DataError, match="correct the spacing in its header"):
        list(cut(Scan(np.zeros((2, 2, 2)), affine=np.diag([1, size, 1, 1.0])), SlicePolicy(axis=axis)))


@pytest.mark.parametrize("axis", AXES[1:])
def test_pictures_have_no_anatomy(axis: str) -> None:
    with pytest.raises(DataError, match="how it lies in space; set axis: acquired"):
        list(cut(Scan(np.zeros((1, 2, 2))), SlicePolicy(axis=axis)))


def test_voxels_without_extent_are_refused() -> None:
    with pytest.raises(DataError, match="spacing"):
        list(cut(Scan(np.zeros((1, 2, 2)), affine=np.diag([0, 1, 1, 1.0])), SlicePolicy()))
