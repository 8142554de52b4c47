"""Tables of results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gmssl.downstream.measures import Measured
from gmssl.downstream.results import Result
from gmssl.system.grid import Grid

NOTE = (
    "mean ± standard deviation over seeds [95 % interval over patients, or over cases where these are not known]; "
    "from 0 to 1 unless the name has a unit"
)


def facts(results: Sequence[Result]) -> Iterator[str]:
    """What has to be known of the cases, a line each."""
    result = results[0]
    data = result.data
    patients = f" of {data.patients} patients" if data.patients else ""
    yield f"{result.benchmark}: {data.cases} cases{patients}, {data.train:.0f} to learn from, {data.test} scored"
    for name, value in data.facts.items():
        yield f"{name}: {_words(value)}"
    if data.leaked:
        yield f"leaks: {data.leaked} of {data.test} scored images are identical to images that are learnt from"
    for one in results:
        state = "frozen" if one.encoder.frozen else "trained"
        yield f"{one.encoder.name}: {one.encoder.source} ({one.encoder.fingerprint}), {state}"


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(entry)}" for key, entry in value.items())
    return ", ".join(map(_words, value)) if isinstance(value, list) else str(value)


def grids(results: Sequence[Result]) -> list[Grid]:
    """The scores of all test cases, of those without leaks, of each site, and what was published."""
    first = results[0]
    found = [_grid("all test cases", results, [one.scores for one in results])]
    if first.clean is not None:
        found.append(_grid("test cases without leaks", results, [one.clean or {} for one in results]))
    for site, count in first.data.sites.items():
        found.append(_grid(f"{site} ({count} cases)", results, [one.per_site[site] for one in results]))
    if first.published:
        rows = [
            (str(row["method"]), str(row["data"]), str(row["metric"]), f"{row['mean']}", f"{row['sd'] or '–'}")
            for row in first.published
        ]
        found.append(Grid("published", ("method", "data", "metric", "mean", "deviation"), rows, left=3))
    return found


def _grid(title: str, results: Sequence[Result], scores: Sequence[dict[str, Measured]]) -> Grid:
    """A row for each encoder; scores of single classes (`dice.tumour`) are in the JSON only."""
    metrics = [name for name in scores[0] if "." not in name]
    rows = [
        (result.encoder.name, *(cell(one.get(metric)) for metric in metrics))
        for result, one in zip(results, scores, strict=True)
    ]
    return Grid(title, ("encoder", *metrics), rows, NOTE, left=1)


def cell(measured: Measured | None) -> str:
    """`mean ± deviation [low, high]`."""
    if measured is None or measured.mean is None:
        return "–"
    deviation = "" if measured.deviation is None else f" ± {measured.deviation:.4f}"
    interval = "" if measured.interval is None else f" [{measured.interval[0]:.4f}, {measured.interval[1]:.4f}]"
    return f"{measured.mean:.4f}{deviation}{interval}"
