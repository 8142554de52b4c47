"""Whether files are still the ones that they were: by name, size and time of change, without reading them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from gmssl.interfaces.data import Data, FromFiles, Images

Identity = dict[str, object]
"""`files`, how many; `bytes`, of all; `newest`, when one changed last; `digest`, in which all differences show."""


def identity(files: Iterable[str | Path], *known: object) -> Identity:
    """Of files in their order, and of what else is known of them; one that is not there counts as such."""
    digest = hashlib.sha256(json.dumps(known).encode("utf-8"))
    number = size = newest = 0
    for path in files:
        name = os.path.basename(path)
        try:
            found = os.stat(path)
        except OSError:
            digest.update(f"{name}\0missing\n".encode("utf-8", "surrogateescape"))
            continue
        digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        number, size, newest = number + 1, size + found.st_size, max(newest, found.st_mtime_ns)
    changed = datetime.fromtimestamp(newest / 1e9, UTC).isoformat() if number else None
    return {"files": number, "bytes": size, "newest": changed, "digest": digest.hexdigest()}


def of_images(images: Images) -> Identity | None:
    """Of the files that images are read from, and of their names and labels; None if the images do not say.

    Names within a folder are those of the records, so that a folder that was moved as a whole is the same one.
    """
    files = images.files() if isinstance(images, FromFiles) else None
    if files is None:
        return None
    records = [[r.name, r.label, r.patient, r.dataset, r.modality] for r in images.records]
    return identity(files, records)


def of_settings(settings: BaseModel) -> dict[str, Identity]:
    """Place → identity of each file, or folder with all that lies in it, that a setting of type Path names.

    Folders of data parts are left out: their images say which files of them are read.
    """
    found = {}
    for place, owner, value in nested(settings):
        if isinstance(value, Path):
            path = value.expanduser()
            if not path.is_dir():
                found[place] = identity([path])
            elif not isinstance(owner, Data):
                below = sorted(p for p in path.rglob("*") if p.is_file())
                found[place] = identity(below, [p.relative_to(path).as_posix() for p in below])
    return found


def nested(value: object, owner: BaseModel | None = None, place: str = "") -> Iterator[tuple[str, BaseModel, object]]:
    """Place, the settings it belongs to, and value of all that settings hold: single values, and settings, too."""
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, BaseModel):
        owner, items = value, [(name, getattr(value, name)) for name in type(value).model_fields]
    elif isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    assert owner is not None
    yield place, owner, value
    for key, each in items:
        yield from nested(each, owner, f"{place}.{key}".lstrip("."))
