"""Pictures of 8 bits are those of data kind `folder`; deeper ones keep their values."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from imagecodecs import png_encode
from PIL import Image

from gmssl.errors import DataError
from gmssl.interfaces.reader import Acquisition
from gmssl.parts.readers import pictures
from gmssl.parts.readers.pictures import Pictures
from gmssl.system.images import reading
from gmssl.system.images.reading import read_image, read_image_bytes

GREY = np.add.outer(np.arange(30), np.arange(40)).astype(np.uint8) * 3
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=2)


def read(root, name, **options):
    (acquisition,) = Pictures(**options).listing(root, [name]).acquisitions
    assert acquisition == Acquisition(name, (name,))
    return Pictures(**options).read(root, acquisition)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_8_bits_are_those_of_data_kind_folder(tmp_path, ending, mode):
    path = tmp_path / f"x.{ending}"
    try:
        Image.fromarray(COLOUR).convert(mode).save(path)
    except (OSError, ValueError):
        pytest.skip("no such files")
    scan = read(tmp_path, path.name)
    grey = mode in ("1", "L", "LA")
    assert scan.frames.dtype == np.uint8
    assert scan.frames.shape == ((1, 30, 40) if grey else (1, 30, 40, 3))
    np.testing.assert_array_equal(scan.frames[0], read_image(path, 1 if grey else 3))
    assert (scan.affine, scan.unit, scan.inverted, scan.valid, scan.window) == (None, None, False, None, None)
    kept = (ending in ("png", "jpg") and mode in ("L", "RGB")) or (ending == "jpg" and mode in ("1", "YCbCr"))
    assert scan.encoded == ((path.read_bytes(),) if kept else None)
    if scan.encoded:
        np.testing.assert_array_equal(scan.frames[0], read_image_bytes(scan.encoded[0], "x", 1 if grey else 3))
        with Image.open(io.BytesIO(scan.encoded[0])) as plainly:
            np.testing.assert_array_equal(scan.frames[0], plainly)  # whoever opens a store sees the same


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_turned_pictures_are_upright_and_encoded_anew(tmp_path, ending):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / f"x.{ending}", exif=exif)
    scan = read(tmp_path, f"x.{ending}")
    assert scan.encoded is None
    np.testing.assert_array_equal(scan.frames[0], read_image(tmp_path / f"x.{ending}", 1))
    assert scan.frames.shape == (1, 40, 30)


DEEP = ["u2", "i2", "u4", "i4", "f4", "f8"]


@given(st.sampled_from(DEEP), st.sampled_from("<>"), st.booleans(), st.booleans(), st.integers(1, 8))
def test_deep_tiff_keeps_its_values(tmp_path_factory, type_, order, colour, white_is_zero, orientation):
    values = np.random.default_rng(0).integers(0, 30000, (6, 7, 3) if colour else (6, 7)).astype(type_)
    white_is_zero &= not colour
    root = tmp_path_factory.mktemp("deep")
    photometric = "rgb" if colour else "miniswhite" if white_is_zero else "minisblack"
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(root / "x.tif", values, byteorder=order, photometric=photometric, extratags=tags, metadata=None)
    scan = read(root, "x.tif")
    assert scan.frames.dtype == type_
    assert scan.inverted == white_is_zero
    assert scan.encoded is None
    shown = np.asarray(read_image(root / "x.tif", 3 if colour else 1)).astype(int)
    own = scan.frames[0].astype(float) * (-1 if white_is_zero else 1)
    assert sorted(own.ravel()) == sorted((values.astype(float) * (-1 if white_is_zero else 1)).ravel())
    expected = (own - own.min()) / (own.max() - own.min()) * 255
    assert np.abs(shown - expected).max() <= 0.5 + 1e-6  # turned as data kind folder turns it


@pytest.mark.parametrize("colour", [False, True])
def test_deep_png_keeps_its_values(tmp_path, colour):
    values = np.random.default_rng(0).integers(0, 2**12, (6, 7, 3) if colour else (6, 7), dtype=np.uint16)
    (tmp_path / "x.png").write_bytes(png_encode(values))
    np.testing.assert_array_equal(read(tmp_path, "x.png").frames[0], values)


def test_transparent_and_infinite_samples_are_not_valid(tmp_path):
    values = np.full((2, 3, 2), 1000, dtype=np.uint16)
    values[0, 0, 1] = 0
    (tmp_path / "x.png").write_bytes(png_encode(values))
    np.testing.assert_array_equal(read(tmp_path, "x.png").valid, values[None, ..., 1] > 0)
    floats = np.ones((2, 3), np.float32)
    floats[1, 2] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", floats)
    np.testing.assert_array_equal(read(tmp_path, "x.tif").valid, np.isfinite(floats)[None])
    tifffile.imwrite(tmp_path / "x.tif", floats * np.nan)
    with pytest.raises(DataError, match=r"^x\.tif cannot be read: none of its pixels has a finite value"):
        read(tmp_path, "x.tif")


def test_offsets_and_units_of_deep_samples(tmp_path):
    values = np.array([[31744, 32768, 35839]], dtype=np.uint16)
    (tmp_path / "x.png").write_bytes(png_encode(values))
    scan = read(tmp_path, "x.png", intercept=-32768, unit="HU")
    assert scan.frames.tolist() == [[[-1024, 0, 3071]]]
    assert scan.frames.dtype == np.int16
    assert scan.unit == "HU"
    Image.fromarray(GREY).save(tmp_path / "y.png")
    assert read(tmp_path, "y.png", intercept=-32768, unit="HU").unit is None


def test_faults(tmp_path, read_all, monkeypatch):
    Image.fromarray(GREY).save(tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    listing, scans = read_all(Pictures(), tmp_path)
    assert [a.name for a in listing.acquisitions] == ["cut.jpg", "empty.png", "text.png", "whole.jpg"]
    assert scans["empty.png"] == "empty.png cannot be read: the file is empty."
    assert "none of JPEG" in scans["text.png"]
    assert not isinstance(scans["whole.jpg"], str)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 10)
    with pytest.raises(DataError, match=r"whole\.jpg cannot be read: it has \d+ bytes, more than 10 pixels take"):
        read(tmp_path, "whole.jpg")


def encoded(ending, pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, ending)
    return buffer.getvalue()


FILES = [encoded(ending, pixels) for ending in ("PNG", "JPEG", "TIFF", "BMP") for pixels in (GREY, COLOUR)]
FILES.append(png_encode(GREY.astype(np.uint16) * 200))


@given(st.sampled_from(FILES), st.floats(0, 1), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6))
def test_damaged_files_are_read_where_data_kind_folder_reads_them(tmp_path_factory, content, kept, changes):
    damaged = bytearray(content[: int(len(content) * kept)]) if kept < 0.5 else bytearray(content)
    for place, value in changes:
        if damaged:
            damaged[int(place * (len(damaged) - 1) * (1 if place > 0.5 else 0.1))] = value
    root = tmp_path_factory.getbasetemp()
    (root / "damaged").write_bytes(damaged)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "MAX_PIXELS", 10**6)
        outcomes = [outcome(lambda: read(root, "damaged").frames), outcome(lambda: read_image(root / "damaged", 3))]
    whole = [seen for seen in outcomes if not isinstance(seen, str)]
    assert len(whole) in (0, 2) or "none of its pixels has a finite value" in outcomes[0]
    if whole and whole[0].dtype == np.uint8 and whole[0].ndim == 4:
        np.testing.assert_array_equal(whole[0][0], whole[1])
    if not whole:
        assert outcomes[0] == outcomes[1].replace(f"{root}/", "")


def outcome(read_it):
    try:
        return read_it()
    except DataError as error:
        return str(error)


def test_faults_of_the_machine_are_none_of_the_file(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(5, os.strerror(5))

    Image.fromarray(GREY).save(tmp_path / "x.png")
    monkeypatch.setattr(pictures, "read_samples", fail)
    with pytest.raises(OSError, match="Input/output"):
        read(tmp_path, "x.png")
