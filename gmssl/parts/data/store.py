"""A store: the images of a corpus in Arrow files, as `gmssl data build` writes them."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from gmssl.errors import DataError
from gmssl.interfaces.data import Data, Record
from gmssl.lazy import numpy
from gmssl.parts.data.records import LazyRecords
from gmssl.system.exclusions import read_exclusions
from gmssl.system.images.stored import read_stored

if TYPE_CHECKING:
    import pyarrow
    from PIL import Image

HEADER = "store.json"
VERSION = 1
FACTS = ("label", "patient", "dataset", "modality")


class Store(Data):
    """The images of a store, in the order of its rows; they are mapped into memory, and none is opened to list them."""

    kind: ClassVar[str] = "store"

    path: Path = Field(description="folder of the store")
    where: dict[str, str | tuple[str, ...]] = Field(
        {}, description="keep rows whose columns have these values, such as {modality: [ct, mri]}"
    )
    exclude: Path | None = Field(
        None, description="leave out the images of this list, exclude.csv of `gmssl data audit`"
    )

    def images(self) -> StoreImages:
        """Open the store.

        Raises:
            DataError: there is no store, it is unfinished or of a later version, or no row is left.
        """
        folder = self.path.expanduser()
        header = read_header(folder)
        rows = None
        if self.where:
            rows = _selected(open_table(folder, header["files"]), self.where, folder)
        if self.exclude is not None:
            rows = _without(open_table(folder, header["files"]), rows, self.exclude, folder)
        found = StoreImages(folder, tuple(header["files"]), rows, header["corpus"]["bits"])
        if not len(found):
            raise DataError(f"data.path: the store {folder} holds no image. Build it from sources that do.")
        return found


def read_header(folder: Path) -> dict[str, Any]:
    """What a store says of itself.

    Raises:
        DataError: there is no store, it is unfinished, damaged, or of a later version.
    """
    path = folder / HEADER
    if not path.is_file():
        if (folder / ".build").is_dir():
            raise DataError(f"data.path: the store {folder} is not finished; run the command that builds it again.")
        what = "is no store" if folder.is_dir() else "does not exist"
        raise DataError(f"data.path: {folder} {what}. Give a folder that `gmssl data build` has written.")
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        version, files = header["version"], header["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read ({error}). Build the store again.") from None
    if version > VERSION:
        raise DataError(
            f"{path}: the store has version {version}, and this gmssl reads versions up to {VERSION}; update gmssl."
        )
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise DataError(f"data.path: the store {folder} lacks {missing[0]}. Copy it again, or build it again.")
    return header


def open_table(folder: Path, files: Sequence[str]) -> pyarrow.Table:
    """All rows of a store, mapped into memory.

    Raises:
        DataError: pyarrow is not installed, or a file is damaged; the message names it.
    """
    try:
        import pyarrow
    except ImportError:
        raise DataError('data kind store needs pyarrow; run `pip install "gmssl[med]"`.') from None
    tables = []
    for name in files:
        try:
            with pyarrow.memory_map(str(folder / name)) as source:
                tables.append(pyarrow.ipc.open_stream(source).read_all())
        except (OSError, pyarrow.ArrowInvalid) as error:
            raise DataError(
                f"{folder / name} cannot be read ({error}). Copy the store again, or build it again."
            ) from None
    return pyarrow.concat_tables(tables)


def _selected(table: pyarrow.Table, where: dict[str, str | tuple[str, ...]], folder: Path) -> numpy.ndarray:
    """Numbers of the rows that meet all conditions, int64.

    Raises:
        DataError: a column does not exist, or no row is left.
    """
    import pyarrow.compute as compute

    columns = [name for name in table.column_names if name != "image"]
    kept = None
    for column, value in where.items():
        if column not in columns:
            raise DataError(f"data.where: {folder} has no column {column!r}; there are {', '.join(columns)}.")
        values = [value] if isinstance(value, str) else list(value)
        one = compute.is_in(compute.cast(table[column], "string"), value_set=_strings(values))
        kept = one if kept is None else compute.and_(kept, one)
    rows = numpy.flatnonzero(kept.to_numpy()) if kept is not None else numpy.arange(len(table))
    if not len(rows):
        told = "; ".join(
            f"{column} is one of {', '.join(sorted(map(str, compute.unique(table[column]).to_pylist()))[:8])}"
            for column in where
        )
        raise DataError(f"{folder}: no row has {where}; there {told}. Correct data.where.")
    return rows


def _without(table: pyarrow.Table, rows: numpy.ndarray | None, exclude: Path, folder: Path) -> numpy.ndarray:
    """The rows, all if None, without those whose pixels a list excludes.

    Raises:
        DataError: the list cannot be read, or no row is left.
    """
    import pyarrow.compute as compute

    listed = _strings(sorted(read_exclusions(exclude).pixels))
    kept = numpy.flatnonzero(~compute.is_in(table["pixels"], value_set=listed).to_numpy())
    left = kept if rows is None else numpy.intersect1d(rows, kept)
    if not len(left):
        raise DataError(f"data.exclude: {exclude} leaves no image of {folder}. Give the list of another audit.")
    return left


def _strings(values: list[str]) -> pyarrow.Array:
    import pyarrow

    return pyarrow.array(values, type=pyarrow.string())


@dataclass(eq=False)
class StoreImages:
    """See `gmssl.interfaces.data.Images`. Processes open the files for themselves: pickling carries paths only.

    Attributes:
        folder: of the store.
        names: of its Arrow files, in order.
        rows: numbers of the rows that are listed, in order; None for all.
        bits: of a grey value in the files.
    """

    folder: Path
    names: tuple[str, ...]
    rows: numpy.ndarray | None = None
    bits: int = 8

    def __post_init__(self) -> None:
        self._table: pyarrow.Table | None = None
        self._starts: list[int] = []
        self._chunks: list[pyarrow.StructArray] = []

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "names": self.names, "rows": self.rows, "bits": self.bits}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __len__(self) -> int:
        """Number of images."""
        return self.table.num_rows if self.rows is None else len(self.rows)

    @property
    def table(self) -> pyarrow.Table:
        """All rows of the store."""
        if self._table is None:
            self._table = open_table(self.folder, self.names)
            self._chunks = self._table["image"].chunks
            ends = numpy.cumsum([0, *map(len, self._chunks)])
            self._starts = ends[:-1].tolist()
        return self._table

    @property
    def records(self) -> StoreRecords:
        """What is known of each image; read from the table when it is asked for."""
        return StoreRecords(self)

    def column(self, name: str) -> pyarrow.ChunkedArray:
        """What a column says of the listed images, in their order."""
        column = self.table[name]
        return column if self.rows is None else column.take(self.rows)

    def facts(self, name: str) -> list[str | None]:
        """What the records say, as `column` gives it."""
        # Texts are made once for each value and not for each image, which would take seconds for a million.
        coded = self.column(name).combine_chunks().dictionary_encode()
        values = numpy.array([*coded.dictionary.to_pylist(), None], dtype=object)
        return list(values[coded.indices.fill_null(len(values) - 1).to_numpy()])

    def files(self) -> list[str]:
        """The Arrow files."""
        return [str(self.folder / name) for name in self.names]

    def row(self, index: int) -> int:
        """Row of the store that an image stands in."""
        return index if self.rows is None else int(self.rows[index])

    def load(self, index: int, channels: int) -> Image.Image:
        """The image, decoded by the rules of image files; 16-bit ones keep their common scale.

        Raises:
            DataError: the image is damaged.
        """
        _ = self.table
        row = self.row(index)
        chunk = bisect_right(self._starts, row) - 1
        image = self._chunks[chunk][row - self._starts[chunk]]
        return read_stored(image["bytes"].as_py(), image["path"].as_py(), channels, self.bits)


class StoreRecords(LazyRecords):
    """The records of a store."""

    def __init__(self, images: StoreImages) -> None:
        self._images = images

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def record(self, index: int) -> Record:
        """See `LazyRecords`."""
        row, table = self._images.row(index), self._images.table
        return Record(table["image"][row]["path"].as_py(), **{fact: table[fact][row].as_py() for fact in FACTS})

    def __iter__(self) -> Iterator[Record]:
        """All records; a block of rows at a time, which is much faster than one by one."""
        import pyarrow.compute as compute

        table, rows = self._images.table, self._images.rows
        names = compute.struct_field(table["image"], "path")
        columns = [names, *(table[fact] for fact in FACTS)]
        for start in range(0, len(self), _BLOCK):
            stop = min(start + _BLOCK, len(self))
            part = [c.slice(start, stop - start) if rows is None else c.take(rows[start:stop]) for c in columns]
            for name, *facts in zip(*(column.to_pylist() for column in part), strict=True):
                yield Record(name, *facts)


_BLOCK = 4096
