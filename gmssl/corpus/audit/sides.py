"""What is compared: a store, a folder or a manifest, with all that is known of its images without opening them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmssl.corpus.pseudonyms import pseudonyms
from gmssl.errors import DataError
from gmssl.evaluation.selection import list_source
from gmssl.interfaces.data import Images
from gmssl.parts.data.store import HEADER, Store, StoreImages, read_header

UNKNOWN = -1
"""Number of a patient, study or volume that nobody knows."""


@dataclass(frozen=True, eq=False)
class Names:
    """A column of names as numbers: `values[numbers[i]]` is what it says of image i, `UNKNOWN` that it does not.

    Attributes:
        values: distinct names.
        numbers: `[N]` int64.
    """

    values: tuple[str, ...]
    numbers: np.ndarray

    def of(self, image: int) -> str | None:
        """The name of an image."""
        number = int(self.numbers[image])
        return None if number == UNKNOWN else self.values[number]


@dataclass(frozen=True, eq=False)
class Side:
    """N images.

    Attributes:
        name: the path, as it was given.
        images: opens them.
        dataset, patient, study, volume: what is known of them; patients and studies are hashed.
        mark: of the salt of these hashes.
        digests: sha256 of the grey pixels `[N]` S64, if they are known already.
        hashes: perceptual hashes `[N]` uint64, likewise.
        rows: `[N]` int64, row of the store, or number in the list.
    """

    name: str
    images: Images
    dataset: Names
    patient: Names
    study: Names
    volume: Names
    mark: str
    digests: np.ndarray | None = None
    hashes: np.ndarray | None = None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def row(self, image: int) -> int:
        """Row of the store that an image stands in, or its number in the list."""
        return image if self.rows is None else int(self.rows[image])


def open_side(path: Path, where: Mapping[str, str] | None = None, salt: Path | None = None) -> Side:
    """Open a store, a folder of images or a CSV manifest.

    Args:
        path: of the folder or file.
        where: rows of the store or manifest to keep, such as {"split": "train"}.
        salt: file whose bytes are mixed into hashes of patients of a manifest; None for that of this user.

    Raises:
        DataError: there is no such thing, or it holds no image; the salt cannot be read.
    """
    if salt is not None:
        pseudonyms(salt)  # a wrong one is told, also where no patient is known
    if (path / HEADER).is_file() or (path / ".build").is_dir():
        images = Store(path=path, where=dict(where or {})).images()
        return _of_store(path, images)
    if path.is_dir() and list(path.glob("*.arrow")):
        raise DataError(
            f"{path} holds Arrow files, but no {HEADER}. Give a folder that `gmssl data build` has written."
        )
    images_of_files = list_source(path, where)
    named = path.absolute().parent if path.stem == "index" else path.absolute()  # every data set has an index.csv
    own = named.stem if named.is_file() else named.name
    records = list(images_of_files.records)
    hashed = pseudonyms(salt) if any(record.patient for record in records) else None
    patients = [hashed("patient", r.patient) if hashed and r.patient else None for r in records]
    nobody = Names((), np.full(len(records), UNKNOWN))
    dataset = numbered([record.dataset or own for record in records])
    return Side(str(path), images_of_files, dataset, numbered(patients), nobody, nobody, hashed.mark if hashed else "")


def _of_store(path: Path, images: StoreImages) -> Side:
    dataset, patient, study, volume = (
        numbered(images.column(name).to_pylist()) for name in ("dataset", "patient", "study", "volume")
    )
    mark = read_header(path)["salt"]
    digests = np.array(images.column("pixels").to_pylist(), dtype="S64")
    hashes = images.column("perceptual").to_numpy().astype(np.uint64)
    return Side(str(path), images, dataset, patient, study, volume, mark, digests, hashes, images.rows)


def numbered(names: Sequence[str | None]) -> Names:
    """Names as numbers, by their first appearance."""
    found: dict[str, int] = {}
    numbers = [UNKNOWN if name is None else found.setdefault(name, len(found)) for name in names]
    return Names(tuple(found), np.array(numbers, dtype=np.int64))
