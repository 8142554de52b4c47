"""All that the templates may name, gathered from a report: numbers, words and pictures, and no HTML."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gmssl.explaining.page.causes import Causes, causes_of
from gmssl.explaining.page.facts import Facts, facts_of
from gmssl.explaining.page.matches import Accuracy, Looked, Pairs, accuracy_of, looked_at, pairs_of
from gmssl.explaining.page.method import Method, method_of
from gmssl.explaining.page.solver import Solving, solving_of
from gmssl.explaining.pictures import Picture
from gmssl.explaining.report import Effort, Report


@dataclass(frozen=True)
class Contents:
    """What a page says; templates know each attribute by its name.

    Attributes:
        title: the run's folder, and the one above it.
        command: what makes the page again.
        seconds: that the report took.
        method: which sentences are true of it.
        run: facts of the training.
        sample: the images that were looked at.
        accuracy, pairs, causes, solver: of the sections of these names.
        pictures: all that the run gives rise to, by name.
    """

    title: str
    command: str
    seconds: float
    method: Method
    run: Facts
    sample: Looked
    accuracy: Accuracy
    pairs: Pairs
    causes: Causes
    solver: Solving
    pictures: Mapping[str, Picture]


def gather(report: Report, pictures: Mapping[str, Picture], command: str) -> Contents:
    """The contents of a page; the same report gives the same, but for times.

    Args:
        report: of a run.
        pictures: as `draw_all` makes them.
        command: what makes the page again, see `command_of`.
    """
    return Contents(
        title=title(report.run.folder),
        command=command,
        seconds=report.seconds,
        method=method_of(report),
        run=facts_of(report),
        sample=looked_at(report),
        accuracy=accuracy_of(report),
        pairs=pairs_of(report, pictures),
        causes=causes_of(report),
        solver=solving_of(report),
        pictures=pictures,
    )


def title(run: Path) -> str:
    """The run's folder, and the one above it."""
    folder = run.resolve()
    above = folder.parent.name
    return f"{above}/{folder.name}" if above else folder.name


def command_of(
    run: Path, effort: Effort, data: Path | None, group: str | None, graphs: int | None, out: Path | None
) -> str:
    """The command that makes the page again: options that are not at their defaults are in it."""
    usual = asdict(Effort())
    changed = {name: value for name, value in asdict(effort).items() if value != usual[name]}
    given = {"data": data, "group": group, "graphs": graphs, **changed, "out": out}
    words = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    return shlex.join(["gmssl", "explain", str(run), *words])
