"""The tables of a report: scores, differences, published rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gmssl.downstream.measures import Measured
from gmssl.downstream.reporting import words
from gmssl.downstream.reporting.judged import Judged
from gmssl.downstream.reporting.numbers import NONE, between, mean_and_deviation, of, scale, shown, signed
from gmssl.downstream.reporting.pairs import Pair, marks, pairs_of
from gmssl.downstream.reporting.report import Report
from gmssl.downstream.reporting.sites import HUMAN, site_tables
from gmssl.downstream.reporting.table import BEST, SECOND, Cell, Mark, Table, cells


def all_tables(report: Report) -> list[Table]:
    """Every table that the results give rise to."""
    found = [scores(report)]
    if any(report.pairs.values()):
        found.append(differences(report))
    return [*found, *site_tables(report), *published(report)]


def scores(report: Report) -> Table:
    """A row for each encoder, a column for each benchmark, and one without leaks where there are any."""
    columns = [column for one in report.judged for column in _columns(one, report.pairs[one.name])]
    rows = [(Cell(name), *(column.get(name, Cell(NONE)) for _, column in columns)) for name in report.encoders]
    human = [(Cell(HUMAN), *(column.get(HUMAN, Cell(NONE)) for _, column in columns))]
    rows += human if any(HUMAN in column for _, column in columns) else []
    notes = [words.SHARES, words.RULE, *map(words.about, report.judged), *words.patients(report)]
    notes += [*words.verdicts(report), *words.lacking(report)]
    headings = ("encoder", *(heading for heading, _ in columns))
    return Table("scores", "Scores", headings, tuple(rows), tuple(notes))


def _columns(judged: Judged, pairs: list[Pair]) -> Iterator[tuple[str, dict[str, Cell]]]:
    title = f"{judged.name} {shown(judged.metric, judged.higher)}"
    measured = {result.encoder.name: result.scores.get(judged.metric) for result in judged.results}
    yield title, _marked(judged, measured, pairs) | _observer(judged, judged.any.scores)
    if judged.any.clean is not None:
        clean = {result.encoder.name: (result.clean or {}).get(judged.metric) for result in judged.results}
        yield (
            f"{title}, without leaks",
            (_marked(judged, clean, _clean_pairs(judged)) | _observer(judged, judged.any.clean)),
        )


def _clean_pairs(judged: Judged) -> list[Pair]:
    """Over seeds only: rows do not say which cases are leaks."""
    return pairs_of(replace(judged, results=tuple(replace(one, scores=one.clean or {}) for one in judged.results)))


def _marked(judged: Judged, measured: dict[str, Measured | None], pairs: list[Pair]) -> dict[str, Cell]:
    known = {name: one.mean for name, one in measured.items() if one is not None and one.mean is not None}
    ranked = sorted(known, key=lambda name: -known[name] if judged.higher else known[name])
    best, second = marks(ranked, pairs)

    def mark(name: str) -> Mark:
        return BEST if name == best else SECOND if name == second else ""

    return {name: Cell(of(one, judged.metric), mark(name)) for name, one in measured.items()}


def _observer(judged: Judged, measured: dict[str, Measured]) -> dict[str, Cell]:
    human = measured.get(f"observer {judged.metric}")
    return {} if human is None or human.mean is None else {HUMAN: Cell(of(human, judged.metric))}


def differences(report: Report) -> Table:
    """A row for each pair of encoders, and two intervals for each benchmark."""
    order = {name: place for place, name in enumerate(report.encoders)}
    found = {(pair.one, pair.other, pair.benchmark): pair for pairs in report.pairs.values() for pair in pairs}
    both = sorted({key[:2] for key in found}, key=lambda names: (order[names[0]], order[names[1]]))
    headings = ["encoder", "minus"]
    for one in report.judged:
        headings += [f"{one.name} {shown(one.metric, one.higher)}", "over seeds", "over patients"]
    rows = []
    for one_name, other in both:
        row = [Cell(one_name), Cell(other)]
        for one in report.judged:
            row += _difference(found.get((one_name, other, one.name)))
        rows.append(tuple(row))
    notes = (
        "Paired differences of means over the seeds that both encoders have, in points of the score, with 95 % "
        "intervals: over seeds by Student's t, over patients (cases where these are not known) by the percentile "
        f"bootstrap with {report.samples} samples, the same patients for both. Bold: told apart from 0.",
        *words.patients(report),
    )
    return Table("differences", "Paired differences", tuple(headings), tuple(rows), notes, left=2)


def _difference(pair: Pair | None) -> tuple[Cell, ...]:
    if pair is None or pair.seeds is None:
        return cells(NONE, NONE, NONE)
    by = scale(pair.metric)
    mark: Mark = BEST if pair.verdict else ""
    return (
        Cell(signed(by * pair.seeds.mean), mark),
        Cell(between(pair.seeds.interval, by)),
        Cell(between(pair.patients, by)),
    )


def published(report: Report) -> Iterator[Table]:
    """A table for each set of published rows: published, ours, and the difference to each."""
    for one in report.judged:
        groups: dict[tuple[str, ...], list[dict[str, object]]] = {}
        for row in one.any.published:
            key = tuple(str(row[column]) for column in ("table", "data", "metric"))
            groups.setdefault(key, []).append(dict(row))
        for number, (key, rows) in enumerate(groups.items()):
            suffix = f"-{number + 1}" if number else ""
            yield _published(one, key, rows, f"published-{one.name}{suffix}")


def ours_of(judged: Judged, row: dict[str, object]) -> tuple[str, dict[str, Measured | None]]:
    """The score that a published row is compared with, and that of each encoder."""
    metric = str(row.get("ours") or judged.any.main)
    return metric, {result.encoder.name: result.scores.get(metric) for result in judged.results}


def _published(judged: Judged, key: tuple[str, ...], rows: list[dict[str, object]], name: str) -> Table:
    metric, ours = ours_of(judged, rows[0])
    by = scale(metric)
    lines = [(Cell("ours"), Cell(NONE), *(Cell(of(one, metric)) for one in ours.values()))]
    for row in rows:
        mean, deviation = (float(str(row[at])) if row.get(at) is not None else None for at in ("mean", "sd"))
        line = [Cell(str(row["method"])), Cell(mean_and_deviation(mean, deviation, 1.0))]
        for one in ours.values():
            known = one is not None and one.mean is not None and mean is not None
            line.append(Cell(signed(by * one.mean - mean) if known else NONE))  # type: ignore[union-attr, operator]
        lines.append(tuple(line))
    table, data, published_metric = key
    notes = (
        f"Published: {published_metric} of {data} in the table of {table}, as printed. First row: {metric} of ours. "
        "Other rows: ours minus published. Cases, splits, image sizes and training differ, so that a difference is no "
        "comparison of encoders.",
        words.about(judged),
    )
    headings = ("method", "published", *(f"ours: {encoder}" for encoder in ours))
    return Table(name, f"{judged.name} beside published rows ({data})", headings, tuple(lines), notes)
