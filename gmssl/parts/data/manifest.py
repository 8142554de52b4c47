"""Images listed in a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from gmssl.errors import DataError
from gmssl.interfaces.data import Data, Record
from gmssl.system.exclusions import read_exclusions
from gmssl.system.images.reading import read_image

if TYPE_CHECKING:
    from PIL import Image


FACTS = ("label", "patient", "dataset", "modality")
PROBED = 100


class Manifest(Data):
    """The rows of a CSV file with a header: `path` and, where known, `dataset, modality, label, patient`.

    Other columns serve `where` only. Images keep the order of the rows; an empty cell means unknown.
    """

    kind: ClassVar[str] = "manifest"

    path: Path = Field(description="the CSV file, in UTF-8")
    root: Path | None = Field(None, description="folder that relative paths start from; default: the CSV file's")
    where: dict[str, str] = Field({}, description="keep rows whose columns have these values, such as {split: train}")
    exclude: Path | None = Field(
        None, description="leave out the images of this list, exclude.csv of `gmssl data audit` on this very table"
    )

    def images(self) -> FileImages:
        """List the images without opening them.

        Raises:
            DataError: the file is missing or no such table, no row is left, or no image exists; with the line.
        """
        path = self.path.expanduser()
        if not path.is_file():
            what = (
                f"{path} is a folder; use data kind folder, or give"
                if path.is_dir()
                else f"there is no file {path}. Give"
            )
            raise DataError(f"data.path: {what} a CSV file with a column `path`.")
        root = self.root.expanduser() if self.root else path.parent
        paths, records, seen = [], [], {column: set[str]() for column in self.where}
        for line, row in self._rows(path):
            for column, values in seen.items():
                values.add(row[column])
            if any(row[column] != value for column, value in self.where.items()):
                continue
            if not row["path"]:
                raise DataError(f"{path}, line {line}: the cell `path` is empty. Name an image, or delete the line.")
            paths.append(str(root / row["path"]))
            records.append(Record(row["path"], **{fact: row.get(fact) or None for fact in FACTS}))
        if not paths:
            raise DataError(_nothing_left(path, self.where, seen))
        if not any(Path(p).exists() for p in paths[:: -(-len(paths) // PROBED)]):
            raise DataError(
                f"{path}: none of the images looked for exists, for example {paths[0]}. Relative paths start from "
                f"{root.resolve()}; set data.root to another folder."
            )
        return without(FileImages(paths, records), self.exclude, path)

    def _rows(self, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
        """Line numbers and cells, stripped."""
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file, strict=True)
                header = [name.strip() for name in next(reader, [])]
                _check_header(path, header, self.where)
                for cells in reader:
                    if not any(cells):
                        continue
                    if len(cells) != len(header):
                        raise DataError(
                            f"{path}, line {reader.line_num}: {len(cells)} cells under {len(header)} columns. "
                            "Quote cells that contain a comma."
                        )
                    yield reader.line_num, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: {error}. Save the table as plain CSV.") from None
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is no text in UTF-8 ({error.reason}). Save the table as CSV in UTF-8.") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}. Make the file readable.") from None


def _check_header(path: Path, header: list[str], where: dict[str, str]) -> None:
    if not header:
        raise DataError(f"{path} is empty. Its first line names the columns: path,{','.join(FACTS)}.")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}, line 1: column {twice[0]!r} stands twice. Rename one.")
    for column in ("path", *where):
        if column not in header:
            raise DataError(f"{path}, line 1: no column {column!r}; there are {', '.join(header)}. Add or rename it.")


def _nothing_left(path: Path, where: dict[str, str], seen: dict[str, set[str]]) -> str:
    if not where or not all(seen.values()):
        return f"{path} has a header and no rows. Add one line for each image."
    values = "; ".join(f"{column} is one of {', '.join(sorted(found)[:8])}" for column, found in seen.items())
    return f"{path}: no row has {where}; there {values}. Correct data.where."


@dataclass(eq=False)
class FileImages:
    """Image files with what is known of each (see `gmssl.interfaces.data.Images`)."""

    paths: list[str]
    records: list[Record]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)

    def files(self) -> list[str]:
        """One for each image."""
        return self.paths

    def load(self, index: int, channels: int) -> Image.Image:
        """See `gmssl.system.images.reading.read_image`."""
        return read_image(self.paths[index], channels)


def without(images: FileImages, exclude: Path | None, place: Path) -> FileImages:
    """The images whose names a list does not exclude; all, if there is no list.

    Raises:
        DataError: the list cannot be read, it was made of other images, or no image is left.
    """
    if exclude is None:
        return images
    listed = read_exclusions(exclude).names
    kept = [i for i, record in enumerate(images.records) if record.name not in listed]
    if not kept:
        raise DataError(f"data.exclude: {exclude} leaves no image of {place}. Give the list of another audit.")
    if listed and len(kept) == len(images):
        raise DataError(
            f"data.exclude: {exclude} names no image of {place}; it was made of others. Give the list that "
            f"`gmssl data audit {place}` wrote."
        )
    return FileImages([images.paths[i] for i in kept], [images.records[i] for i in kept])
