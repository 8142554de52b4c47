"""Rarer TIFF: each kind is read as its pixels, known before they were written, or refused by its true reason."""

from __future__ import annotations

import io
import itertools
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from gmssl.errors import DataError
from gmssl.system.images.reading import read_image

H, W = 32, 48
ROWS, COLUMNS = np.mgrid[:H, :W]
SEEN = np.dstack([ROWS * 2 + COLUMNS, ROWS[::-1] * 4 + COLUMNS, ROWS + COLUMNS * 3]).astype(
    np.uint8
)  # smooth, for JPEG
GREY = SEEN[..., :1]
RNG = np.random.default_rng(0)
OPACITY = RNG.integers(0, 256, (H, W, 1)).astype(np.uint8)
RGB, PALETTE, INKS, YCBCR, LAB = 2, 3, 5, 6, 8


def read(path: Path) -> np.ndarray:
    return np.asarray(read_image(path, 3)).astype(float)


def close(path: Path, wanted: np.ndarray, tolerance: float = 0.51) -> None:
    np.testing.assert_allclose(read(path), np.broadcast_to(wanted, (H, W, 3)), atol=tolerance)


def refused(path: Path, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_image(path, 3)


def stretched(values: np.ndarray) -> np.ndarray:
    values = values.astype(float)
    return (values - values.min()) / (values.max() - values.min()) * 255


def jpeg(pixels: np.ndarray, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels.squeeze())
    options = {"subsampling": 0} if image.mode == "RGB" else {}
    (image if mode is None else image.convert(mode)).save(file, "JPEG", quality=97, **options)
    return file.getvalue()


@pytest.mark.parametrize("big", [False, True], ids=["classic", "BigTIFF"])
@pytest.mark.parametrize("tile", [0, 16, 32])
def test_tiles_and_large_files(tmp_path: Path, tiff, tile: int, big: bool) -> None:
    """32 does not divide the width, so that the last tiles reach over the edge."""
    for order, planar, deflate in itertools.product("<>", (1, 2), (False, True)):
        options = {"order": order, "big": big, "planar": planar, "deflate": deflate, "tile": tile}
        close(tiff.one(tmp_path / "x.tif", SEEN, RGB, 8, **options), SEEN)
        deep = SEEN.astype(np.uint16) * 9
        close(tiff.one(tmp_path / "x.tif", deep, RGB, 16, **options), stretched(deep))


@pytest.mark.parametrize("fill_order", [1, 2])
@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8, 10, 12, 14, 16])
def test_packed_bits_in_both_orders(tmp_path: Path, tiff, bits: int, fill_order: int) -> None:
    for photometric, deflate in itertools.product((0, 1, RGB), (False, True)):
        values = RNG.integers(0, 2**bits, (H, W - 1, 3 if photometric == RGB else 1)).astype(np.uint16)
        stored = values.astype(np.uint8) if bits <= 8 else values
        options = {"deflate": deflate, "fill_order": fill_order}
        found = read(tiff.one(tmp_path / "x.tif", stored, photometric, bits, **options))
        wanted = values * (255 / (2**bits - 1)) if bits <= 8 else stretched(values)
        wanted = 255 - wanted if photometric == 0 else wanted
        np.testing.assert_allclose(found, np.broadcast_to(wanted, found.shape), atol=0.51)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f2", "f4", "f8"])
def test_predictors(tmp_path: Path, tiff, dtype: str) -> None:
    for order, number, tile in itertools.product("<>", (1, 3), (0, 16)):
        if dtype[0] == "f":
            values, predictor = RNG.normal(size=(H, W, number)).astype(dtype), 3
        else:
            values, predictor = RNG.integers(0, 100, (H, W, number)).astype(dtype), 2
        options = {"order": order, "tile": tile, "deflate": True, "predictor": predictor}
        path = tiff.one(tmp_path / "x.tif", values, RGB if number == 3 else 1, 8 * values.itemsize, **options)
        close(path, values if dtype == "u1" else stretched(values))


