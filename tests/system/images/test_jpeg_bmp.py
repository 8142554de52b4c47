"""JPEG and BMP of rarer kinds: their pixels, known before they were written, or the true reason of a refusal."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from gmssl.errors import DataError
from gmssl.system.images.reading import ORIENTATION, read_image

H, W = 32, 48
ROWS, COLUMNS = np.mgrid[:H, :W]
SEEN = np.dstack([ROWS * 2 + COLUMNS, ROWS[::-1] * 4 + COLUMNS, ROWS + COLUMNS * 3]).astype(np.uint8)
INKS = np.dstack([SEEN, SEEN[..., 0] // 3])
PRINTED = (1 - INKS[..., :3] / 255) * (1 - INKS[..., 3:] / 255) * 255


def close(path: Path, wanted: np.ndarray, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(read_image(path, 3)).astype(float), wanted, atol=tolerance)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_is_turned(tmp_path: Path, orientation: int, stored: Callable, mode: str) -> None:
    source = Image.fromarray(SEEN).convert(mode)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.fromarray(stored(np.asarray(source)), mode=mode)
    image.save(tmp_path / "x.jpg", quality=97, subsampling=0, exif=exif)
    close(tmp_path / "x.jpg", np.asarray(source.convert("RGB")), 5)


@pytest.mark.parametrize("inside", ["CMYK", "YCCK"])
def test_jpeg_of_inks(tmp_path: Path, inside: str) -> None:
    """Adobe writes inks inverted, and a marker of its own; without it there is no saying which is meant."""
    data = imagecodecs.jpeg_encode(255 - INKS, level=97, colorspace="CMYK", outcolorspace=inside, subsampling="444")
    (tmp_path / "x.jpg").write_bytes(data)
    close(tmp_path / "x.jpg", PRINTED, 5)
    marker = data.index(b"\xff\xee")
    (tmp_path / "x.jpg").write_bytes(data[:marker] + data[marker + 2 + int.from_bytes(data[marker + 2 : marker + 4]) :])
    with pytest.raises(DataError, match="four channels and does not say what they mean"):
        read_image(tmp_path / "x.jpg", 3)


@pytest.mark.parametrize(("bits", "lossless"), [(12, False), (12, True), (16, True)])
def test_deep_jpeg_is_refused(tmp_path: Path, bits: int, lossless: bool) -> None:
    encode = imagecodecs.ljpeg_encode if lossless else imagecodecs.jpeg_encode
    (tmp_path / "x.jpg").write_bytes(encode(SEEN[..., 0].astype(np.uint16) * 9, bitspersample=bits))
    with pytest.raises(DataError, match=f"begins as JPEG.*{bits}-bit.*write it as PNG or TIFF"):
        read_image(tmp_path / "x.jpg", 3)


def bmp(path: Path, rows: bytes, bits: int, masks: tuple[int, ...] = (), colours: bytes = b"", height: int = H) -> Path:
    """Rows as they stand in the file, the lowest first; four masks make a header of version 4."""
    size = 108 if len(masks) == 4 else 40
    fields = struct.pack(f"<{len(masks)}I", *masks)
    rest = (fields.ljust(68, b"\0") if size == 108 else fields) + colours
    start = 14 + 40 + len(rest)
    info = struct.pack(
        "<IiiHHIIiiII", size, W, height, 1, bits, 3 if masks else 0, len(rows), 0, 0, len(colours) // 4, 0
    )
    path.write_bytes(b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + rest + rows)
    return path


def test_bmp(tmp_path: Path) -> None:
    file = tmp_path / "x.bmp"
    blue_first = SEEN[::-1, :, ::-1]
    close(bmp(file, blue_first.tobytes(), 24), SEEN, 0)
    close(bmp(file, blue_first[::-1].tobytes(), 24, height=-H), SEEN, 0)
    for unused in (0, 128, 255):
        close(bmp(file, np.dstack([blue_first, np.full((H, W), unused, np.uint8)]).tobytes(), 32), SEEN, 0)
    opacity = SEEN[..., :1]
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    close(bmp(file, np.dstack([blue_first, opacity[::-1]]).tobytes(), 32, masks), SEEN * (opacity / 255), 1)
    palette = np.random.default_rng(0).integers(0, 256, (256, 4))
    index = SEEN[..., 2]
    close(bmp(file, index[::-1].tobytes(), 8, colours=bytes(palette.ravel().tolist())), palette[index][..., 2::-1], 0)


@pytest.mark.parametrize("green", [5, 6])
def test_bmp_of_16_bits(tmp_path: Path, green: int) -> None:
    red, middle, blue = (SEEN[..., 0] >> 3, SEEN[..., 1] >> (8 - green), SEEN[..., 2] >> 3)
    pixels = (red.astype("<u2") << (5 + green)) | (middle.astype("<u2") << 5) | blue
    masks = (0xF800, 0x7E0, 0x1F) if green == 6 else ()
    wanted = np.dstack([red / 31, middle / (2**green - 1), blue / 31]) * 255
    close(bmp(tmp_path / "x.bmp", pixels[::-1].tobytes(), 16, masks), wanted, 1)


def test_bmp_of_other_kinds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.bmp cannot be read: .*pixel depth \(2\)"):
        read_image(bmp(tmp_path / "x.bmp", bytes(H * W // 4), 2, colours=bytes(16)), 3)
    masks = (0x3FF00000, 0xFFC00, 0x3FF)
    with pytest.raises(DataError, match=r"x\.bmp cannot be read: .*bitfields layout"):
        read_image(bmp(tmp_path / "x.bmp", bytes(H * W * 4), 32, masks), 3)
