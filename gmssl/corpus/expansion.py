"""Sources of a corpus that name an entry of the catalogue, with what the entry says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmssl.corpus.catalogue.entry import Entry
from gmssl.corpus.catalogue.loading import Catalogue, load_catalogue
from gmssl.errors import DataError, RecipeError


def expanded(settings: Mapping[str, Any], folders: Sequence[Path] = ()) -> dict[str, Any]:
    """The settings of a corpus in which every source stands for itself: `{entry: BCCD, path: …}` becomes all that the
    catalogue says of BCCD, and what the source says itself wins.

    Args:
        settings: as they stand in a file; what is wrong with them is left as it is.
        folders: of further entries.

    Raises:
        RecipeError: the catalogue has no such entry.
        DataError: an entry of `folders` is wrong.
    """
    sources = settings.get("sources")
    if not isinstance(sources, list | tuple) or not any(isinstance(s, Mapping) and "entry" in s for s in sources):
        return dict(settings)
    catalogue = load_catalogue(folders)
    every: list[object] = []
    for number, source in enumerate(sources):
        named = isinstance(source, Mapping) and "entry" in source
        every += _stands_for(source, catalogue, f"sources.{number}") if named else [source]
    return {**settings, "sources": every}


def _stands_for(source: Mapping[str, Any], catalogue: Catalogue, place: str) -> Iterator[dict[str, Any]]:
    """One source, or one for each form that the archive comes in."""
    try:
        entry = catalogue.find(str(source["entry"]))
    except DataError as error:
        raise RecipeError(f"{place}.entry: {error}") from None
    own = {key: value for key, value in source.items() if key != "entry"}
    told = _told(entry)
    if len(entry.reader) == 1 or "reader" in own:
        yield {**told, "reader": _reader(entry, 0), **own}
        return
    for number, reader in enumerate(entry.reader):
        name = f"{own.get('name', entry.name)}-{reader.kind}"
        yield {**told, "reader": _reader(entry, number), "optional": True, **own, "name": name}


def _reader(entry: Entry, number: int) -> dict[str, Any]:
    return {"kind": entry.reader[number].kind, **entry.reader[number].settings}


def _told(entry: Entry) -> dict[str, Any]:
    """What an entry says, as settings of a source."""
    split = entry.split
    images = [place.pattern for place in entry.layout if place.holds == "images"]
    told: dict[str, Any] = {
        "name": entry.name,
        "include": [split.official] if split.official is not None else images,
        "exclude": [place.pattern for place in entry.layout if place.holds != "images"],
        "organ": entry.organ,
        "fields": split.patient,
        "listed": split.listed,
        "take": None if split.fraction is None else {"share": split.fraction},
    }
    if len(entry.modality) == 1:
        told["modality"] = entry.modality[0]
    return told
