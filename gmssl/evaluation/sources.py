"""Labelled images for an evaluation, from a path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gmssl.errors import DataError
from gmssl.interfaces.data import Data, Images
from gmssl.registry import part


def open_source(path: Path, where: Mapping[str, str] | None = None) -> Images:
    """The images of a folder with class sub-folders, or of a CSV manifest.

    Args:
        path: a folder, or a file whose name ends in .csv.
        where: rows of the manifest to keep, such as {"split": "train"}.

    Raises:
        DataError: neither folder nor manifest, nothing in it, conditions on a folder, no labels, or a single class.
    """
    if path.suffix.lower() == ".csv" and not path.is_dir():
        images = _listed(part("data", "manifest", path=path, where=dict(where or {})))
    elif path.exists() and not path.is_dir():
        raise DataError(f"{path} is neither a folder nor a .csv file. Give a folder of images or a CSV manifest.")
    elif where:
        raise DataError(f"{path}: {dict(where)} selects rows of a CSV manifest; name the manifest, not a folder.")
    else:
        images = _listed(part("data", "folder", root=path))
    labels = {record.label for record in images.records if record.label is not None}
    if len(labels) < 2:
        found = f"all labelled images are {labels.pop()!r}" if labels else "no image bears a label"
        raise DataError(
            f"{path}: {found}, but a classifier needs two classes. Sort the images into class sub-folders, or name a "
            "CSV manifest with the columns path and label."
        )
    return images


def _listed(data: Data) -> Images:
    """Its images; messages name no key of a recipe, for there is none."""
    try:
        return data.images()
    except DataError as error:
        raise DataError(re.sub(r"^data\.\w+: ", "", str(error))) from None
