"""Writers of image files from their specifications, which are not the readers."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

Tags = dict[int, Sequence[int]]
_FORMATS = {"b": 1, "u": 1, "i": 2, "f": 3, "c": 6}
_LONG, _RATIONAL = (254, 256, 257, 273, 278, 279, 324, 325, 330), (529, 532)


@dataclass(frozen=True)
class Page:
    """Tags of an image, its strips or tiles as they stand in the file, and the pages that hang below it."""

    tags: Tags
    chunks: list[bytes]
    below: list[Page] = field(default_factory=list)


class Tiff:
    """TIFF 6.0 and BigTIFF."""

    @staticmethod
    def page(
        samples: np.ndarray,
        photometric: int,
        bits: int,
        order: str = "<",
        planar: int = 1,
        deflate: bool = False,
        tile: int = 0,
        predictor: int = 1,
        fill_order: int = 1,
        tags: Tags | None = None,
        below: Iterable[Page] = (),
    ) -> Page:
        """Samples `[H,W,S]` in their native type as one strip, or tiles, a plane; odd numbers of bits are packed."""
        height, width, number = samples.shape
        chunks = []
        for plane in [samples] if planar == 1 else [samples[..., [s]] for s in range(number)]:
            for part in _tiles(plane, tile) if tile else [plane]:
                data = _bytes(part, bits, order, predictor)
                data = zlib.compress(data) if deflate else data
                chunks.append(_mirrored(data) if fill_order == 2 else data)
        entries: Tags = {256: [width], 257: [height], 258: [bits] * number, 259: [8 if deflate else 1]}
        entries |= {262: [photometric], 266: [fill_order], 277: [number], 284: [planar], 317: [predictor]}
        entries |= {322: [tile], 323: [tile]} if tile else {278: [height]}
        return Page(entries | {339: [_FORMATS[samples.dtype.kind]] * number} | (tags or {}), chunks, list(below))

    @staticmethod
    def encoded(size: tuple[int, int], data: bytes, tags: Tags, below: Iterable[Page] = ()) -> Page:
        """One strip that is encoded already; width, height, and what the tags have to say of it."""
        return Page({256: [size[0]], 257: [size[1]], 278: [size[1]]} | tags, [data], list(below))

    @staticmethod
    def write(path: Path, *pages: Page, order: str = "<", big: bool = False) -> Path:
        """The pages one after the other, each with its tags before its strips, so that the file ends with pixels."""
        word, short = ("Q", "Q") if big else ("I", "H")
        room = struct.calcsize(word)
        head = (b"II" if order == "<" else b"MM") + struct.pack(
            f"{order}{'HHH' if big else 'H'}", *([43, 8, 0] if big else [42])
        )
        out = bytearray(head + bytes(room))

        def put(page: Page, link: int) -> int:
            """Writes a page at the end, and its place at `link`; the place of the link to the next one."""
            out.extend(bytes(len(out) % 2))
            struct.pack_into(order + word, out, link, len(out))
            places, lengths = (324, 325) if 322 in page.tags else (273, 279)
            tags = page.tags | {places: [0] * len(page.chunks), lengths: [len(chunk) for chunk in page.chunks]}
            tags |= {330: [0] * len(page.below)} if page.below else {}
            start, count = len(out), struct.calcsize(order + short)
            after = start + count + len(tags) * (4 + 2 * room)
            out.extend(struct.pack(order + short, len(tags)) + bytes(after - start - count + room))
            found: dict[int, int] = {}
            for number, (tag, values) in enumerate(sorted(tags.items())):
                kind, letter = (4, "I") if tag in _LONG else (5, "I") if tag in _RATIONAL else (3, "H")
                packed = struct.pack(f"{order}{len(values)}{letter}", *values)
                entry = start + count + number * (4 + 2 * room)
                struct.pack_into(f"{order}HH{word}", out, entry, tag, kind, len(values) // (2 if kind == 5 else 1))
                found[tag] = entry + 4 + room
                if len(packed) > room:
                    struct.pack_into(order + word, out, found[tag], len(out))
                    found[tag] = len(out)
                    out.extend(packed)
                else:
                    out[found[tag] : found[tag] + len(packed)] = packed
            for number, chunk in enumerate(page.chunks):
                struct.pack_into(f"{order}I", out, found[places] + 4 * number, len(out))
                out.extend(chunk)
            for number, further in enumerate(page.below):
                put(further, found[330] + 4 * number)
            return after

        link = len(head)
        for page in pages:
            link = put(page, link)
        path.write_bytes(out)
        return path

    def one(self, path: Path, *args: object, order: str = "<", big: bool = False, **options: object) -> Path:
        """A file of one page; arguments of `page`."""
        return self.write(path, self.page(*args, order=order, **options), order=order, big=big)


def _tiles(plane: np.ndarray, side: int) -> Iterable[np.ndarray]:
    height, width = plane.shape[:2]
    filled = np.pad(plane, ((0, -height % side), (0, -width % side), (0, 0)), mode="edge")
    for row, column in itertools.product(range(0, height, side), range(0, width, side)):
        yield filled[row : row + side, column : column + side]


def _bytes(part: np.ndarray, bits: int, order: str, predictor: int) -> bytes:
    height, _, number = part.shape
    if predictor == 2:
        part = np.diff(part, axis=1, prepend=np.zeros_like(part[:, :1]))
    if predictor == 3:  # bytes of equal significance side by side, the greatest first; then their differences
        values = part.reshape(height, -1).astype(part.dtype.newbyteorder(">"))
        rows = values.view(np.uint8).reshape(height, -1, part.dtype.itemsize).swapaxes(1, 2).reshape(height, -1)
        return np.concatenate([rows[:, :number], rows[:, number:] - rows[:, :-number]], axis=1).tobytes()
    if bits in (8, 16, 32, 64, 128):
        return part.astype(part.dtype.newbyteorder(order)).tobytes()
    rows = part.reshape(height, -1)[..., None] >> np.arange(bits)[::-1].astype(part.dtype) & 1
    return np.packbits(rows.reshape(height, -1).astype(np.uint8), axis=1).tobytes()


def _mirrored(data: bytes) -> bytes:
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    return np.packbits(bits.reshape(-1, 8)[:, ::-1]).tobytes()


@pytest.fixture(scope="session")
def tiff() -> Tiff:
    return Tiff()


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Column and row of the first pixel of each pass, and the steps to the next ones."""

Chunks = Sequence[tuple[bytes, bytes]]


def _write_png(
    path: Path,
    samples: np.ndarray,
    colour_type: int,
    bits: int,
    interlaced: bool = False,
    before: Chunks = (),
    after: Chunks = (),
) -> Path:
    """A PNG of samples `[H,W,S]`, with further chunks before and after the pixels."""
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [samples]
    rows = b"".join(b"\0" + _bytes(row[None], bits, ">", 1) for part in parts if part.size for row in part)
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, colour_type, 0, 0, interlaced)
    chunks = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(rows)), *after, (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    )
    return path


@pytest.fixture(scope="session")
def write_png() -> Callable[..., Path]:
    return _write_png


TURNS = {  # the tag's words, TIFF 6.0 page 36: where row 0 and column 0 lie; from what is seen to what is stored
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),  # shown by a turn clockwise
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.fixture(params=TURNS, scope="session")
def orientation(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(scope="session")
def stored(orientation: int) -> Callable[[np.ndarray], np.ndarray]:
    """How a file of this orientation holds an image that is seen as given."""
    return lambda seen: np.ascontiguousarray(TURNS[orientation](seen))
