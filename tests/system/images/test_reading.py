"""Any file is an image or a `DataError` with its reason."""

import errno
import io
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gmssl.errors import DataError
from gmssl.system.images import reading
from gmssl.system.images.reading import read_image, read_image_bytes

RAMP = np.add.outer(np.arange(30), np.arange(40)).astype(np.uint8)
COLOUR = np.stack([RAMP * 3, RAMP[::-1] * 2, 255 - RAMP], axis=2)


def saved(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp", "TIFF", "JPEG"])
@pytest.mark.parametrize("pixels", [RAMP, COLOUR], ids=["grey", "colour"])
def test_8_bit_formats_in_both_channels(tmp_path, ending, pixels):
    image = Image.fromarray(pixels)
    path = saved(
        tmp_path / f"x.{ending}", image, **({"quality": 95, "subsampling": 0} if "J" in ending.upper() else {})
    )
    tolerance = 6 if ending.lower().startswith("j") else 0
    for channels, mode in ((1, "L"), (3, "RGB")):
        read = read_image(path, channels)
        assert read.mode == mode
        difference = np.abs(np.asarray(read).astype(int) - np.asarray(image.convert(mode)))
        assert difference.max() <= tolerance


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_16_bit_grey_is_stretched_from_its_own_range(tmp_path, ending):
    values = 1000 + 37 * RAMP.astype(np.uint16)
    read = np.asarray(read_image(saved(tmp_path / f"x.{ending}", Image.fromarray(values)), 1))
    assert (read.min(), read.max()) == (0, 255)
    expected = (values - 1000.0) / (values.max() - 1000.0) * 255
    np.testing.assert_allclose(read, expected, atol=0.5001)
    assert read_image(tmp_path / f"x.{ending}", 3).mode == "RGB"


@pytest.mark.parametrize("dtype", [">u2", np.int32, np.float32])
def test_other_deep_greys(tmp_path, dtype):
    values = (RAMP.astype(float) * 11 - 200).clip(0 if dtype == ">u2" else None).astype(dtype)
    read = np.asarray(read_image(saved(tmp_path / "x.tif", Image.fromarray(values)), 1)).astype(float)
    low, high = float(values.min()), float(values.max())
    np.testing.assert_allclose(read, (values.astype(float) - low) / (high - low) * 255, atol=0.51)


def test_non_finite_floats_count_as_the_least_value(tmp_path):
    values = RAMP.astype(np.float32) + 5
    values[0, :3] = np.nan, np.inf, -np.inf
    read = np.asarray(read_image(saved(tmp_path / "x.tif", Image.fromarray(values)), 1))
    assert read.max() == 255
    assert (read[0, :3] == 0).all()
    values[:] = np.nan
    assert not np.asarray(read_image(saved(tmp_path / "y.tif", Image.fromarray(values)), 1)).any()


def test_a_constant_deep_image_is_black(tmp_path):
    path = saved(tmp_path / "x.tif", Image.fromarray(np.full((4, 5), 60000, dtype=np.uint16)))
    assert not np.asarray(read_image(path, 1)).any()


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_cmyk(tmp_path, ending):
    image = Image.fromarray(np.full((20, 20, 3), (200, 100, 50), dtype=np.uint8)).convert("CMYK")
    read = read_image(saved(tmp_path / f"x.{ending}", image), 3)
    assert read.mode == "RGB"
    np.testing.assert_allclose(np.asarray(read)[10, 10], (200, 100, 50), atol=3)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "YCbCr"])
def test_other_modes(tmp_path, mode):
    source = Image.fromarray(COLOUR).convert(mode)
    path = saved(tmp_path / ("x.tif" if mode == "YCbCr" else "x.png"), source)
    for channels, wanted in ((1, "L"), (3, "RGB")):
        read = np.asarray(read_image(path, channels)).astype(int)
        assert np.abs(read - np.asarray(source.convert(wanted))).max() <= 2


def test_transparent_pixels_are_black(tmp_path):
    pixels = np.full((2, 2, 4), 255, dtype=np.uint8)
    pixels[0, 0, 3] = 0
    read = np.asarray(read_image(saved(tmp_path / "x.png", Image.fromarray(pixels)), 1))
    assert read.tolist() == [[0, 255], [255, 255]]
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), mode="P")
    palette.putpalette([255] * 6)
    read = np.asarray(read_image(saved(tmp_path / "p.png", palette, transparency=bytes([0, 255])), 3))
    assert read[0, :, 0].tolist() == [0, 255]


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    path = saved(tmp_path / "x.png", Image.fromarray(RAMP), exif=exif)
    np.testing.assert_array_equal(np.asarray(read_image(path, 1)), np.rot90(RAMP, -1))


