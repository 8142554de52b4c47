"""PNG of every depth, transparency and order of rows against pixels known before they were written."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gmssl.errors import DataError
from gmssl.system.images.reading import read_image

H, W = 13, 21
RNG = np.random.default_rng(0)
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
DEPTHS = [(GREY, bits) for bits in (1, 2, 4, 8, 16)] + [(PALETTE, bits) for bits in (1, 2, 4, 8)]
DEPTHS += [(kind, bits) for kind in (COLOUR, GREY_ALPHA, COLOUR_ALPHA) for bits in (8, 16)]


def drawn(kind: int, bits: int) -> np.ndarray:
    """Random samples that fill 12 of 16 bits, or the bits there are."""
    samples = RNG.integers(0, 2 ** min(bits, 12), (H, W, CHANNELS[kind])).astype(np.uint16 if bits > 8 else np.uint8)
    if bits > 8 and kind in (GREY_ALPHA, COLOUR_ALPHA):
        samples[0, 0, -1] = 4095  # opacity of many bits is relative to its greatest
    return samples


def shown(samples: np.ndarray, kind: int, bits: int, colours: np.ndarray, clear: np.ndarray | None) -> np.ndarray:
    """What the documentation promises: `[H,W,1]` or `[H,W,3]`; `clear` is the transparent sample or opacities."""
    values = samples.astype(float)
    opacity = np.ones((H, W, 1))
    if kind in (GREY_ALPHA, COLOUR_ALPHA):
        opacity = values[..., -1:] / (4095 if bits > 8 else 255)
        values = values[..., :-1]
    if kind == PALETTE:
        pixels = colours[samples[..., 0]].astype(float)
        opacity = opacity if clear is None else clear[samples] / 255
    else:
        low, high = (values.min(), values.max()) if bits > 8 else (0, 2**bits - 1)
        pixels = (values - low) / (high - low) * 255
        opacity = opacity if clear is None else 1.0 - (samples == clear).all(2, keepdims=True)
    return pixels * opacity


@pytest.mark.parametrize("interlaced", [False, True], ids=["rows", "Adam7"])
@pytest.mark.parametrize("transparent", [False, True], ids=["opaque", "tRNS"])
@pytest.mark.parametrize(("kind", "bits"), DEPTHS, ids=str)
def test_every_kind(
    tmp_path: Path,
    write_png: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
    kind: int,
    bits: int,
    transparent: bool,
    interlaced: bool,
) -> None:
    samples, colours = drawn(kind, bits), RNG.integers(0, 256, (2**8, 3))
    clear = None
    chunks = [(b"PLTE", bytes(colours[: 2**bits].ravel().tolist()))] if kind == PALETTE else []
    if transparent and kind == PALETTE:
        clear = RNG.integers(0, 256, 2**bits)
        chunks.append((b"tRNS", bytes(clear.tolist())))
    elif transparent and kind in (GREY, COLOUR):
        clear = samples[3, 4]
        chunks.append((b"tRNS", struct.pack(f">{len(clear)}H", *clear.tolist())))
    path = write_png(tmp_path / "x.png", samples, kind, bits, interlaced, chunks)
    wanted = shown(samples, kind, bits, colours, clear)
    np.testing.assert_allclose(
        np.asarray(read_image(path, 3)), np.broadcast_to(wanted, (H, W, 3)), atol=1 if kind > PALETTE else 0.51
    )
    if wanted.shape[2] == 1:
        np.testing.assert_allclose(np.asarray(read_image(path, 1)), wanted[..., 0], atol=1 if kind > PALETTE else 0.51)
    assert capfd.readouterr() == ("", ""), "a decoder that talks would do so for every image"


@pytest.mark.parametrize("place", ["before the pixels", "after the pixels"])
@pytest.mark.parametrize(("kind", "bits"), [(GREY, 8), (GREY, 16), (PALETTE, 8), (COLOUR, 8), (COLOUR, 16)], ids=str)
def test_orientation(
    tmp_path: Path,
    write_png: Callable[..., Path],
    orientation: int,
    stored: Callable[[np.ndarray], np.ndarray],
    kind: int,
    bits: int,
    place: str,
) -> None:
    samples, colours = drawn(kind, bits), RNG.integers(0, 256, (256, 3))
    exif = [(b"eXIf", b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, orientation) + bytes(4))]
    before = [(b"PLTE", bytes(colours.ravel().tolist()))] if kind == PALETTE else []
    before, after = (before + exif, []) if place.startswith("before") else (before, exif)
    path = write_png(tmp_path / "x.png", stored(samples), kind, bits, before=before, after=after)
    wanted = np.broadcast_to(shown(samples, kind, bits, colours, None), (H, W, 3))
    np.testing.assert_allclose(np.asarray(read_image(path, 3)), wanted, atol=0.51)


@pytest.mark.parametrize(("kind", "bits"), [(GREY, 4), (GREY, 16), (COLOUR, 8), (COLOUR, 16)], ids=str)
def test_cut_files_are_refused(tmp_path: Path, write_png: Callable[..., Path], kind: int, bits: int) -> None:
    path = write_png(tmp_path / "x.png", drawn(kind, bits), kind, bits)
    whole = path.read_bytes()
    path.write_bytes(whole[:-60])
    with pytest.raises(DataError, match="truncated"):
        read_image(path, 3)
