"""Bounds are numpy's percentiles of all that is valid, whatever the type, and never those of a slice."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from gmssl.errors import DataError
from gmssl.interfaces.reader import Scan
from gmssl.parts.readers.windows import PRESETS, ByModality, Full, Given, Header, Hounsfield, Percentiles

TYPES = ["u1", "i1", "u2", "i2", "i4", "u4", "i8", "f4", "f8"]


class Lazily:
    """Frames that are no array."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return self.values[index]


@st.composite
def scans(draw):
    """Values of any type with some that are not finite or not valid; and the ones that count."""
    type_ = np.dtype(draw(st.sampled_from(TYPES)))
    shape = draw(st.sampled_from([(1, 1, 1), (3, 4, 5), (2, 1, 7), (2, 3, 4, 3)]))
    width = min(type_.itemsize * 8, 32)
    elements = {"elements": st.floats(-1e6, 1e6, width=width)} if type_.kind == "f" else {}
    values = draw(arrays.arrays(type_, shape, **elements))
    if type_.kind in "iu" and type_.itemsize > 4:
        values = values // 2**12  # within what float64 tells apart
    valid = draw(st.none() | arrays.arrays(bool, shape[:3]))
    kept = values if valid is None else values[valid]
    if type_.kind == "f" and draw(st.booleans()):
        values = values.copy()
        values.flat[0] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
        kept = values if valid is None else values[valid]
        kept = kept[np.isfinite(kept)]
    return Scan(Lazily(values) if draw(st.booleans()) else values, valid=valid), kept.astype(np.float64).ravel()


@given(scans(), st.tuples(st.floats(0, 100), st.floats(0, 100)).map(sorted).filter(lambda p: p[0] < p[1]))
def test_percentiles_are_numpy_s(made, shares):
    scan, kept = made
    window = Percentiles(low=shares[0], high=shares[1])
    if not kept.size:
        with pytest.raises(DataError, match="no value that is finite and valid"):
            window.bounds(scan, None)
        return
    low, high = window.bounds(scan, None)
    assert low < high
    wanted = np.percentile(kept, shares)
    if wanted[0] < wanted[1] - 1e-6 * np.abs(wanted).max():
        np.testing.assert_allclose((low, high), wanted, rtol=1e-9, atol=1e-9 * np.abs(kept).max())
    assert (low, high) == Percentiles(low=shares[0], high=shares[1]).bounds(scan, "mri")


@given(scans())
def test_full_is_from_the_least_to_the_greatest(made):
    scan, kept = made
    if not kept.size:
        with pytest.raises(DataError, match="no value that is finite and valid"):
            Full().bounds(scan, None)
        return
    low, high = Full().bounds(scan, None)
    assert low == kept.min()
    assert high == (kept.max() if kept.max() > kept.min() else low + 1)
    if kept.max() > kept.min():
        assert Percentiles(low=0, high=100).bounds(scan, None) == (low, high)


@pytest.mark.parametrize("value", [0.0, 7.0, -1e300, 1e300, np.finfo(float).max, -np.finfo(float).max, 5e-324])
def test_constant_scans_have_bounds(value):
    scan = Scan(np.full((2, 3, 4), value))
    for window in (Full(), Percentiles()):
        low, high = window.bounds(scan, None)
        assert -math.inf < low < high < math.inf
        assert value in (low, high)


def test_masks_are_seen():
    values = np.zeros((10, 20, 20), np.uint8)
    values[5, 5, 5] = 1  # below the 99.5th percentile all are 0
    assert Percentiles().bounds(Scan(values, affine=np.eye(4)), None) == (0, 1)


@pytest.mark.parametrize(
    ("preset", "level", "width"),
    [
        ("soft_tissue", 40, 400),
        ("lung", -600, 1500),
        ("bone", 400, 1800),
        ("brain", 40, 80),
        ("liver", 30, 150),
        ("mediastinum", 50, 350),
        ("wide", 1023.5, 4095),
    ],
)
def test_hounsfield_windows(preset, level, width):
    scan = Scan(np.zeros((1, 2, 2), np.int16), unit="HU")
    assert Hounsfield(preset=preset).bounds(scan, "ct") == (level - width / 2, level + width / 2)
    assert set(PRESETS) == set(Hounsfield.model_fields["preset"].annotation.__args__)


@pytest.mark.parametrize("modality", [None, "ct", "mri"])
def test_hounsfield_windows_are_of_hounsfield_units(modality):
    with pytest.raises(DataError, match=r"does not say that it has them; if it is CT, set the reader's unit to HU"):
        Hounsfield().bounds(Scan(np.zeros((1, 2, 2), np.int16)), modality)


def test_given_and_header():
    scan = Scan(np.arange(24).reshape(2, 3, 4), window=(-10, 40))
    assert Given(lower=-1, upper=2).bounds(scan, None) == (-1, 2)
    assert Header().bounds(scan, None) == (-10, 40)
    for window in (None, (3, 3), (4, 3), (math.nan, 3), (0, math.inf)):
        nothing = Scan(scan.frames, window=window)
        assert Header().bounds(nothing, None) == Percentiles().bounds(nothing, None)
        assert Header(otherwise=Full()).bounds(nothing, None) == (0, 23)


@pytest.mark.parametrize("wrong", [{"low": 5, "high": 5}, {"low": 60, "high": 40}, {"low": -1}, {"high": 100.5}])
def test_percentiles_in_order(wrong):
    with pytest.raises(ValidationError):
        Percentiles(**wrong)


@pytest.mark.parametrize("wrong", [{"lower": 5, "upper": 5}, {"lower": 6, "upper": 5}, {"lower": 1}])
def test_bounds_in_order(wrong):
    with pytest.raises(ValidationError):
        Given(**wrong)


def test_by_modality():
    values = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    hounsfield = Scan(values, unit="HU", affine=np.eye(4))
    assert ByModality().bounds(hounsfield, "ct") == (-160, 240)
    assert ByModality(ct=Full()).bounds(hounsfield, "ct") == Full().bounds(hounsfield, "ct")
    scan = Scan(values, affine=np.eye(4))
    for modality in (None, "mri", "ultrasound", "pet"):
        wanted = np.percentile(values.astype(float), [0.5, 99.5])
        assert ByModality().bounds(scan, modality) == pytest.approx(tuple(wanted), rel=1e-12)
    with pytest.raises(DataError, match="unit to HU"):
        ByModality().bounds(scan, "ct")


@pytest.mark.parametrize("modality", [None, "ct", "x-ray", "ultrasound"])
def test_pictures_of_8_bits_are_unchanged(modality):
    for shape in ((2, 4, 4), (2, 4, 4, 3)):
        for frames in (np.full(shape, 7, np.uint8), Lazily(np.full(shape, 7, np.uint8))):
            assert ByModality().bounds(Scan(frames), modality) == (0, 255)
    volume = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
    assert ByModality().bounds(Scan(volume, affine=np.eye(4)), "mri") != (0, 255)
    assert ByModality().bounds(Scan(np.zeros((2, 4, 4, 3), np.uint8), affine=np.eye(4)), "mri") == (0, 255)


def test_no_frames():
    for window in (Percentiles(), Full(), ByModality()):
        with pytest.raises(DataError, match="nothing to map"):
            window.bounds(Scan(np.zeros((0, 4, 4), np.uint8)), None)
