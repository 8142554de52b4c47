"""`--data [NAME=]PATH`, `--test [NAME=]PATH`: the labelled sets that runs are judged on, and how."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gmssl.errors import DataError, TrainingError

FOLDS, NEIGHBOURS = 5, 20
"""Of `gmssl evaluate`, by default."""

_NAMED = re.compile(r"([A-Za-z0-9][\w.+-]*)=(.+)", re.ASCII | re.DOTALL)
_REPORT = "sweep"
_PARTS = ("train", "training", "test", "val", "valid", "validation", "images", "index", "labels")
"""Names that say which part of a data set a folder or file is, and not which data set."""


@dataclass(frozen=True)
class LabelledSet:
    """Labelled images, and the protocol by which runs are judged on them.

    Attributes:
        name: in tables and files; empty where there is one set only.
        path: folder of class sub-folders or CSV manifest, absolute; None for the images of the recipe.
        test: likewise, of a test set; without one, the images are cross-validated.
        folds: of the cross-validation.
        neighbours: k of the kNN classifier.
    """

    name: str = ""
    path: Path | None = None
    test: Path | None = None
    folds: int = FOLDS
    neighbours: int = NEIGHBOURS

    @property
    def place(self) -> str:
        """For messages."""
        return f"--data {self.path}" if self.path else "the images of the recipe, on which --evaluate judges"

    @property
    def report(self) -> str:
        """Name of the evaluation on it, one for each protocol, so that reports that are there are not made again."""
        parts = [f"{_REPORT}-{self.name}" if self.name else _REPORT]
        if self.test is not None:
            parts.append(f"test={self.test.stem}~{hashlib.sha256(str(self.test).encode()).hexdigest()[:8]}")
        elif self.folds != FOLDS:
            parts.append(f"folds={self.folds}")
        if self.neighbours != NEIGHBOURS:
            parts.append(f"neighbours={self.neighbours}")
        return "_".join(parts)

    @property
    def options(self) -> list[str]:
        """Of `gmssl evaluate`."""
        found = ["--name", self.report]
        found += ["--train", str(self.path)] if self.path is not None else []
        if self.test is not None:
            found += ["--test", str(self.test)]
        elif self.folds != FOLDS:
            found += ["--folds", str(self.folds)]
        return found + (["--neighbours", str(self.neighbours)] if self.neighbours != NEIGHBOURS else [])


def read_sets(
    options: Sequence[str], tests: Sequence[str] = (), folds: int | None = None, neighbours: int = NEIGHBOURS
) -> tuple[LabelledSet, ...]:
    """The sets of all `--data` options; without any, the images of the recipe.

    Args:
        options: `--data`.
        tests: `--test`; with several sets, each names the one it belongs to.
        folds: of the cross-validation; default: 5.
        neighbours: k of the kNN classifier.

    Raises:
        DataError: two sets of one name, one set twice, a test set that belongs to none of them, or folds where all sets
            have test sets.
    """
    plain = LabelledSet(folds=FOLDS if folds is None else folds, neighbours=neighbours)
    found: list[LabelledSet] = []
    for option in options:
        given, path = _named(option)
        found.append(replace(plain, name=given or ("" if len(options) == 1 else _own_name(path)), path=path))
    found = found or [plain]
    for test in tests:
        at = _belongs(test, found)
        if found[at].test is not None:
            raise DataError(f"--test {test}: there are two test sets for the same --data; remove one.")
        found[at] = replace(found[at], test=_named(test)[1])
    _refuse_equal(found, options)
    if folds is not None and all(each.test for each in found):
        raise DataError(f"--folds {folds} is for cross-validation, and --test replaces that; give one of them.")
    return tuple(found)


def _named(option: str) -> tuple[str, Path]:
    """Name, or nothing, and the absolute path."""
    match = None if Path(option).exists() else _NAMED.fullmatch(option)
    return (match[1] if match else ""), Path(match[2] if match else option).expanduser().absolute()


def _own_name(path: Path) -> str:
    return path.parent.name or path.stem if path.stem.lower() in _PARTS else path.stem


def _belongs(test: str, sets: Sequence[LabelledSet]) -> int:
    name, path = _named(test)
    fitting = [at for at, each in enumerate(sets) if each.name == name or (len(sets) == 1 and not name)]
    if not fitting:
        names = [each.name for each in sets if each.name]
        if not names:
            raise DataError(f"--test {test}: the --data has no name; write --test {path}, or --data {name}=PATH, too.")
        raise DataError(
            f"--test {test} belongs to no --data; name one of {', '.join(names)}, as in --test {names[0]}={path}."
        )
    return fitting[0]


def _refuse_equal(sets: Sequence[LabelledSet], options: Sequence[str]) -> None:
    for at, each in enumerate(sets):
        for other in sets[:at]:
            if (other.path, other.test) == (each.path, each.test):
                raise DataError(f"--data {options[at]} is given twice; remove one.")
            if other.name == each.name:
                raise DataError(
                    f"--data {options[at]}: two sets are called {each.name}; give names, as in "
                    f"--data other={each.path}."
                )


def written(sets: Sequence[LabelledSet]) -> str | dict[str, str] | None:
    """As it stands in sweep.yaml: nothing, one path, or name → path."""
    if sets[0].path is None:
        return None
    return str(sets[0].path) if not sets[0].name else {each.name: str(each.path) for each in sets}


def refuse_missing(before: object, sets: Sequence[LabelledSet], root: Path) -> None:
    """Sets that are added are welcome; one that runs were judged on must still be the same.

    Raises:
        TrainingError: a sweep was evaluated on other images.
    """
    own = written(sets)
    if before == own or (isinstance(before, Mapping) and isinstance(own, dict) and before.items() <= own.items()):
        return
    shown = [
        ", ".join(f"{name}={path}" for name, path in each.items()) if isinstance(each, Mapping) else each
        for each in (before, own)
    ]
    raise TrainingError(
        f"--out {root} was evaluated on {shown[0] or 'the images of the recipe'}, not on "
        f"{shown[1] or 'the images of the recipe'}; give the same --data, or another folder."
    )
