"""Several sources of images as one."""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from gmssl.errors import DataError
from gmssl.interfaces.data import Data, FromFiles, Images, Record
from gmssl.interfaces.registry import field_of

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
        records: of all images; image i of source s is number `ends[s - 1] + i`.
        ends: number of images in the first s + 1 sources.
    """

    sources: list[Images]
    records: list[Record]
    ends: list[int]

    def __init__(self, sources: list[Images], names: list[str]) -> None:
        self.sources = sources
        self.ends = list(accumulate(len(source) for source in sources))
        self.records = [
            replace(record, name=f"{name}/{record.name}", dataset=record.dataset or name)
            for source, name in zip(sources, names, strict=True)
            for record in source.records
        ]

    def __len__(self) -> int:
        """Number of images of all sources."""
        return self.ends[-1]

    def files(self) -> list[str] | None:
        """Those of all sources; None if one of them does not say."""
        told = [source.files() if isinstance(source, FromFiles) else None for source in self.sources]
        return None if None in told else [path for paths in told for path in paths or ()]

    def load(self, index: int, channels: int) -> Image.Image:
        """The image, as its source loads it."""
        source = bisect_right(self.ends, index)
        return self.sources[source].load(index - (self.ends[source - 1] if source else 0), channels)
