"""The numbers of a report as CSV, exact: a row for each score, difference, and published row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from gmssl.downstream.measures import Measured
from gmssl.downstream.reporting.judged import Judged
from gmssl.downstream.reporting.pairs import Interval
from gmssl.downstream.reporting.report import Report
from gmssl.downstream.reporting.tables import ours_of
from gmssl.downstream.results import Result
from gmssl.system.json_text import json_text

Entry = str | int | float | bool | None
Record = dict[str, Entry]


def to_csv(records: Sequence[Mapping[str, Entry]]) -> str:
    """A heading and a line each; numbers are read back exactly, None is an empty cell."""
    text = io.StringIO()
    if records:
        writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _entry(value) for key, value in record.items()} for record in records)
    return text.getvalue()


def _entry(value: Entry) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def files(report: Report) -> dict[str, str]:
    """Name → CSV; those without rows are left out."""
    found = {
        "scores": list(scores(report)),
        "differences": list(differences(report)),
        "published": list(published(report)),
    }
    return {f"{name}.csv": to_csv(records) for name, records in found.items() if records}


def scores(report: Report) -> Iterator[Record]:
    """Every score, on all cases, on those without leaks, and on those of each site."""
    for one in report.judged:
        for result in one.results:
            choices: list[tuple[str, str | None, Mapping[str, Measured]]] = [("all", None, result.scores)]
            choices += [] if result.clean is None else [("without leaks", None, result.clean)]
            choices += [("site", site, measured) for site, measured in result.per_site.items()]
            for cases, site, measured in choices:
                for metric, value in measured.items():
                    yield _score(one, result, cases, site, metric, value)


def _score(judged: Judged, result: Result, cases: str, site: str | None, metric: str, value: Measured) -> Record:
    data = result.data
    low, high = value.interval or (None, None)
    return {
        "benchmark": judged.name,
        "encoder": result.encoder.name,
        "metric": metric,
        "shown": metric == judged.metric,
        "cases": cases,
        "site": site,
        "scored": data.sites[site] if site is not None else data.test - (data.leaked if cases != "all" else 0),
        "leaks": data.leaked,
        "patients": data.patients,
        "seeds": len(result.seeds),
        "mean": value.mean,
        "deviation": value.deviation,
        "low": low,
        "high": high,
        "per_seed": json_text(dict(sorted(value.per_seed.items())), indent=None),
        "frozen": result.encoder.frozen,
        "fingerprint": result.encoder.fingerprint,
        "data": data.digest,
        "source": result.encoder.source,
    }


def differences(report: Report) -> Iterator[Record]:
    """One minus other, with both intervals; `told_apart` is 1 where one is better, −1 where it is worse, else 0."""
    for pairs in report.pairs.values():
        for pair in pairs:
            over = pair.seeds
            yield {
                "benchmark": pair.benchmark,
                "metric": pair.metric,
                "higher_is_better": pair.higher,
                "encoder": pair.one,
                "minus": pair.other,
                "seeds": 0 if over is None else over.n,
                "mean": None if over is None else over.mean,
                "deviation": None if over is None else over.deviation,
                **_ends("seeds", None if over is None else over.interval),
                **_ends("patients", pair.patients),
                "told_apart": pair.verdict,
            }


def _ends(name: str, interval: Interval | None) -> Record:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def published(report: Report) -> Iterator[Record]:
    """Each published row with each encoder; published numbers as printed, ours as in the other files."""
    for one in report.judged:
        for row in one.any.published:
            metric, ours = ours_of(one, dict(row))
            for encoder, measured in ours.items():
                yield {
                    "benchmark": one.name,
                    **{key: str(row[key]) for key in ("table", "data", "method")},
                    "published_metric": str(row["metric"]),
                    **{f"published_{key}": _number(row[key]) for key in ("mean", "sd")},
                    "encoder": encoder,
                    "metric": metric,
                    "ours": None if measured is None else measured.mean,
                    "deviation": None if measured is None else measured.deviation,
                }


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
