"""Which images an evaluation uses: labelled and readable ones, each of them once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.errors import DataError
from gmssl.interfaces.data import Data, Images, Record
from gmssl.interfaces.registry import part

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Selection:
    """The images that are kept, and why the others are not.

    Attributes:
        indices: positions of the kept images, ascending.
        unlabelled: images without a label.
        unreadable: labelled images that cannot be decoded.
        duplicates: further copies of a kept image; dropped by `unique`, kept by `usable`.
        contradictory: distinct images whose copies bear different labels; the first copy's label counts.
    """

    indices: tuple[int, ...]
    unlabelled: int
    unreadable: int
    duplicates: int
    contradictory: int


class Subset:
    """Some of the images, in the order of the indices."""

    def __init__(self, images: Images, indices: Sequence[int]) -> None:
        self._images = images
        self._indices = tuple(indices)
        self.records = [images.records[i] for i in self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def load(self, index: int, channels: int) -> Image.Image:
        """Load an image, as `Images.load` does."""
        return self._images.load(self._indices[index], channels)


def usable(records: Sequence[Record], digests: Sequence[str | None]) -> Selection:
    """All labelled and readable images, copies included; the copies are counted."""
    labels_of: dict[str, set[str]] = {}
    kept = []
    unlabelled = unreadable = 0
    for index, (record, digest) in enumerate(zip(records, digests, strict=True)):
        if record.label is None:
            unlabelled += 1
        elif digest is None:
            unreadable += 1
        else:
            labels_of.setdefault(digest, set()).add(record.label)
            kept.append(index)
    contradictory = sum(len(labels) > 1 for labels in labels_of.values())
    return Selection(tuple(kept), unlabelled, unreadable, len(kept) - len(labels_of), contradictory)


def unique(records: Sequence[Record], digests: Sequence[str | None]) -> Selection:
    """The labelled and readable images, the first of pixel-identical ones only."""
    every = usable(records, digests)
    first: dict[str | None, int] = {}
    for index in every.indices:
        first.setdefault(digests[index], index)
    return Selection(tuple(first.values()), every.unlabelled, every.unreadable, every.duplicates, every.contradictory)


def class_names(
    records: Sequence[Record], indices: Sequence[int], place: str = "the evaluation data"
) -> tuple[str, ...]:
    """The labels that occur among the selected records, sorted.

    Raises:
        DataError: there is no usable image, no label at all, or one class only.
    """
    names = sorted({label for i in indices if (label := records[i].label) is not None})
    if len(names) > 1:
        return tuple(names)
    if names:
        found = f"its {len(indices)} usable images all bear the label {names[0]!r}"
    elif any(record.label is not None for record in records):
        found = f"not one of its {len(records)} images is labelled and readable"
    else:
        found = f"not one of its {len(records)} images bears a label"
    raise DataError(
        f"{place}: {found}, but a classifier needs two classes. Sort the images into class sub-folders, or name a CSV "
        "manifest with the columns path and label."
    )


def list_source(path: Path, where: Mapping[str, str] | None = None) -> Images:
    """The images of a folder or of a CSV manifest, labelled or not.

    Args:
        path: a folder, or a file whose name ends in .csv.
        where: rows of the manifest to keep, such as {"split": "train"}.

    Raises:
        DataError: the path is neither a folder nor a manifest, it holds nothing, or conditions are given for a folder.
    """
    if path.suffix.lower() == ".csv" and not path.is_dir():
        return _listed(part("data", "manifest", path=path, where=dict(where or {})))
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is neither a folder nor a .csv file. Give a folder of images or a CSV manifest.")
    if where:
        raise DataError(f"{path}: {dict(where)} selects rows of a CSV manifest; name the manifest, not a folder.")
    return _listed(part("data", "folder", root=path))


def open_source(path: Path, where: Mapping[str, str] | None = None) -> Images:
    """The images of a folder with class sub-folders, or of a CSV manifest.

    Args:
        path: a folder, or a file whose name ends in .csv.
        where: rows of the manifest to keep, such as {"split": "train"}.

    Raises:
        DataError: as `list_source`, and if there are no labels or one class only.
    """
    images = list_source(path, where)
    labels = {record.label for record in images.records if record.label is not None}
    if len(labels) < 2:
        found = f"all labelled images are {labels.pop()!r}" if labels else "no image bears a label"
        raise DataError(
            f"{path}: {found}, but a classifier needs two classes. Sort the images into class sub-folders, or name a "
            "CSV manifest with the columns path and label."
        )
    return images


def _listed(data: Data) -> Images:
    """The images of a data part; messages name no key of a recipe, because there is none."""
    try:
        return data.images()
    except DataError as error:
        raise DataError(re.sub(r"^data\.\w+: ", "", str(error))) from None
