"""The results of a sweep as tables, for the terminal, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gmssl.errors import TrainingError
from gmssl.interfaces.part import nearest
from gmssl.sweeping.beside import UNTRAINED, shared
from gmssl.sweeping.cells import axis_labels
from gmssl.sweeping.metrics import Metric, metrics_of, names_of
from gmssl.sweeping.run import Outcome, Plan
from gmssl.system.grid import Grid
from gmssl.system.statistics import Summary, difference, summarise

_BESIDE = (
    " Untrained: the encoder as each seed starts it, pixels: the images themselves; what trained encoders must beat."
)


@dataclass(frozen=True)
class Line:
    """A cell under one metric, or a reference that it is compared with.

    Attributes:
        name: of the cell, or "untrained" or "pixels" (with what tells several of a kind apart).
        settings: the cell's values, one for each axis.
        by_seed: seed → value.
        summary: over seeds; None where no run has the number.
        against: value − that of the first cell, on the seeds that both have; None for the first cell itself.
        seeded: whether the value depends on the seed; raw pixels do not.
        beside: of a reference, the names of the cells that it is compared with.
    """

    name: str
    settings: tuple[str, ...]
    by_seed: Mapping[int, float]
    summary: Summary | None
    against: Summary | None
    seeded: bool = True
    beside: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Section:
    """All cells under one metric, and below them what the untrained encoder and raw pixels reach."""

    metric: Metric
    lines: tuple[Line, ...]
    references: tuple[Line, ...] = ()


def sections(plan: Plan, outcome: Outcome) -> list[Section]:
    """One for each metric that a run has; references have sections of their own, too, for the numbers of each run."""
    metrics = metrics_of(plan.definition.data)
    found = [
        Section(metric, _lines(plan, outcome, metric), _references(plan, outcome, metric, metrics))
        for metric in metrics
    ]
    return [section for section in found if any(line.summary for line in section.lines)]


def read_only(plan: Plan, given: str | None) -> frozenset[str] | None:
    """Names of the metrics that `--only` chooses, such as "knn,linear"; None for all.

    Raises:
        TrainingError: a name of no metric and no classifier of this sweep.
    """
    if given is None:
        return None
    names = names_of(plan.definition.data, plan.evaluate, plan.cells[0].recipe.probe is not None)
    chosen: frozenset[str] = frozenset()
    for name in (text.strip() for text in given.split(",")):
        if name not in names:
            more = "" if plan.evaluate else "; --evaluate knn or --evaluate linear adds more"
            raise TrainingError(
                f"--only {given}: this sweep has no result {name!r}{nearest(name, names)}. Choose from "
                f"{', '.join(names)}{more}."
            )
        chosen |= names[name]
    return chosen


def _by_cell(plan: Plan, outcome: Outcome, metric: Metric) -> dict[str, dict[int, float]]:
    """Cell name → seed → value."""
    return {
        cell.name: {
            seed: outcome.values[cell.name, seed][metric.name]
            for seed in plan.seeds
            if metric.name in outcome.values.get((cell.name, seed), {})
        }
        for cell in plan.cells
    }


def _lines(plan: Plan, outcome: Outcome, metric: Metric) -> tuple[Line, ...]:
    by_cell = _by_cell(plan, outcome, metric)
    first = plan.cells[0]
    return tuple(
        Line(
            cell.name,
            cell.values,
            by_cell[cell.name],
            summarise(by_cell[cell.name]),
            None if cell is first else difference(by_cell[cell.name], by_cell[first.name]),
        )
        for cell in plan.cells
    )


def _references(plan: Plan, outcome: Outcome, metric: Metric, metrics: Sequence[Metric]) -> tuple[Line, ...]:
    first = _by_cell(plan, outcome, metric)[plan.cells[0].name]
    rest = [""] * (len(plan.axes) - 1)
    return tuple(
        Line(
            line.name,
            (line.name, *rest),
            line.by_seed,
            summarise(line.by_seed),
            difference(line.by_seed, first),
            beside.features == UNTRAINED,
            line.cells,
        )
        for beside in metrics
        if beside.beside == metric.name
        for line in shared(plan.axes, plan.cells, beside.features, _by_cell(plan, outcome, beside))
    )


def grids(plan: Plan, found: Sequence[Section]) -> list[Grid]:
    """A table for each metric; the note stands below the last."""
    labels = axis_labels(plan.axes)
    note = (
        "sd: sample standard deviation over seeds. Difference: from the first row, on the same seeds, with its 95 % "
        "t-interval; not corrected for the number of comparisons. Loss and match accuracy are means over the logged "
        "steps of the last epoch; they compare cells only where loss and matching problem are the same."
    )
    shown = [section for section in found if not section.metric.reference]
    tables = []
    for section in shown:
        rows = [_row(section.metric, line) for line in (*section.lines, *section.references)]
        headings = (*labels, "seeds", "mean ± sd", "difference", "95 % interval")
        text = f"{note}{_BESIDE if any(s.references for s in shown) else ''}" if section is shown[-1] else ""
        tables.append(Grid(section.metric.heading, headings, rows, text, len(labels)))
    return tables


def _row(metric: Metric, line: Line) -> tuple[str, ...]:
    mean, against = line.summary, line.against
    if mean is None:
        return (*line.settings, "0", "–", "–", "–")
    spread = "" if mean.deviation is None or not line.seeded else f" ± {metric.show(mean.deviation)}"
    shown = (*line.settings, str(mean.n) if line.seeded else "–", f"{metric.show(mean.mean)}{spread}")
    if against is None:
        return (*shown, "–", "–")
    interval = "–"
    if against.interval is not None:
        low, high = (metric.show(end, signed=True) for end in against.interval)
        interval = f"[{low}, {high}]"
    paired = f" (n = {against.n})" if line.seeded and against.n != mean.n else ""
    return (*shown, metric.show(against.mean, signed=True) + paired, interval)


def to_markdown(plan: Plan, source: str, found: Sequence[Section], outcome: Outcome) -> str:
    """All tables, and what failed."""
    first, count = plan.cells[0].name, len(plan.seeds)
    head = f"# Sweep of `{source}`\n\n{len(plan.cells)} cells × {count} seed(s); differences are from `{first}`.\n"
    failed = [f"- `{name}`: {' '.join(message.split())}" for name, message in outcome.failures.items()]
    tail = ["### Failed runs\n\n" + "\n".join(failed) + "\n"] if failed else []
    return "\n".join([head, *(grid.to_markdown() for grid in grids(plan, found)), *tail])


def results_csv(plan: Plan, found: Sequence[Section]) -> str:
    """A row for each cell (and reference) and metric; numbers in full, empty where there is none."""
    rows: list[Sequence[object]] = [
        (
            *(axis.path for axis in plan.axes),
            "metric",
            "seeds",
            "mean",
            "sd",
            "low",
            "high",
            "paired_seeds",
            "difference",
            "difference_low",
            "difference_high",
        )
    ]
    rows += [
        (*line.settings, section.metric.name, *_numbers(line.summary, True), *_numbers(line.against))
        for section in found
        if not section.metric.reference
        for line in (*section.lines, *section.references)
    ]
    return _csv(rows)


def _numbers(summary: Summary | None, spread: bool = False) -> tuple[object, ...]:
    if summary is None:
        return (0, *[None] * (4 if spread else 3))
    deviation = (summary.deviation,) if spread else ()
    return (summary.n, summary.mean, *deviation, *(summary.interval or (None, None)))


def runs_csv(plan: Plan, found: Sequence[Section]) -> str:
    """A row for each run, a column for each metric."""
    rows: list[Sequence[object]] = [
        ("run", *(axis.path for axis in plan.axes), "seed", *(section.metric.name for section in found))
    ]
    for run in plan.runs:
        at = plan.cells.index(run.cell)
        values = [section.lines[at].by_seed.get(run.seed) for section in found]
        if any(value is not None for value in values):
            rows.append((run.name, *run.cell.values, run.seed, *values))
    return _csv(rows)


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
