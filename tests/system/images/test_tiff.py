"""TIFF against pixels known before they were written, by writers that are not the readers."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gmssl.errors import DataError
from gmssl.system.images.reading import read_image

H, W = 6, 9
RNG = np.random.default_rng(0)


def shown(samples: np.ndarray, photometric: int, bits: int) -> np.ndarray:
    """What the documentation promises, for grey and colour, without 8-bit special cases."""
    values = samples.astype(np.float64)
    if bits <= 8 and samples.dtype.kind == "u":
        values = values / (2**bits - 1)
    else:
        values = (values - values.min()) / (values.max() - values.min())
    return 255 * (1 - values if photometric == 0 else values)


def drawn(bits: int, dtype: str, channels: int) -> np.ndarray:
    """Random samples that fill 12 of 16 bits, or the bits there are."""
    if dtype[0] == "f":
        return RNG.normal(size=(H, W, channels)).astype(dtype)
    top = 2 ** min(bits, 12)
    low, high = (-top // 2, top // 2) if dtype[0] == "i" else (0, top)
    return RNG.integers(low, high, (H, W, channels)).astype(dtype)


DEPTHS = [(1, "u1"), (2, "u1"), (4, "u1"), (8, "u1"), (8, "i1"), (16, "u2"), (16, "i2"), (32, "u4"), (32, "i4")]
DEPTHS += [(16, "f2"), (32, "f4"), (64, "f8")]


@pytest.mark.parametrize("photometric", [0, 1, 2], ids=["white is zero", "black is zero", "RGB"])
@pytest.mark.parametrize(("bits", "dtype"), DEPTHS, ids=str)
def test_the_table_of_modes(tmp_path: Path, tiff, orientation, stored, bits: int, dtype: str, photometric: int) -> None:
    channels = 3 if photometric == 2 else 1
    if channels == 3 and bits < 8:
        pytest.skip("colour of so few bits is in no file we know")
    seen = drawn(bits, dtype, channels)
    for order, planar, deflate in itertools.product("<>", (1, 2), (False, True)):
        path = tmp_path / f"{ord(order)}{planar}{deflate}.tif"
        options = {"planar": planar, "deflate": deflate, "tags": {274: [orientation]}}
        tiff.one(path, stored(seen), photometric, bits, order=order, **options)
        read = np.asarray(read_image(path, channels)).reshape(H, W, channels)
        np.testing.assert_allclose(read, shown(seen, photometric, bits), atol=0.51, err_msg=path.name)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LA", "I;16", "I", "F"])
def test_compressions_written_by_libtiff(tmp_path: Path, mode: str, compression: str) -> None:
    source = Image.fromarray(drawn(8, "u1", 3))
    source = source.convert("I").convert(mode) if mode == "I;16" else source.convert(mode)
    source.save(tmp_path / "x.tif", compression=None if compression == "raw" else compression)
    if mode in ("I;16", "I", "F"):
        wanted = shown(np.asarray(source, dtype=np.float64)[..., None].repeat(3, 2), 1, 32)
    else:
        wanted = np.asarray((Image.alpha_composite(Image.new("RGBA", (W, H), "black"), source.convert("RGBA"))
                             if mode in ("LA", "RGBA") else source).convert("RGB"))  # fmt: skip
    np.testing.assert_allclose(np.asarray(read_image(tmp_path / "x.tif", 3)), wanted, atol=0.51)


def test_12_bits_of_16_in_grey_with_alpha_and_planes(tmp_path: Path, tiff) -> None:
    grey = drawn(16, "u2", 1)
    clear = np.full((H, W, 1), 4095, dtype=np.uint16)
    clear[0] = 0
    for planar in (1, 2):
        path = tiff.one(tmp_path / "x.tif", np.dstack([grey, clear]), 1, 16, planar=planar, tags={338: [2]})
        read = np.asarray(read_image(path, 1))
        np.testing.assert_allclose(read[1:], shown(grey, 1, 16)[1:, :, 0], atol=0.51)
        assert not read[0].any()


def test_rgba_is_turned(tmp_path: Path, tiff, orientation, stored) -> None:
    seen = np.dstack([drawn(8, "u1", 3), np.full((H, W), 255, np.uint8)])
    path = tiff.one(tmp_path / "x.tif", stored(seen), 2, 8, tags={274: [orientation], 338: [2]})
    np.testing.assert_array_equal(np.asarray(read_image(path, 3)), seen[..., :3])


def test_a_palette_with_8_bits_where_16_belong(tmp_path: Path, tiff) -> None:
    colours = RNG.integers(0, 256, (3, 256))
    index = drawn(8, "u1", 1)
    for factor in (1, 257):
        path = tiff.one(tmp_path / "x.tif", index, 3, 8, tags={320: (colours * factor).ravel().tolist()})
        np.testing.assert_array_equal(np.asarray(read_image(path, 3)), colours.T[index[..., 0]])


def test_the_true_reason_of_a_refusal(tmp_path: Path, tiff) -> None:
    cases = {
        "2 channels and does not say": (drawn(8, "u1", 2), 1, {338: [0]}),
        "5 channels and does not say": (drawn(16, "u2", 5), 1, {338: [0] * 4}),
        "complex": (drawn(64, "f4", 1).astype(np.complex64), 1, {}),
        "raw sensor": (drawn(16, "u2", 1), 32803, {}),
        "inks": (drawn(8, "u1", 4), 5, {332: [2]}),
        "16-bit YCbCr": (drawn(16, "u2", 3), 6, {}),
    }
    for reason, (samples, photometric, tags) in cases.items():
        path = tiff.one(tmp_path / "x.tif", samples, photometric, samples.dtype.itemsize * 8, tags=tags)
        with pytest.raises(DataError, match=reason):
            read_image(path, 1)
    whole = tiff.one(tmp_path / "x.tif", drawn(8, "u1", 3), 2, 8, planar=2).read_bytes()
    (tmp_path / "x.tif").write_bytes(whole[: -H * W])
    with pytest.raises(DataError, match=r"truncated: 1 of 3 strips or tiles are missing"):
        read_image(tmp_path / "x.tif", 3)