@pytest.mark.parametrize("bits", [1, 8, 16])
def test_inks_become_colour(tmp_path: Path, tiff, bits: int) -> None:
    inks = RNG.integers(0, 2**bits, (H, W, 4))
    share = inks / (2**bits - 1)
    colour = (1 - share[..., :3]) * (1 - share[..., 3:]) * 255
    wanted = stretched(colour) if bits == 16 else colour
    for planar, deflate in itertools.product((1, 2), (False, True)):
        options = {"planar": planar, "deflate": deflate}
        stored = inks.astype(np.uint16 if bits == 16 else np.uint8)
        close(tiff.one(tmp_path / "x.tif", stored, INKS, bits, **options), wanted, 1)
        with_alpha = np.dstack([stored, OPACITY.astype(stored.dtype) >> (8 - bits if bits < 8 else 0)])
        shown = with_alpha[..., 4:] / with_alpha[..., 4:].max()
        path = tiff.one(tmp_path / "x.tif", with_alpha, INKS, bits, tags={338: [2]}, **options)
        close(path, wanted * shown, 1.5)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_palettes(tmp_path: Path, tiff, bits: int) -> None:
    colours = RNG.integers(0, 256, (3, 2**bits))
    index = RNG.integers(0, 2**bits, (H, W, 1)).astype(np.uint16 if bits == 16 else np.uint8)
    wanted, tags = colours.T[index[..., 0]], {320: (colours * 257).ravel().tolist()}
    close(tiff.one(tmp_path / "x.tif", index, PALETTE, bits, tags=tags), wanted)
    clear = np.where(OPACITY > 99, 2**bits - 1, 0).astype(index.dtype)
    path = tiff.one(tmp_path / "x.tif", np.dstack([index, clear]), PALETTE, bits, tags=tags | {338: [2]})
    close(path, wanted * (clear > 0))


