"""The files of a source, with what their paths and tables say of them."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gmssl.corpus.catalogue.patterns import matches
from gmssl.corpus.recipe import FIELDS, Source, Table
from gmssl.errors import DataError
from gmssl.interfaces.reader import LeftOut
from gmssl.system.files import what_is_wrong
from gmssl.system.folders import names_below

Facts = dict[str, str]
"""What is known of a file: some of `FIELDS`."""


class NothingFoundError(DataError):
    """A source has no file."""


@dataclass
class Files:
    """Files of a source.

    Attributes:
        names: sorted paths below its folder, with forward slashes.
        facts: of those names of which a path or a table says something.
        left_out: files that cannot be taken.
    """

    names: list[str]
    facts: dict[str, Facts] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)


def files_of(source: Source, root: Path) -> Files:
    """List the files of a source that its patterns, its table and the ends of its reader's names let through.

    Raises:
        NothingFoundError: the folder is missing, or nothing is left.
        DataError: the folder cannot be listed, or the table is wrong.
    """
    if not root.is_dir():
        what = "is a file; give its folder" if root.exists() else "does not exist; correct it, or set optional: true"
        raise NothingFoundError(f"path {root} {what}.")
    ends = source.reader.extensions
    names = sorted(names_below(root, lambda name: not ends or name.lower().endswith(ends), _refuse))
    if source.include:
        names = [name for name in names if _matches(name, source.include)]
    names = [name for name in names if not _matches(name, source.exclude)]
    files = Files(names)
    if source.listed is not None:
        _keep_named(files, source.listed, root)
    if source.table is not None:
        _keep_listed(files, source.table, root)
    if source.fields is not None:
        _read_paths(files, re.compile(source.fields))
    if not files.names and not files.left_out:
        asked = ", ".join(source.include) or ", ".join(ends) or "any"
        raise NothingFoundError(f"no file in {root} matches ({asked}). Correct path or include.")
    return files


def _refuse(error: OSError) -> None:
    raise DataError(f"cannot list {error.filename}: {error.strerror}. Make the folder readable.")


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a path matches one of the patterns; those without a slash are patterns of names, in any folder."""
    last = name.rpartition("/")[2]
    return any(matches(pattern, name if "/" in pattern else last) for pattern in patterns)


def _keep_named(files: Files, pattern: str, root: Path) -> None:
    """Keep the files whose names, with or without their extensions, are words of the text files of a pattern."""
    lists = [name for name in names_below(root, lambda _: True, _refuse) if _matches(name, (pattern,))]
    if not lists:
        raise DataError(f"no file in {root} matches {pattern}, which would name the files to take. Correct listed.")
    words: set[str] = set()
    for name in lists:
        text = (root / name).read_text(encoding="utf-8", errors="replace")
        words |= {word.rpartition("/")[2].lower() for word in re.split(r"[\s,;\"']+", text)}
    files.names = [name for name in files.names if _called(name) & words]


def _called(name: str) -> set[str]:
    last = name.rpartition("/")[2].lower()
    return {last, last.partition(".")[0], last.rpartition(".")[0]}


def _keep_listed(files: Files, table: Table, root: Path) -> None:
    """Keep the files that a table lists, with what it says of them."""
    there, listed = set(files.names), dict[str, Facts]()
    for row in _rows(root / table.path.expanduser(), table):
        if all(row[column] == value for column, value in table.where.items()):
            name = os.path.normpath(row[table.column]).replace(os.sep, "/")
            listed[name] = {key: row[key] for key in FIELDS if row.get(key)}
    files.left_out += [LeftOut(n, f"{table.path} lists it, and it is not there") for n in listed if n not in there]
    files.names = [name for name in files.names if name in listed]
    files.facts = {name: listed[name] for name in files.names}


def _rows(path: Path, table: Table) -> Iterator[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            for column in (table.column, *table.where):
                if column not in (reader.fieldnames or ()):
                    known = ", ".join(reader.fieldnames or ()) or "none"
                    raise DataError(f"{path}, line 1: no column {column!r}; there are {known}. Add or rename it.")
            for row in reader:
                yield {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as a table: {what_is_wrong(error)}. Give a CSV file in UTF-8."
        ) from None


def _read_paths(files: Files, pattern: re.Pattern[str]) -> None:
    """Take facts from paths; a file that the pattern does not fit is left out, as its patient would be unknown."""
    kept = []
    for name in files.names:
        found = pattern.search(name)
        if found is None:
            files.left_out.append(LeftOut(name, f"its path does not match fields {pattern.pattern!r}"))
            continue
        kept.append(name)
        told = {key: value for key, value in found.groupdict().items() if value}
        files.facts[name] = {**told, **files.facts.get(name, {})}
    files.names = kept
