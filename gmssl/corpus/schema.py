"""The columns of a store, in the form that Hugging Face `datasets` opens with `load_from_disk`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gmssl.system.json_text import json_text

if TYPE_CHECKING:
    import pyarrow

TEXTS = ("dataset", "modality", "organ", "patient", "study", "series", "volume", "label", "split", "window", "pixels")
COLUMNS: dict[str, str] = {
    "dataset": "string",  # name of the source
    "modality": "string",
    "organ": "string",
    "patient": "string",  # hashed, as are study and series
    "study": "string",
    "series": "string",
    "volume": "string",  # what the store calls the acquisition
    "slice": "int32",  # position along the axis, in the order of space
    "axis": "string",
    "label": "string",
    "split": "string",
    "window": "string",  # kind of window
    "lower": "float64",  # value that became black
    "upper": "float64",  # value that became white
    "height": "int32",
    "width": "int32",
    "pixels": "string",  # sha256 of the grey pixels
    "perceptual": "uint64",  # perceptual hash
}
"""Columns beside `image`, which holds the bytes of an image file and its name."""


def arrow_schema() -> pyarrow.Schema:
    """The schema of the Arrow files, with what `datasets` reads from it."""
    import pyarrow

    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    fields = [("image", image), *((name, getattr(pyarrow, kind)()) for name, kind in COLUMNS.items())]
    told = json_text({"info": {"features": features()}}, indent=None)
    return pyarrow.schema(fields, metadata={"huggingface": told})


def features() -> dict[str, Any]:
    """The columns as `datasets` describes them."""
    return {"image": {"_type": "Image"}, **{name: {"dtype": kind, "_type": "Value"} for name, kind in COLUMNS.items()}}


def state(files: Sequence[str], fingerprint: str) -> dict[str, Any]:
    """The content of `state.json`."""
    return {
        "_data_files": [{"filename": name} for name in files],
        "_fingerprint": fingerprint,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }


def info() -> dict[str, Any]:
    """The content of `dataset_info.json`."""
    return {"citation": "", "description": "", "features": features(), "homepage": "", "license": ""}
