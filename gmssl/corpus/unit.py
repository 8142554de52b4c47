"""One unit of work: read the pieces of a plan's unit, and write one file of the store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmssl.corpus.grey import encoded, is_empty, perceptual_hash, resized, shown, size_of, to_grey
from gmssl.corpus.plan import Piece, as_bytes
from gmssl.corpus.recipe import Corpus, Source
from gmssl.corpus.schema import COLUMNS, arrow_schema, batch_of
from gmssl.corpus.slices import Slice, SlicePolicy, cut
from gmssl.errors import DataError
from gmssl.interfaces.reader import LibraryError, Scan
from gmssl.system.files import replacing, sha256_of
from gmssl.system.images.metadata import without_metadata
from gmssl.system.images.stored import digest_of_pixels, read_stored

if TYPE_CHECKING:
    from PIL import Image

ROWS, BYTES = 512, 32 << 20
"""Rows are written in batches of at most so many, and so many bytes of images: what a worker holds beside one scan.

A store of a million rows opens in a second because its batches are few.
"""
GREYS = 32
"""Bins of the histograms of grey values."""

Row = dict[str, Any]


@dataclass
class Tally:
    """What became of the pieces of a source in a unit.

    Attributes:
        slices: images written.
        empty: slices left out because they are empty.
        excluded: images left out because a list excludes them.
        faults: names of pieces that could not be read, with the reason.
        greys: pixels in each of `GREYS` equal parts of the range.
    """

    slices: int = 0
    empty: int = 0
    excluded: int = 0
    faults: list[tuple[str, str]] = field(default_factory=list)
    greys: list[int] = field(default_factory=lambda: [0] * GREYS)


def build_unit(corpus: Corpus, pieces: tuple[Piece, ...], excluded: frozenset[str], arrow: Path, told: Path) -> None:
    """Write the Arrow file of a unit, and then what became of it; both appear complete.

    Raises:
        OSError, MemoryError: the machine is at fault.
        LibraryError: a library that a reader needs is missing.
    """
    import pyarrow

    schema = arrow_schema()
    tallies: dict[int, Tally] = {}
    with replacing(arrow) as file, pyarrow.ipc.new_stream(file, schema) as writer:
        rows: list[Row] = []
        size = 0
        for piece in pieces:
            tally = tallies.setdefault(piece.source, Tally())
            for row in _rows(corpus, piece, excluded, tally):
                rows.append(row)
                size += len(row["image"]["bytes"])
                if len(rows) == ROWS or size >= BYTES:
                    writer.write_batch(batch_of(rows, schema))
                    rows, size = [], 0
        if rows:
            writer.write_batch(batch_of(rows, schema))
    with replacing(told) as file:
        of_sources = {str(source): vars(tally) for source, tally in tallies.items()}
        file.write(as_bytes({"sha256": sha256_of(arrow), "tallies": of_sources}))


def _rows(corpus: Corpus, piece: Piece, excluded: frozenset[str], tally: Tally) -> Iterator[Row]:
    """The rows of a piece; if it turns out to be broken half way, those before the fault stay."""
    source = corpus.sources[piece.source]
    try:
        scan = source.reader.read(corpus.folder_of(source), piece.acquisition)
        modality = source.modality or piece.acquisition.modality
        bounds = corpus.window_of(source).bounds(scan, modality)
        for piece_slice in cut(scan, corpus.slices_of(source), piece.start, piece.stop):
            row = _row(corpus, source, piece, scan, piece_slice, bounds, tally)
            if row is None:
                continue
            if row["pixels"] in excluded:
                tally.excluded += 1
                continue
            tally.slices += 1
            yield row
    except LibraryError:
        raise
    except DataError as error:
        tally.faults.append((piece.acquisition.name, str(error)))


def _row(
    corpus: Corpus,
    source: Source,
    piece: Piece,
    scan: Scan,
    taken: Slice,
    bounds: tuple[float, float],
    tally: Tally,
) -> Row | None:
    """The row of a slice; None if it is empty and not among those that are kept."""
    from PIL import Image

    policy = corpus.slices_of(source)
    grey = to_grey(taken, bounds, scan.inverted, corpus.bits)
    name = f"{piece.called}/{taken.number:05d}"
    if policy.empty < 1 and is_empty(grey, policy.filled) and not _kept(policy, name):
        tally.empty += 1
        return None
    size = size_of(grey.shape, taken.spacing, policy)
    unchanged = size == grey.shape[:2] and grey is taken.values
    pixels = resized(grey, size)
    data = (_kept_file(taken, name) if unchanged else None) or encoded(pixels)
    eight = shown(pixels)
    height, width = eight.shape
    image = Image.frombuffer("L", (width, height), eight, "raw", "L", 0, 1)
    _count(image, tally)
    acquisition = piece.acquisition
    facts: Row = {
        "dataset": source.name,
        "modality": source.modality or acquisition.modality,
        "organ": source.organ,
        "patient": acquisition.patient,
        "study": acquisition.study,
        "series": acquisition.series,
        "volume": piece.called,
        "slice": taken.number,
        "axis": policy.axis,
        "label": piece.facts.get("label"),
        "split": piece.facts.get("split"),
        "window": corpus.window_of(source).kind,
        "lower": float(bounds[0]),
        "upper": float(bounds[1]),
        "height": height,
        "width": width,
        "pixels": digest_of_pixels("L", width, height, eight.data),
        "perceptual": perceptual_hash(image),
    }
    return {"image": {"bytes": data, "path": name}, **{column: facts[column] for column in COLUMNS}}


def _kept_file(taken: Slice, name: str) -> bytes | None:
    """The file of a picture, without its metadata, if it still has the same pixels."""
    if taken.encoded is None:
        return None
    data = without_metadata(taken.encoded)
    if data is None or data == taken.encoded:
        return data
    try:
        again = np.asarray(read_stored(data, name, 1 if taken.values.ndim == 2 else 3, 8))
    except DataError:
        return None
    return data if np.array_equal(again, taken.values) else None


def _kept(policy: SlicePolicy, name: str) -> bool:
    """Whether an empty slice is among the share that is kept: a draw by its name, the same wherever it is made."""
    if policy.empty in (0, 1):
        return policy.empty == 1
    drawn = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return drawn < policy.empty


def _count(image: Image.Image, tally: Tally) -> None:
    counts, step = image.histogram(), 256 // GREYS
    tally.greys = [before + sum(counts[k * step : (k + 1) * step]) for k, before in enumerate(tally.greys)]
