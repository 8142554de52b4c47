"""The columns of a store, in the form that Hugging Face `datasets` opens with `load_from_disk`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

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


def batch_of(rows: Sequence[Mapping[str, Any]], schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    """Rows of a store as columns.

    The buffers are laid out here, and not by `pyarrow.array`, which imports pandas first (a quarter of a second in each
    process) and copies the images while it finds out how many bytes they are.

    Args:
        rows: a value for each name of the schema; None where nothing is known.
        schema: that of `arrow_schema`.
    """
    import pyarrow

    columns = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        values = [row[name] for row in rows]
        if pyarrow.types.is_struct(kind):
            parts = [_column([value[part.name] for value in values], part.type) for part in kind]
            columns.append(pyarrow.Array.from_buffers(kind, len(rows), [None], children=parts))
        else:
            columns.append(_column(values, kind))
    return pyarrow.RecordBatch.from_arrays(columns, schema=schema)


def _column(values: Sequence[Any], kind: pyarrow.DataType) -> pyarrow.Array:
    """Numbers, texts or bytes as an array of Arrow (its columnar format, "variable-size binary layout")."""
    import pyarrow

    present = np.array([value is not None for value in values])
    valid = None if present.all() else pyarrow.py_buffer(np.packbits(present, bitorder="little"))
    if not (pyarrow.types.is_string(kind) or pyarrow.types.is_binary(kind)):
        numbers = np.array([0 if value is None else value for value in values], kind.to_pandas_dtype())
        return pyarrow.Array.from_buffers(kind, len(values), [valid, pyarrow.py_buffer(numbers)])
    contents = [value.encode() if isinstance(value, str) else value or b"" for value in values]
    ends = np.cumsum([0, *map(len, contents)], dtype=np.int32)
    return pyarrow.Array.from_buffers(
        kind, len(values), [valid, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(contents))]
    )


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
