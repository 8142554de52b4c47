"""A folder of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from gmssl.errors import DataError
from gmssl.interfaces.data import Data, Record
from gmssl.parts.data.manifest import FileImages, without
from gmssl.system.folders import names_below
from gmssl.system.images.reading import EXTENSIONS


class Folder(Data):
    """All images below a folder, in the order of their names.

    The label of an image is the name of the sub-folder of `root` it lies in, at any depth; images in `root` itself have
    none. Hidden files and folders are passed over, links are followed.
    """

    kind: ClassVar[str] = "folder"

    root: Path = Field(description="folder to search, with all its sub-folders")
    exclude: Path | None = Field(
        None, description="leave out the images of this list, exclude.csv of `gmssl data audit` on this very folder"
    )

    def images(self) -> FileImages:
        """List the images, by extension, without opening them.

        Raises:
            DataError: the folder is missing, not a folder, not readable, or holds no image.
        """
        root = self.root.expanduser()
        if not root.exists():
            raise DataError(f"data.root: there is no folder {root}{_beside(root)}. Give a folder of images.")
        if not root.is_dir():
            raise DataError(f"data.root: {root} is a file, not a folder. Give its folder, or use data kind manifest.")
        names = sorted(names_below(root, lambda name: name.lower().endswith(EXTENSIONS), _refuse))
        if not names:
            raise DataError(
                f"data.root: no image in {root} or below it; {_content(root)}. Files are taken by their "
                f"extension, one of {', '.join(EXTENSIONS)}."
            )
        records = [Record(name, label=name.partition("/")[0] if "/" in name else None) for name in names]
        return without(FileImages([str(root / name) for name in names], records), self.exclude, root)


def _refuse(error: OSError) -> None:
    raise DataError(f"data.root: cannot list {error.filename}: {error.strerror}. Make the folder readable.")


def _beside(root: Path) -> str:
    if not root.parent.is_dir():
        return f", nor {root.parent}"
    folders = sorted(p.name for p in root.parent.iterdir() if p.is_dir() and not p.name.startswith("."))
    return f"; in {root.parent.resolve()} there are {_some(folders)}" if folders else ""


def _content(root: Path) -> str:
    endings = sorted({Path(name).suffix.lower() or name for _, _, files in os.walk(root) for name in files})
    return f"it holds files ending in {_some(endings)}" if endings else "it holds no files"


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
