"""Scores by site: those learnt from, those never seen, what is lost between them, and what people reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gmssl.downstream.measures import Measured
from gmssl.downstream.reporting.judged import Judged, values_of
from gmssl.downstream.reporting.numbers import between, counted, of, scale, shown, signed
from gmssl.downstream.reporting.report import Report
from gmssl.downstream.reporting.table import Cell, Table, cells
from gmssl.downstream.results import Result
from gmssl.system.statistics import Summary, difference

HUMAN = "second observer"


@dataclass(frozen=True)
class Sites:
    """Names of the sites of a benchmark that were learnt from, and of those that were not."""

    learnt: tuple[str, ...]
    unseen: tuple[str, ...]

    @classmethod
    def of(cls, judged: Judged) -> Sites:
        """By the cases that were learnt from; where the file does not say, or all were, none is known as unseen."""
        data = judged.any.data
        learnt = tuple(site for site in data.sites if not data.learnt_sites or site in data.learnt_sites)
        return cls(learnt, tuple(site for site in data.sites if site not in learnt))


def drop_of(result: Result, metric: str, sites: Sites) -> Summary | None:
    """Mean of the unseen sites minus that of those learnt from, paired over seeds; None where either is missing."""

    def mean(names: Sequence[str]) -> dict[int, float]:
        each = [values_of(result.per_site[name].get(metric)) for name in names if name in result.per_site]
        common = set.intersection(*map(set, each)) if each and len(each) == len(names) else set()
        return {seed: sum(values[seed] for values in each) / len(each) for seed in sorted(common)}

    return difference(mean(sites.unseen), mean(sites.learnt))


def site_tables(report: Report) -> Iterator[Table]:
    """A table for each benchmark with two sites or more."""
    for one in report.judged:
        if len(one.any.data.sites) > 1:
            yield _table(one)


def _table(judged: Judged) -> Table:
    sites, data, metric = Sites.of(judged), judged.any.data, judged.metric
    order = [*sites.learnt, *sites.unseen]
    state = dict.fromkeys(sites.learnt, "learnt from") | dict.fromkeys(sites.unseen, "never seen")
    told = bool(data.learnt_sites)
    headings = ["encoder"]
    headings += [f"{site} ({counted(data.sites[site], 'case')}{f', {state[site]}' if told else ''})" for site in order]
    if sites.unseen and sites.learnt:
        headings.append("change to sites never seen")
    rows = [_row(judged, result, order, sites) for result in judged.results]
    human = _human(judged, order)
    if human is not None:
        rows.append(human + cells(*[""] * (len(headings) - len(human))))
    notes = [
        f"{shown(metric, judged.higher)}; mean ± standard deviation over {counted(len(judged.any.seeds), 'seed')}."
    ]
    if sites.unseen and sites.learnt:
        notes.append(
            "Change: mean of the sites never seen minus that of those learnt from, each site counting alike, with the "
            "95 % interval over seeds. Sites differ in their cases, too, so that not all of a change is the encoder's."
        )
    elif told:
        notes.append("Every site is learnt from, so that there is no loss to tell.")
    else:
        notes.append("The file does not say which sites were learnt from.")
    if human is not None:
        notes.append("Second observer: another person's annotation scored like a prediction; what people reach here.")
    title = f"{judged.name} by site"
    return Table(f"sites-{judged.name}", title, tuple(headings), tuple(rows), tuple(notes))


def _row(judged: Judged, result: Result, order: Sequence[str], sites: Sites) -> tuple[Cell, ...]:
    metric, by = judged.metric, scale(judged.metric)
    row = [Cell(result.encoder.name)]
    row += [Cell(of(result.per_site.get(site, {}).get(metric), metric)) for site in order]
    if sites.unseen and sites.learnt:
        drop = drop_of(result, metric, sites)
        ends = None if drop is None or drop.interval is None else drop.interval
        row.append(
            Cell("–" if drop is None else f"{signed(by * drop.mean)} {'' if ends is None else between(ends, by)}")
        )
    return tuple(row)


def _human(judged: Judged, order: Sequence[str]) -> tuple[Cell, ...] | None:
    found: list[Measured | None] = [
        judged.any.per_site.get(site, {}).get(f"observer {judged.metric}") for site in order
    ]
    if not any(one is not None and one.mean is not None for one in found):
        return None
    return (Cell(HUMAN), *(Cell(of(one, judged.metric)) for one in found))
