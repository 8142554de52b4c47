"""Several sources of images as one."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from gmssl.errors import DataError
from gmssl.interfaces.data import Data, FromFiles, Images, Record, TellsFacts
from gmssl.interfaces.registry import field_of
from gmssl.parts.data.records import LazyRecords

if TYPE_CHECKING:
    from PIL import Image


class Union(Data):
    """The images of several sources, one source after the other; LVM-Med's corpus is 55 data sets.

    Records keep what their source says. Where it names no data set, `dataset` is the source's folder below the folder
    that all sources share, and names begin with it, so that reports can tell the sources apart. `max_unreadable` is a
    share of all images; the sources' own limits do not count.
    """

    kind: ClassVar[str] = "union"

    of: tuple[field_of(Data), ...] = Field(min_length=1, description="data parts")  # type: ignore[valid-type]

    def images(self) -> UnionImages:
        """List the images of all sources without opening them.

        Raises:
            DataError: a source has none; the message says which.
        """
        listed: list[Images] = []
        for number, source in enumerate(self.of):
            try:
                listed.append(source.images())
            except DataError as error:
                raise DataError(f"data.of.{number}: {error}") from None
        return UnionImages(listed, _names(self.of))


def _names(sources: tuple[Data, ...]) -> list[str]:
    """What sources are called: their folders, seen from the folder that has all of them; without one, their kind."""
    folders = [_folder(source) for source in sources]
    known = {str(folder) for folder in folders if folder is not None}
    above = os.path.commonpath(known) if known else ""
    if known == {above}:
        above = os.path.dirname(above)
    return [
        source.kind if folder is None else os.path.relpath(folder, above).replace(os.sep, "/")
        for source, folder in zip(sources, folders, strict=True)
    ]


def _folder(source: Data) -> Path | None:
    root, table = getattr(source, "root", None), getattr(source, "path", None)
    folder = root or (table.parent if isinstance(table, Path) else None)
    return folder.expanduser().absolute() if isinstance(folder, Path) else None


@dataclass(eq=False)
class UnionImages:
    """See `gmssl.interfaces.data.Images`.

    Attributes:
        sources: lists of images.
        names: what they are called.
        ends: number of images in the first s + 1 sources; image i of source s is number `ends[s - 1] + i`.
    """

    sources: list[Images]
    names: list[str]
    ends: list[int]

    def __init__(self, sources: list[Images], names: list[str]) -> None:
        self.sources = sources
        self.ends = list(accumulate(len(source) for source in sources))
        self.names = names

    def __len__(self) -> int:
        """Number of images of all sources."""
        return self.ends[-1]

    @property
    def records(self) -> UnionRecords:
        """Those of the sources, in which each image is called by its source, too."""
        return UnionRecords(self)

    def place(self, index: int) -> tuple[int, int]:
        """The source of an image, and its number there."""
        source = bisect_right(self.ends, index)
        return source, index - (self.ends[source - 1] if source else 0)

    def facts(self, name: str) -> list[str | None]:
        """As the records say it."""
        told: list[str | None] = []
        for source, called in zip(self.sources, self.names, strict=True):
            own = source.facts(name) if isinstance(source, TellsFacts) else [getattr(r, name) for r in source.records]
            told += [fact or called for fact in own] if name == "dataset" else own
        return told

    def files(self) -> list[str] | None:
        """Those of all sources; None if one of them does not say."""
        told = [source.files() if isinstance(source, FromFiles) else None for source in self.sources]
        return None if None in told else [path for paths in told for path in paths or ()]

    def load(self, index: int, channels: int) -> Image.Image:
        """The image, as its source loads it."""
        source, number = self.place(index)
        return self.sources[source].load(number, channels)


class UnionRecords(LazyRecords):
    """The records of a union; those of a store among its sources stay where they are until they are asked for."""

    def __init__(self, images: UnionImages) -> None:
        self._images = images

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def record(self, index: int) -> Record:
        """See `LazyRecords`."""
        source, number = self._images.place(index)
        return self._called(source, self._images.sources[source].records[number])

    def __iter__(self) -> Iterator[Record]:
        """All records."""
        for number, source in enumerate(self._images.sources):
            for record in source.records:
                yield self._called(number, record)

    def _called(self, source: int, record: Record) -> Record:
        name = self._images.names[source]
        return replace(record, name=f"{name}/{record.name}", dataset=record.dataset or name)
