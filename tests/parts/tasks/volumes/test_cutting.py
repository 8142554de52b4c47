"""Slices lie as radiologists see them, and merge into the volume that they came from."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("nibabel")

from gmssl.parts.tasks.volumes.cutting import Cut
from gmssl.parts.tasks.volumes.reading import apart
from tests.parts.tasks.volumes.blobs import turned

AXES = ("acquired", "axial", "coronal", "sagittal")
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def in_lps(affine: np.ndarray) -> np.ndarray:
    """From (k, row, column) to LPS, of an affine of NIfTI."""
    return LPS @ affine[:, [2, 1, 0, 3]]


@given(
    st.floats(-40, 40),
    st.tuples(*[st.sampled_from([0.5, 1.0, 3.0])] * 3),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.permutations([0, 1, 2]),
    st.sampled_from(AXES),
)
def test_slices_merge_into_the_volume(degrees, spacing, flips, order, axis) -> None:
    cut = Cut.of(in_lps(turned(degrees, spacing, flips, order)), axis)
    volume = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    slices = cut.slices(volume)
    assert slices.shape == tuple(volume.shape[at] for at in cut.axes)
    assert (cut.volume(slices) == volume).all()
    assert cut.spacing == pytest.approx([spacing[::-1][at] for at in cut.axes])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product((-1, 1), repeat=3)))
@pytest.mark.parametrize("degrees", [0, 20])
def test_slices_are_upright(order, flips, degrees) -> None:
    """The place in space of every voxel grows as pictures of radiologists say, whatever the order of the file."""
    affine = in_lps(turned(degrees, (1, 1, 1), flips, order))
    index = np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"))
    place = np.einsum("ij,jabc->iabc", affine[:3, :3], index)  # left, back, head of each voxel
    for axis, across, rows, columns in (("axial", 2, 1, 0), ("coronal", 1, -2, 0), ("sagittal", 0, -2, 1)):
        shown = [Cut.of(affine, axis).slices(place[direction]) for direction in range(3)]
        steps = [shown[across][1:].mean() - shown[across][:-1].mean()]
        row, sign = abs(rows), -1 if rows < 0 else 1
        steps.append(sign * (shown[row][:, 1:].mean() - shown[row][:, :-1].mean()))
        steps.append(shown[columns][..., 1:].mean() - shown[columns][..., :-1].mean())
        assert min(steps) > 0.5, axis


def test_the_acquired_axis_has_the_largest_spacing() -> None:
    assert Cut.of(in_lps(turned(0, (1, 5, 1))), "acquired").axes[0] == 1
    assert Cut.of(in_lps(turned(0, (5, 1, 1))), "acquired").axes[0] == 2
    assert Cut.of(in_lps(turned(0, (1, 1, 1))), "acquired").axes[0] == 0
    assert Cut.of(in_lps(turned(0, (1.0000001, 1, 1))), "acquired").axes[0] == 0


def test_grids_are_apart_by_their_farthest_corner() -> None:
    one = np.diag([2.0, 1.0, 1.0, 1.0])
    assert apart(one, one, (3, 4, 5)) == 0
    shifted, stretched = one.copy(), one.copy()
    shifted[0, 3], stretched[2, 2] = 0.5, 1.1
    assert apart(one, shifted, (3, 4, 5)) == pytest.approx(0.5)
    assert apart(one, stretched, (3, 4, 5)) == pytest.approx(0.4)
