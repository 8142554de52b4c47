"""The catalogue: entries that gmssl ships and those of a lab, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import yaml
from pydantic import ValidationError

from gmssl.corpus.catalogue.entry import Entry
from gmssl.errors import DataError
from gmssl.interfaces.registry import describe
from gmssl.system.files import what_is_wrong
from gmssl.system.yaml_text import FastUniqueKeys, yaml_fault

SHIPPED = Path(__file__).parent / "entries"
VARIABLE = "GMSSL_CATALOGUE"
"""Environment variable with folders of entries, separated as in PATH."""


@dataclass(frozen=True)
class Catalogue(Mapping[str, Entry]):
    """Entries in the order of their numbers, then of their names, by the name of each.

    Attributes:
        entries: name → entry.
        places: name → the file it comes from.
    """

    entries: dict[str, Entry]
    places: dict[str, Path] = field(repr=False)

    def __getitem__(self, name: str) -> Entry:
        return self.entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def find(self, name: str) -> Entry:
        """An entry by its name, or by the name that the paper prints; capital letters do not matter.

        Raises:
            DataError: there is none; the message names the nearest one.
        """
        known = {alias.lower(): entry for entry in self.entries.values() for alias in entry.names}
        found = known.get(name.lower())
        if found is None:
            near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
            close = f" (did you mean {known[near[0]].name!r}?)" if near else ""
            raise DataError(
                f"the catalogue has no dataset {name!r}{close}; `gmssl data list` prints all {len(self)}, and "
                "--catalogue DIR adds those of a folder."
            )
        return found


def load_catalogue(folders: Sequence[Path] = (), shipped: bool = True) -> Catalogue:
    """All entries: shipped ones, those of the folders in `GMSSL_CATALOGUE`, and those of `folders`.

    Args:
        folders: searched with their sub-folders for `*.yaml`, each of them one entry.
        shipped: whether to include the entries that gmssl ships.

    Raises:
        DataError: a folder is missing or has no entry; a file is no entry (the message names file and key); two files
            have the same name or number.
    """
    found: dict[str, tuple[Entry, Path]] = {}
    given = [Path(text) for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    for folder in [*([SHIPPED] if shipped else []), *given, *folders]:
        for path in _files(folder):
            entry = read_entry(path)
            for other, place in found.values():
                if path.resolve() != place.resolve():
                    _refuse_double(entry, path, other, place)
            found[entry.name] = (entry, path)
    order = sorted(found.values(), key=lambda pair: (pair[0].number or len(found) + 1000, pair[0].name.lower()))
    return Catalogue({entry.name: entry for entry, _ in order}, {entry.name: path for entry, path in order})


def read_entry(path: Path) -> Entry:
    """The entry in a YAML file, checked.

    Raises:
        DataError: it cannot be read, or is no entry; the message names file and key.
    """
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=FastUniqueKeys)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {what_is_wrong(error)}. Give a YAML file in UTF-8.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is no valid YAML: {yaml_fault(error)}; correct it there.") from None
    if not isinstance(loaded, dict):
        raise DataError(f"{path} holds no mapping; start from an entry that `gmssl data show NAME --yaml` prints.")
    try:
        return Entry.model_validate(loaded)
    except ValidationError as error:
        raise DataError(f"{path}:\n{describe(error)}") from None


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        what = "is a file, no folder" if folder.exists() else "does not exist"
        raise DataError(f"the folder of entries {folder} {what}; name a folder with a YAML file for each dataset.")
    files = sorted(path for path in folder.rglob("*.yaml") if path.is_file())
    if not files:
        raise DataError(f"{folder} holds no entries; each is a file that ends in .yaml.")
    return files


def _refuse_double(entry: Entry, path: Path, other: Entry, place: Path) -> None:
    same = {name.lower() for name in entry.names} & {name.lower() for name in other.names}
    what = f"a dataset called {entry.name}" if same else f"number {entry.number}"
    if same or (entry.number is not None and entry.number == other.number):
        raise DataError(f"{what} is in two files, {place} and {path}; rename or remove one.")