def test_the_first_page_counts(tmp_path):
    path = saved(tmp_path / "x.tif", Image.fromarray(RAMP), save_all=True, append_images=[Image.fromarray(255 - RAMP)])
    np.testing.assert_array_equal(np.asarray(read_image(path, 1)), RAMP)


def test_one_pixel(tmp_path):
    assert read_image(saved(tmp_path / "x.png", Image.new("L", (1, 1), 77)), 3).getpixel((0, 0)) == (77, 77, 77)


def test_faults_are_told_apart(tmp_path):
    whole = saved(tmp_path / "whole.jpg", Image.effect_noise((200, 200), 90)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("path,label\n")
    (tmp_path / "folder.png").mkdir()
    for name, reason in (
        ("cut.jpg", "truncated"),
        ("empty.png", "the file is empty"),
        ("text.png", "none of JPEG, PNG, TIFF, BMP"),
        ("folder.png", "it is a folder"),
        ("missing.png", "there is no such file"),
    ):
        with pytest.raises(DataError, match=reason) as caught:
            read_image(tmp_path / name, 1)
        assert name in str(caught.value)


def test_permission_denied(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.png", Image.fromarray(RAMP))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything

        def refuse(*_args, **_options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("PIL.Image.open", refuse)
    with pytest.raises(DataError, match="permission denied"):
        read_image(path, 1)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO])
def test_faults_of_the_machine_are_none_of_the_file(tmp_path, monkeypatch, number):
    def fail(*_):
        raise OSError(number, os.strerror(number), "one.png")

    (tmp_path / "one.png").touch()
    monkeypatch.setattr(reading, "_opened", fail)
    with pytest.raises(OSError, match=r"one\.png") as raised:
        read_image(tmp_path / "one.png", 1)
    assert raised.value.errno == number


def test_channels_are_one_or_three(tmp_path):
    with pytest.raises(DataError, match="not 4"):
        read_image(tmp_path / "x.png", 4)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
@pytest.mark.parametrize("side", [9000, 20000])
def test_huge_images_are_refused_before_they_are_decoded(tmp_path, side):
    path = saved(tmp_path / "huge.png", Image.new("1", (side, side)))
    assert path.stat().st_size < 200_000, "small on disk"
    program = (
        "import pathlib, re, sys, warnings\n"
        "from gmssl.system.images.reading import read_image\n"
        "from gmssl.errors import DataError\n"
        "warnings.simplefilter('error')\n"
        "try: read_image(sys.argv[1], 3)\n"
        "except DataError as error: print(error)\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    message, kibibytes = done.stdout.splitlines()
    assert "limit" in message
    assert int(kibibytes) < 150_000, "decoded it would take 81 MB even at 8 bits; Python, numpy and Pillow take 50"


def encoded(ending, **options):
    buffer = io.BytesIO()
    Image.fromarray(COLOUR).save(buffer, ending, **options)
    return buffer.getvalue()


FILES = [encoded("PNG"), encoded("JPEG"), encoded("TIFF"), encoded("TIFF", compression="tiff_lzw"), encoded("BMP")]


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(FILES), st.floats(0, 1), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6))
def test_damaged_files_give_an_image_or_a_data_error(tmp_path_factory, content, kept, changes):
    damaged = bytearray(content[: int(len(content) * kept)]) if kept < 0.5 else bytearray(content)
    for place, value in changes:
        if damaged:
            damaged[int(place * (len(damaged) - 1) * (1 if place > 0.5 else 0.1))] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setattr(reading, "MAX_PIXELS", 10**6)
        seen = [outcome(lambda: read_image(path, 3)), outcome(lambda: read_image_bytes(bytes(damaged), str(path), 3))]
    if isinstance(seen[0], str):
        assert str(path) in seen[0]
        assert seen[0] == seen[1]
    else:
        assert seen[0].mode == "RGB"
        np.testing.assert_array_equal(*seen)


def outcome(read):
    try:
        return read()
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("content", FILES)
@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_read_as_their_file(tmp_path, content, channels):
    (tmp_path / "x").write_bytes(content)
    read = read_image_bytes(content, "x", channels)
    assert read.mode == {1: "L", 3: "RGB"}[channels]
    np.testing.assert_array_equal(read, read_image(tmp_path / "x", channels))


def test_messages_on_bytes_give_their_name():
    for content, reason in ((b"", "the file is empty"), (b"path,label", "none of JPEG"), (FILES[1][:-9], "truncated")):
        with pytest.raises(DataError, match=f"^shard 3, row 7 cannot be read: .*{reason}"):
            read_image_bytes(content, "shard 3, row 7", 1)
