"""Pages are what tifffile reads of the whole file, in any order and one at a time."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.interfaces.reader import Acquisition
from gmssl.parts.readers import tiff_pages
from gmssl.parts.readers.tiff_pages import TiffPages

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (5, 32, 48), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (5, 32, 48, 3), dtype=np.uint8)
IMAGEJ = {"imagej": True, "metadata": {"axes": "ZYX"}}


def read(root, **options):
    (acquisition,) = TiffPages().listing(root, ["x.tif"]).acquisitions
    scan = TiffPages(**options).read(root, acquisition)
    assert acquisition.frames == len(scan.frames)
    return scan


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (GREY, {}),
        (GREY, {"metadata": None}),
        (GREY, {"metadata": None, "compression": "lzw", "predictor": True}),
        (GREY, {"tile": (16, 16), "compression": "deflate"}),
        (GREY, {"bigtiff": True}),
        (GREY.astype(np.uint16) * 257, {"byteorder": ">"}),
        (GREY.astype(np.int16) - 100, {}),
        (GREY.astype(np.float32) / 7, {"byteorder": ">", "compression": "deflate", "predictor": True}),
        (GREY, IMAGEJ),
        (GREY.astype(np.uint16) * 257, {**IMAGEJ, "byteorder": ">"}),
        (GREY.astype(np.float32), IMAGEJ),
        (COLOUR, {"photometric": "rgb"}),
        (COLOUR, {"photometric": "rgb", "metadata": None, "compression": "jpeg"}),
        (COLOUR, {"photometric": "rgb", "imagej": True, "metadata": {"axes": "ZYXS"}}),
        (GREY, {"metadata": {"axes": "ZYX"}, "ome": True}),
        (GREY, {"metadata": {"axes": "TYX"}, "ome": True}),
    ],
)
def test_pages_in_any_order(tmp_path, values, options):
    tifffile.imwrite(tmp_path / "x.tif", values, **{"photometric": "minisblack"} | options)
    expected = tifffile.imread(tmp_path / "x.tif")
    scan = read(tmp_path)
    assert not scan.inverted
    for index in (4, 0, 3, -1):
        np.testing.assert_array_equal(scan.frames[index], expected[index])
        assert scan.frames[index].dtype == values.dtype
        assert scan.frames[index].dtype.isnative
    np.testing.assert_array_equal(np.stack(list(pickle.loads(pickle.dumps(scan.frames)))), expected)


def test_colours_in_planes(tmp_path):
    planes = np.moveaxis(COLOUR, 3, 1)
    tifffile.imwrite(tmp_path / "x.tif", planes, photometric="rgb", planarconfig="separate", metadata=None)
    np.testing.assert_array_equal(np.stack(list(read(tmp_path).frames)), COLOUR)


@pytest.mark.parametrize("pages", [1, 3])
def test_bits_and_opacity(tmp_path, pages):
    bits = RANDOM.integers(0, 2, (pages, 9, 11)).astype(bool)
    tifffile.imwrite(tmp_path / "x.tif", bits, photometric="miniswhite")
    scan = read(tmp_path)
    assert scan.inverted
    np.testing.assert_array_equal(np.stack(list(scan.frames)), bits * np.uint8(255))
    rgba = RANDOM.integers(0, 256, (pages, 9, 11, 4), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(np.stack(list(read(tmp_path).frames)), rgba[..., :3])


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({}, None),
        ({"resolution": (100, 50), "resolutionunit": "CENTIMETER"}, None),  # the distance of pages is not known
        (
            {**IMAGEJ, "resolution": (2, 4), "metadata": {"axes": "ZYX", "unit": "um", "spacing": 30}},
            (0.03, 2.5e-4, 5e-4),
        ),
        ({**IMAGEJ, "resolution": (2, 4), "metadata": {"axes": "ZYX", "unit": "mm", "spacing": 3}}, (3, 0.25, 0.5)),
        ({**IMAGEJ, "resolution": (2, 4), "metadata": {"axes": "ZYX", "unit": "pixel", "spacing": 3}}, None),
    ],
)
def test_sizes_of_stacks(tmp_path, options, sizes):
    tifffile.imwrite(tmp_path / "x.tif", GREY, photometric="minisblack", **options)
    affine = read(tmp_path).affine
    if sizes is None:
        assert affine is None
    else:
        np.testing.assert_allclose(affine @ [1, 2, 3, 1], [3 * sizes[2], 2 * sizes[1], sizes[0], 1])
    np.testing.assert_allclose(read(tmp_path, spacing=(3e-5, 8e-6, 8e-6)).affine @ [1, 0, 0, 0], [0, 0, 3e-5, 0])


def ome(axes="ZYX", **pixels):
    return {"ome": True, "metadata": {"axes": axes, **pixels}}


SIZES = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 2.0}


@pytest.mark.parametrize(
    ("options", "pages", "sizes"),
    [
        (ome(**SIZES), 5, (2e-3, 2.5e-4, 5e-4)),  # µm where no unit is named
        (ome(**SIZES, **{f"PhysicalSize{axis}Unit": "mm" for axis in "XYZ"}), 5, (2, 0.25, 0.5)),
        (ome(**SIZES, PhysicalSizeXUnit="nm", PhysicalSizeZUnit="Å"), 5, (2e-7, 2.5e-4, 5e-7)),
        (ome(**SIZES, PhysicalSizeXUnit="pixel"), 5, None),
        (ome(**SIZES, axes="TYX"), 5, None),  # points of time
        (ome(**(SIZES | {"PhysicalSizeZ": 0.0})), 5, None),
        (ome(**(SIZES | {"PhysicalSizeX": float("inf")})), 5, None),
        (ome(PhysicalSizeX=0.5, PhysicalSizeY=0.25), 5, None),
        (ome(axes="YX", PhysicalSizeX=0.5, PhysicalSizeY=0.25), 1, (1, 2.5e-4, 5e-4)),
        ({**ome(axes="YX"), "resolution": (100, 50), "resolutionunit": "CENTIMETER"}, 1, (1, 0.2, 0.1)),
    ],
)
def test_sizes_of_ome(tmp_path, options, pages, sizes):
    tifffile.imwrite(tmp_path / "x.tif", GREY[:pages] if pages > 1 else GREY[0], photometric="minisblack", **options)
    affine = read(tmp_path).affine
    if sizes is None:
        assert affine is None
    else:
        np.testing.assert_allclose(affine @ [1, 2, 3, 0], [3 * sizes[2], 2 * sizes[1], sizes[0], 0])


PIXELS = (
    "<Pixels ID='Pixels:0' DimensionOrder='XYZCT' SizeX='48' SizeY='32' SizeZ='1' SizeC='1' SizeT='1' Type='uint8' "
    "PhysicalSizeX='{}' PhysicalSizeY='{}'><TiffData IFD='0' PlaneCount='1'/></Pixels>"
)


def test_sizes_of_the_first_image_of_ome(tmp_path):
    text = f"<OME><Image>{PIXELS.format('2', '1')}</Image><Image>{PIXELS.format('3', '3')}</Image></OME>"
    tifffile.imwrite(tmp_path / "x.tif", GREY[0], description=f"<?xml version='1.0'?>{text}", metadata=None)
    np.testing.assert_allclose(read(tmp_path).affine @ [0, 1, 1, 0], [2e-3, 1e-3, 0, 0])


@pytest.mark.parametrize(
    "text",
    [
        "<OME><Image><Pixels PhysicalSizeX='1'</OME>",
        "<OME></OME>",
        "<OME><Image/></OME>",
        f"<OME><Image>{PIXELS.format('x', '1')}</Image></OME>",
        f"<OME><Image>{PIXELS.format('1', 'nan')}</Image><Image>{PIXELS.format('1', '1')}</Image></OME>",
    ],
)
def test_damaged_descriptions_of_ome_say_nothing(tmp_path, text):
    tifffile.imwrite(tmp_path / "x.tif", GREY[0], description=f"<?xml version='1.0'?>{text}", metadata=None)
    scan = read(tmp_path)
    assert scan.affine is None
    np.testing.assert_array_equal(scan.frames[0], GREY[0])


@pytest.mark.parametrize(
    ("resolution", "unit", "sizes"),
    [
        ((100, 50), "CENTIMETER", (0.2, 0.1)),
        ((254, 254), "INCH", (0.1, 0.1)),
        ((72, 72), "INCH", None),
        ((96, 96), "INCH", None),
        ((100, 50), "NONE", None),
        ((0, 50), "CENTIMETER", None),
    ],
)
def test_sizes_of_single_pages(tmp_path, resolution, unit, sizes):
    tifffile.imwrite(tmp_path / "x.tif", GREY[0], resolution=resolution, resolutionunit=unit)
    affine = read(tmp_path).affine
    assert (affine is None) == (sizes is None)
    if sizes:
        np.testing.assert_allclose(affine @ [1, 1, 1, 1], [sizes[1], sizes[0], 1, 1])


@pytest.mark.parametrize(
    ("values", "options", "reason"),
    [
        (GREY[:4].reshape(2, 2, 32, 48), {"imagej": True, "metadata": {"axes": "ZCYX"}}, "2 channels"),
        (GREY[0], {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}, "PALETTE and not grey or RGB"),
        (GREY.astype(np.complex64), {}, "complex64"),
        (GREY.reshape(5, 8, 4, 48), {"volumetric": True, "tile": (4, 16, 16)}, "volumes"),
    ],
)
def test_what_is_no_stack(tmp_path, read_all, values, options, reason):
    tifffile.imwrite(tmp_path / "x.tif", values, **options)
    listing, _ = read_all(TiffPages(), tmp_path)
    assert reason in listing.left_out[0].reason


def test_huge_pages_are_refused(tmp_path, read_all, monkeypatch):
    tifffile.imwrite(tmp_path / "x.tif", GREY, photometric="minisblack")
    monkeypatch.setattr(tiff_pages, "MAX_PIXELS", 1000)
    assert "48×32 pixels, above the limit 1000" in read_all(TiffPages(), tmp_path)[0].left_out[0].reason


@pytest.mark.parametrize("options", [IMAGEJ, {}, {"metadata": None}, {"compression": "deflate", "metadata": None}])
def test_truncated_files_are_told_of_by_page(tmp_path, options):
    tifffile.imwrite(tmp_path / "x.tif", GREY, photometric="minisblack", **options)
    content = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(content[:-600])
    listing = TiffPages().listing(tmp_path, ["x.tif"])
    if listing.acquisitions:
        frames = TiffPages().read(tmp_path, listing.acquisitions[0]).frames
        try:
            pages = np.stack(list(frames))
        except DataError as error:
            message = str(error)
        else:  # the tags of the later pages are at the end, and not needed where the first one describes all
            message = "x.tif cannot be read: "
            np.testing.assert_array_equal(pages, GREY)
        assert message.startswith("x.tif cannot be read: ")
    else:
        assert listing.left_out


CONTENT: list[bytes] = []


@given(st.floats(0, 1), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6), st.integers(0, 2))
def test_damaged_files_give_images_or_a_reason(tmp_path_factory, read_all, kept, changes, which):
    root = tmp_path_factory.mktemp("damaged")
    if not CONTENT:
        for options in (IMAGEJ, {"compression": "lzw"}, {"metadata": None, "tile": (16, 16)}):
            tifffile.imwrite(root / "x.tif", GREY, **{"photometric": "minisblack"} | options)
            CONTENT.append((root / "x.tif").read_bytes())
    content = CONTENT[which]
    damaged = bytearray(content[: int(len(content) * kept)]) if kept < 0.5 else bytearray(content)
    for place, value in changes:
        if damaged:
            damaged[int(place * (len(damaged) - 1) * (1 if place > 0.5 else 0.1))] = value
    (root / "x.tif").write_bytes(damaged)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiff_pages, "MAX_PIXELS", 10**6)
        listing, scans = read_all(TiffPages(), root)
    assert scans or listing.left_out


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"^x\.tif cannot be read: there is no such file\.$"):
        TiffPages().read(tmp_path, Acquisition("x.tif", ("x.tif",)))
