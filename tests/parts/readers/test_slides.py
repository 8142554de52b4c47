"""Tiles are regions of the slide, chosen by tissue alone."""

from __future__ import annotations

import pickle

import numpy as np
import openslide
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.interfaces.reader import Acquisition
from gmssl.parts.readers import slides
from gmssl.parts.readers.slides import Slides, otsu

SIZE = 1024, 1536
TISSUE = slice(256, 768), slice(512, 1280)


def slide_of(tissue: bool = True) -> np.ndarray:
    """White paper with little noise, and a coloured rectangle that fits the grid of tiles of 256."""
    generator = np.random.default_rng(0)
    pixels = np.full((*SIZE, 3), 240, dtype=np.uint8)
    if tissue:
        pixels[TISSUE] = (180, 60, 140)
    return pixels + generator.integers(0, 4, pixels.shape, dtype=np.uint8)


PIXELS = slide_of()


def write(path, pixels, **options):
    with tifffile.TiffWriter(path) as file:
        for number, step in enumerate((1, 2, 4)):
            resolution = (20000 / step, 20000 / step)
            file.write(
                pixels[::step, ::step],
                tile=(256, 256),
                photometric="rgb",
                subfiletype=int(number > 0),
                resolution=resolution,
                resolutionunit="CENTIMETER",
                **options,
            )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("slides")
    write(root / "x.tif", PIXELS)
    return root


def read(root, **options):
    (acquisition,) = Slides(**options).listing(root, ["x.tif"]).acquisitions
    assert acquisition == Acquisition("x.tif", ("x.tif",))
    return Slides(**options).read(root, acquisition)


def test_all_tiles_are_the_slide(folder):
    frames = read(folder, tissue=0).frames
    assert len(frames) == 24
    rows = [np.concatenate([frames[row * 6 + column] for column in range(6)], axis=1) for row in range(4)]
    np.testing.assert_array_equal(np.concatenate(rows), PIXELS)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(frames))[7], frames[7])


def test_tiles_of_tissue_alone(folder):
    scan = read(folder)
    places = [(row, column) for row in (1, 2) for column in (2, 3, 4)]
    assert len(scan.frames) == 6
    for frame, (row, column) in zip(scan.frames, places, strict=True):
        np.testing.assert_array_equal(frame, PIXELS[row * 256 : row * 256 + 256, column * 256 : column * 256 + 256])
    assert (scan.affine, scan.unit, scan.encoded) == (None, None, None)


@pytest.mark.parametrize("tile", [64, 200, 250])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_of_tissue_is_what_counts(folder, tile, share):
    frames = read(folder, tile=tile, tissue=share).frames
    inside = np.zeros(SIZE, dtype=bool)
    inside[TISSUE] = True
    wanted = [
        (row, column)
        for row in range(SIZE[0] // tile)
        for column in range(SIZE[1] // tile)
        if inside[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile].mean() >= share
    ]
    for frame, (row, column) in zip(frames, wanted, strict=True):
        np.testing.assert_array_equal(frame, PIXELS[row * tile :, column * tile :][:tile, :tile])


@pytest.mark.parametrize("band", [1, 100_000, 2**24])
def test_slides_are_looked_over_in_bands(tmp_path, monkeypatch, band):
    """As those without coarser levels are, which do not fit into memory."""
    tifffile.imwrite(tmp_path / "x.tif", PIXELS, tile=(256, 256), photometric="rgb")
    monkeypatch.setattr(slides, "_BAND", band)
    monkeypatch.setattr(slides, "_OVERVIEW", 500)
    with openslide.OpenSlide(tmp_path / "x.tif") as slide:
        overview, side = slides._overview(slide)
    assert side == 4
    np.testing.assert_allclose(overview, PIXELS.reshape(256, 4, 384, 4, 3).mean(axis=(1, 3)), atol=0.51)
    assert len(read(tmp_path).frames) == 6


def test_coarser_levels(folder):
    frames = read(folder, level=1, tile=128).frames
    assert len(frames) == 6
    np.testing.assert_array_equal(frames[0], PIXELS[256:512:2, 512:768:2])
    np.testing.assert_array_equal(read(folder, mpp=1.0, tile=128).frames[0], frames[0])
    with pytest.raises(DataError, match=r"x\.tif cannot be read: it has levels 0 to 2, and no 3"):
        read(folder, level=3)


@pytest.mark.parametrize("mpp", [0.25, 0.5, 0.7, 1.0, 1.9])
def test_sizes_of_pixels_between_levels(folder, mpp):
    frames = read(folder, mpp=mpp, tile=100, tissue=0).frames
    side = mpp / 0.5 * 100
    assert len(frames) == int(SIZE[0] / side) * int(SIZE[1] / side)
    assert {frame.shape for frame in frames} == {(100, 100, 3)}
    tissue = read(folder, mpp=mpp, tile=100, tissue=1).frames
    assert all(np.abs(frame.mean(axis=(0, 1)) - (181.5, 61.5, 141.5)).max() < 6 for frame in tissue)


def test_sizes_of_pixels_are_not_always_known(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(PIXELS, tile=(256, 256), photometric="rgb", resolutionunit="NONE")
    with pytest.raises(DataError, match="does not say how many micrometres"):
        read(tmp_path, mpp=1.0)


def test_empty_slides_are_refused(tmp_path):
    write(tmp_path / "x.tif", slide_of(tissue=False))
    with pytest.raises(DataError, match=r"x\.tif cannot be read: no tile has a share of tissue of 0\.5"):
        read(tmp_path)
    assert len(read(tmp_path, tissue=0).frames) == 24
    with pytest.raises(DataError, match=r"less than a tile of 2048"):
        read(tmp_path, tile=2048, tissue=0)


def test_what_is_no_slide(tmp_path, read_all):
    (tmp_path / "empty.svs").touch()
    (tmp_path / "text.tif").write_text("no slide")
    tifffile.imwrite(tmp_path / "striped.tif", PIXELS[:64, :64])
    listing, _ = read_all(Slides(), tmp_path)
    assert [left.name for left in listing.left_out] == ["empty.svs", "striped.tif", "text.tif"]
    with pytest.raises(DataError, match=r"^none\.svs cannot be read: there is no such file\.$"):
        Slides().read(tmp_path, Acquisition("none.svs", ("none.svs",)))


@pytest.mark.parametrize("kept", [200, 100_000, 2_000_000, -100_000])
def test_truncated_slides(folder, tmp_path, read_all, kept):
    (tmp_path / "x.tif").write_bytes((folder / "x.tif").read_bytes()[:kept])
    listing, scans = read_all(Slides(tissue=0), tmp_path)
    assert listing.left_out or scans
    for scan in scans.values():
        if not isinstance(scan, str):
            with pytest.raises(DataError, match=r"^x\.tif cannot be read"):
                list(scan.frames)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=60))
def test_otsu_leaves_most_variance_between_the_sides(values):
    values = np.array(values)
    between = {}
    for threshold in range(256):
        low, high = values[values <= threshold], values[values > threshold]
        if low.size and high.size:
            between[threshold] = low.size * high.size * (low.mean() - high.mean()) ** 2
    if not between:
        assert otsu(values) == 255
    else:
        assert between[otsu(values)] >= max(between.values()) * (1 - 1e-9)


def test_without_openslide(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openslide", None)
    with pytest.raises(DataError, match=r'openslide.*pip install "gmssl\[med\]"'):
        Slides().listing(tmp_path, [])
