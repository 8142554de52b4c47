"""`--data [NAME=]PATH`: the labelled sets that runs are judged on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmssl.errors import DataError, TrainingError

_NAMED = re.compile(r"([A-Za-z0-9][\w.+-]*)=(.+)", re.ASCII | re.DOTALL)
_REPORT = "sweep"


@dataclass(frozen=True)
class LabelledSet:
    """Labelled images.

    Attributes:
        name: in tables and files; empty where there is one set only.
        path: folder of class sub-folders or CSV manifest, absolute; None for the images of the recipe.
    """

    name: str = ""
    path: Path | None = None

    @property
    def report(self) -> str:
        """Name of the evaluation on it."""
        return f"{_REPORT}-{self.name}" if self.name else _REPORT


def read_sets(options: Sequence[str]) -> tuple[LabelledSet, ...]:
    """The sets of all `--data` options; without any, the images of the recipe.

    Raises:
        DataError: two sets of one name, or one set twice.
    """
    if not options:
        return (LabelledSet(),)
    found: list[LabelledSet] = []
    for option in options:
        named = None if Path(option).exists() else _NAMED.fullmatch(option)
        path = Path(named[2] if named else option).expanduser().absolute()
        name = named[1] if named else "" if len(options) == 1 else path.stem
        for other in found:
            if other.path == path:
                raise DataError(f"--data {option} is given twice; remove one.")
            if other.name == name:
                raise DataError(
                    f"--data {option}: two sets are called {name}; give names, as in --data {path.parent.name}={path}."
                )
        found.append(LabelledSet(name, path))
    return tuple(found)


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
