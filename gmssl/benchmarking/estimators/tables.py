"""The tables of an estimator report."""

from __future__ import annotations

from dataclasses import replace

from gmssl.benchmarking.estimators.comparison import EstimatorReport, Row
from gmssl.benchmarking.estimators.contestants import PROBLEMS
from gmssl.benchmarking.estimators.quality import FLAT
from gmssl.benchmarking.estimators.statistics import Interval
from gmssl.system.grid import Grid

COLUMNS = {
    "bias": "bias",
    "scaled_bias": "bias†",
    "variance": "variance",
    "scaled_variance": "variance†",
    "cosine": "cosine",
    "mean_cosine": "of mean",
    "aligned": "aligned",
    "descent": "descent",
    "zero": "zero",
}
"""Measures and their headings."""
_SHARES = ("aligned", "descent", "zero")

NOTE = (
    "Of all tables by temperature: "
    "± is the larger half of the 95 % interval over instances. bias: ‖E ĝ − g‖ / ‖g‖. variance: E ‖ĝ − E ĝ‖² / ‖g‖². "
    "bias†, variance†: of s ĝ, with the one factor s for all instances that is best for the mean. cosine: of a single "
    "estimate with g; of mean: of E ĝ with g. aligned, descent, zero: shares of estimates with ⟨ĝ, g⟩ > 0, of those "
    "along which a step of half a temperature lowers the expected loss, and of those that are 0, in %. cosine and the "
    f"shares leave out instances with ‖g‖ < {FLAT:g}, or less than twice its error."
)


def estimator_page(report: EstimatorReport) -> list[Grid]:
    """What a page shows beside the picture: which estimator to use, and what is absent.

    All numbers are in the JSON, and `estimator_tables` shows them in a terminal.
    """
    return [grid for grid in (_choice(report), _absent(report)) if grid.rows]


def estimator_tables(report: EstimatorReport) -> list[Grid]:
    """The reference, one table for each kind of problem and temperature, cosines by stage, and what is absent."""
    measured = _measures(report)
    if measured:
        measured[-1] = replace(measured[-1], note=NOTE)
    grids = [_references(report), *measured, *_stages(report), _absent(report)]
    return [grid for grid in grids if grid.rows]


def _choice(report: EstimatorReport) -> Grid:
    """One row for each kind and number of samples, so that λ, which only trades bias for variance, takes no rows."""
    places = [(problem, t) for problem in PROBLEMS for t in dict.fromkeys(row.temperature for row in report.rows)]
    rows = []
    for kind, samples in dict.fromkeys((row.estimator, row.samples) for row in report.rows):
        own = [row for row in report.rows if (row.estimator, row.samples) == (kind, samples)]
        cells = [_best([row for row in own if (row.problem, row.temperature) == place]) for place in places]
        rows.append((kind, "–" if samples is None else str(samples), *cells))
    headings = ("estimator", "samples", *(f"{problem}, {t:g}" for problem, t in places))
    note = (
        "By kind of problem and temperature of the noise. ± is the larger half of the 95 % interval over instances. "
        "An estimator with a λ stands with its best one: the least that reaches the largest cosine to two digits."
    )
    return Grid("Cosine of a single estimate with the exact gradient", headings, rows, note, 1)


def _best(rows: list[Row]) -> str:
    means = [(row.measures["cosine"].mean, row) for row in rows]
    known = [(round(mean, 2), row) for mean, row in means if mean is not None]
    if not known:
        return "–"
    most = max(cosine for cosine, _ in known)
    # Rows are in the order of λ, and from some λ on the cosine changes in the third digit only: noise must not choose.
    best = next(row for cosine, row in known if cosine == most)
    strength = "" if best.strength is None else f", λ = {best.strength:g}"
    return shown(best.measures["cosine"], digits=2) + strength


def _references(report: EstimatorReport) -> Grid:
    rows = [
        (
            one.problem,
            f"{one.temperature:g}",
            *(f"{loss:.2f}" for loss in one.loss.values()),
            f"{one.gradient:.2f}",
            f"{100 * one.error:.1f}",
            f"{one.steep}/{one.instances}",
        )
        for one in report.references
    ]
    headings = ("problem", "temperature", *(f"loss, {stage}" for stage in report.stages), "‖g‖", "error %", "steep")
    note = (
        "The expected Hamming loss, by stage of training; root mean square of ‖g‖; standard error of the enumerated g "
        "of the batch, relative to its length; instances whose g is not all but 0."
    )
    return Grid("The exact gradient", headings, rows, note, 1)


def _measures(report: EstimatorReport) -> list[Grid]:
    found = []
    for problem in PROBLEMS:
        for temperature in dict.fromkeys(row.temperature for row in report.rows):
            rows = [row for row in report.rows if (row.problem, row.temperature) == (problem, temperature)]
            title = f"{problem.capitalize()}, temperature {temperature:g}"
            found.append(Grid(title, ("estimator", *COLUMNS.values()), [_cells(row) for row in rows], "", 1))
    return found


def _cells(row: Row) -> tuple[str, ...]:
    return (row.name, *(shown(row.measures[name], 100 if name in _SHARES else 1) for name in COLUMNS))


def _stages(report: EstimatorReport) -> list[Grid]:
    """A column for each temperature and stage, as the best estimator may change from early to late."""
    found = []
    for problem in PROBLEMS:
        by_name: dict[str, list[str]] = {}
        rows = [row for row in report.rows if row.problem == problem]
        for row in rows:
            cells = [shown(row.cosines[stage], digits=2) for stage in report.stages]
            by_name.setdefault(row.name, []).extend(cells)
        temperatures = dict.fromkeys(row.temperature for row in rows)
        headings = tuple(f"{t:g}, {stage}" for t in temperatures for stage in report.stages)
        title = f"Cosine of a single estimate by temperature and stage of training, {problem}"
        found.append(Grid(title, ("estimator", *headings), [(name, *cells) for name, cells in by_name.items()], "", 1))
    return found


def _absent(report: EstimatorReport) -> Grid:
    return Grid("Not measured", ("estimator", "why"), [(one.kind, one.reason) for one in report.absent])


def shown(value: Interval, scale: float = 1, digits: int = 3) -> str:
    """`0.523 ± 0.031`; a dash where there is no number."""
    if value.mean is None:
        return "–"
    mean = f"{scale * value.mean:.{digits}g}"
    if value.low is None or value.high is None:
        return mean
    return f"{mean} ± {scale * max(value.high - value.mean, value.mean - value.low):.2g}"


def estimator_summary(report: EstimatorReport) -> str:
    """What was measured, and where, in one paragraph."""
    machine = report.machine
    sizes = ", ".join(map(str, report.sizes))
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"Measured by `{report.command}` on {machine.date}: {machine.processor}; {versions}. "
        f"{report.noise.capitalize()} noise; {report.instances} instances of each stage of training "
        f"({', '.join(report.stages)}) and size (n = {sizes}), {report.draws} estimates of each."
    )