OTHER = OPACITY[::-1]
CHANNELS = {  # what is stored, the meaning of the extra channels, what is seen
    "grey, unassociated": (GREY, [OPACITY], [2], GREY * (OPACITY / 255)),
    "grey, associated": (GREY, [OPACITY], [1], GREY),
    "colour, unassociated": (SEEN, [OPACITY], [2], SEEN * (OPACITY / 255)),
    "colour, associated": (SEEN, [OPACITY], [1], SEEN),
    "colour, unspecified": (SEEN, [OPACITY], [0], SEEN),
    "colour, opacity first": (SEEN, [OPACITY, OTHER], [2, 0], SEEN * (OPACITY / 255)),
    "colour, opacity second": (SEEN, [OTHER, OPACITY], [0, 2], SEEN * (OPACITY / 255)),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_opacity_lays_pixels_on_black(tmp_path: Path, tiff, name: str) -> None:
    own, further, meanings, wanted = CHANNELS[name]
    samples = np.dstack([own, *further])
    for planar in (1, 2):
        options = {"planar": planar, "tags": {338: meanings}}
        close(tiff.one(tmp_path / "x.tif", samples, RGB if own.shape[2] == 3 else 1, 8, **options), wanted)


def test_inks_that_were_multiplied_are_refused(tmp_path: Path, tiff) -> None:
    samples = np.dstack([SEEN, GREY, OPACITY])
    refused(tiff.one(tmp_path / "x.tif", samples, INKS, 8, tags={338: [1]}), "inks are multiplied by their opacity")


KINDS = {"grey": (GREY, 1, 1), "colour": (SEEN, YCBCR, 3), "white is zero": (255 - GREY, 0, 1)}


@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_inside_is_turned(tmp_path: Path, tiff, orientation, stored, kind: str) -> None:
    pixels, photometric, number = KINDS[kind]
    image = stored(pixels)
    tags = {258: [8] * number, 259: [7], 262: [photometric], 274: [orientation], 277: [number]}
    tags |= {530: [1, 1]} if number == 3 else {}
    for big in (False, True):
        page = tiff.encoded(image.shape[1::-1], jpeg(image), tags)
        close(tiff.write(tmp_path / "x.tif", page, big=big), 255 - pixels if photometric == 0 else pixels, 5)


def test_inks_and_planes_of_jpeg_inside(tmp_path: Path, tiff) -> None:
    inks = np.dstack([SEEN, GREY // 3])
    data = imagecodecs.jpeg_encode(inks, level=97, colorspace="CMYK", outcolorspace="CMYK")
    tags = {258: [8] * 4, 259: [7], 262: [INKS], 277: [4]}
    share = inks / 255
    wanted = (1 - share[..., :3]) * (1 - share[..., 3:]) * 255
    close(tiff.write(tmp_path / "x.tif", tiff.encoded((W, H), data, tags)), wanted, 5)
    page = tiff.page(SEEN, RGB, 8, planar=2, tags={259: [7]})
    page.chunks[:] = [jpeg(SEEN[..., channel]) for channel in range(3)]
    close(tiff.write(tmp_path / "x.tif", page), SEEN, 5)


@pytest.mark.parametrize(("bits", "lossless"), [(12, False), (12, True), (16, True)])
def test_deep_jpeg_inside(tmp_path: Path, tiff, bits: int, lossless: bool) -> None:
    values = (GREY.astype(np.uint16) * 16)[..., 0]
    encode = imagecodecs.ljpeg_encode if lossless else imagecodecs.jpeg_encode
    data = encode(values, bitspersample=bits, **({} if lossless else {"level": 98}))
    tags = {258: [bits], 259: [7], 262: [1], 277: [1]}
    close(tiff.write(tmp_path / "x.tif", tiff.encoded((W, H), data, tags)), stretched(GREY), 3)


def ycbcr(red: float, green: float, blue: float, studio: bool) -> np.ndarray:
    """`SEEN` by the shares of brightness, in all 256 levels or in those of a studio (TIFF 6.0, section 21)."""
    seen = SEEN.astype(float)
    bright = seen @ np.array([red, green, blue])
    colour = [(seen[..., 2] - bright) / (2 - 2 * blue), (seen[..., 0] - bright) / (2 - 2 * red)]
    if studio:
        bright, colour = bright / 255 * 219 + 16, [c / 127 * 112 for c in colour]
    return np.dstack([bright, *(c + 128 for c in colour)]).round().clip(0, 255).astype(np.uint8)


def units(samples: np.ndarray, across: int, down: int) -> bytes:
    """Brightness of `across`×`down` pixels, then their mean colour."""
    blocks = samples.reshape(H // down, down, W // across, across, 3).swapaxes(1, 2)
    bright = blocks[..., 0].reshape(H // down, W // across, -1)
    return np.dstack([bright, blocks[..., 1:].mean((2, 3)).round().astype(np.uint8)]).tobytes()


JPEG_S, REC_709 = (0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)
STUDIO = {532: [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1]}
SHARES = {529: [round(10000 * part) if i == 0 else 10000 for part in REC_709 for i in (0, 1)]}


@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize(
    ("sampling", "shares", "studio", "reason"),
    [
        ((1, 1), JPEG_S, False, None),
        ((2, 1), JPEG_S, False, "fewer samples of colour than of brightness"),
        ((2, 2), JPEG_S, False, "fewer samples of colour than of brightness"),
        ((4, 2), JPEG_S, False, "fewer samples of colour than of brightness"),
        ((1, 1), REC_709, False, "other primaries than JPEG's"),
        ((1, 1), JPEG_S, True, "another range than JPEG's"),
        ((2, 2), REC_709, True, "fewer samples of colour than of brightness"),
    ],
)
def test_ycbcr(tmp_path: Path, tiff, sampling, shares, studio: bool, reason: str | None, compression: str) -> None:
    """libtiff decodes it where it is compressed; uncompressed, Pillow takes every kind for that of JPEG."""
    data = units(ycbcr(*shares, studio), *sampling)
    data = zlib.compress(data) if compression == "deflate" else data
    tags = {258: [8] * 3, 259: [8 if compression == "deflate" else 1], 262: [YCBCR], 277: [3], 530: sampling}
    tags |= (STUDIO if studio else {}) | (SHARES if shares == REC_709 else {})
    path = tiff.write(tmp_path / "x.tif", tiff.encoded((W, H), data, tags))
    if compression == "none" and reason:
        refused(path, f"it holds uncompressed YCbCr .*{reason}.*; compress it, or write it as RGB")
    else:
        close(path, SEEN, 4 if sampling == (1, 1) else 10)


def test_ycbcr_in_planes_and_of_16_bits(tmp_path: Path, tiff) -> None:
    samples = ycbcr(*JPEG_S, studio=False)
    refused(tiff.one(tmp_path / "x.tif", samples, YCBCR, 8, planar=2, tags={530: [1, 1]}), "YCbCr in separate planes")
    refused(tiff.one(tmp_path / "x.tif", samples.astype(np.uint16), YCBCR, 16), "16-bit YCbCr")


def test_lab(tmp_path: Path, tiff) -> None:
    """The corners of sRGB under D50, from tables; a* and b* are signed."""
    lab = np.array([[54.3, 80.8, 69.9], [87.8, -79.3, 81.0], [29.6, 68.3, -112.0], [100, 0, 0], [0, 0, 0]])
    seen = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3, [0] * 3])
    bright = (lab[:, :1] * 2.55).round().astype(np.uint8)
    samples = np.hstack([bright, lab[:, 1:].round().astype(np.int8).view(np.uint8)])[None]
    found = read(tiff.one(tmp_path / "x.tif", samples, LAB, 8))
    np.testing.assert_allclose(found[0], seen, atol=24)  # a step of a* or b* is many of sRGB where it is dark
    for photometric, name in ((9, "ICCLab"), (10, "ITULab")):
        refused(tiff.one(tmp_path / "x.tif", samples, photometric, 8), f"it holds 8-bit {name}")


REDUCED, SECOND, MASK = {254: [1]}, {254: [2]}, {254: [4]}


@pytest.mark.parametrize("big", [False, True], ids=["classic", "BigTIFF"])
@pytest.mark.parametrize("inside", ["raw", "jpeg"])
def test_the_first_whole_page_counts(tmp_path: Path, tiff, inside: str, big: bool) -> None:
    def page(pixels: np.ndarray, tags: dict, below: tuple = ()) -> object:
        if inside == "raw":
            return tiff.page(pixels, RGB, 8, tags=tags, below=below)
        tags = {258: [8] * 3, 259: [7], 262: [YCBCR], 277: [3], 530: [1, 1]} | tags
        return tiff.encoded(pixels.shape[1::-1], jpeg(pixels), tags, below)

    small, other = SEEN[::4, ::4], SEEN[::-1]
    mask = tiff.page((GREY > 60).astype(np.uint8), 4, 1, tags=MASK)
    files = {
        "whole, then reduced": [page(SEEN, {}), page(small, REDUCED)],
        "reduced, then whole": [page(small, REDUCED), page(SEEN, {}), page(other, {})],
        "reduced by the old tag": [page(small, {255: [2]}), page(SEEN, {})],
        "the whole one below the reduced": [page(small, REDUCED, (page(SEEN, {}),)), page(other, {})],
        "the reduced one below the whole": [page(SEEN, {}, (page(small, REDUCED),))],
        "a mask first": [mask, page(SEEN, {})],
        "a mask second": [page(SEEN, {}), mask],
        "pages of a document": [page(SEEN, SECOND), page(other, SECOND)],
        "nothing whole": [page(SEEN, REDUCED), page(small, REDUCED)],
    }
    for name, pages in files.items():
        found = read(tiff.write(tmp_path / "x.tif", *pages, big=big))
        assert found.shape == SEEN.shape, name
        np.testing.assert_allclose(found, SEEN, atol=0 if inside == "raw" else 5, err_msg=name)


@pytest.mark.parametrize("kind", ["raw", "deflate", "jpeg", "YCbCr", "YCbCr, deflate"])
def test_cut_files_say_so(tmp_path: Path, tiff, kind: str) -> None:
    tags = {258: [8] * 3, 259: [7], 262: [YCBCR], 277: [3], 530: [1, 1]}
    pages = {
        "raw": tiff.page(SEEN, RGB, 8),
        "deflate": tiff.page(SEEN, RGB, 8, deflate=True),
        "jpeg": tiff.encoded((W, H), jpeg(SEEN), tags),
        "YCbCr": tiff.page(SEEN, YCBCR, 8, tags={530: [1, 1]}),
        "YCbCr, deflate": tiff.page(SEEN, YCBCR, 8, deflate=True, tags={530: [1, 1]}),
    }
    path = tiff.write(tmp_path / "x.tif", pages[kind])
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    refused(path, "truncated: 1 of 1 strips or tiles are cut off")
    path.write_bytes(whole[: -len(pages[kind].chunks[0])])
    refused(path, "truncated: 1 of 1 strips or tiles are missing")
