"""The tables of an estimator report."""

from __future__ import annotations

from gmssl.benchmarking.estimator_quality import FLAT, MEASURES
from gmssl.benchmarking.estimators import PROBLEMS, EstimatorReport, Interval, Row
from gmssl.benchmarking.grid import Grid

_SHARES = ("aligned", "descent", "zero")

NOTE = (
    "Means over instances ± half of the 95 % t-interval. bias: ‖E ĝ − g‖ / ‖g‖. direction: sine of the angle between "
    "E ĝ and g, the bias that no scaling removes. variance: E ‖ĝ − E ĝ‖² / ‖g‖². cosine: of one estimate with g. "
    "aligned, descent, zero: shares of estimates with ⟨ĝ, g⟩ > 0, of those along which a step of half a temperature "
    f"lowers the expected loss, and of those that are 0, in %. Instances with ‖g‖ < {FLAT:g} are left out."
)


def estimator_tables(report: EstimatorReport) -> list[Grid]:
    """One for each kind of problem and temperature."""
    found = []
    for problem in PROBLEMS:
        rows = [row for row in report.rows if row.problem == problem]
        for temperature in dict.fromkeys(row.temperature for row in rows):
            title = f"{problem.capitalize()}, Gumbel noise of temperature {temperature:g}"
            shown = [_cells(row) for row in rows if row.temperature == temperature]
            found.append(Grid(title, ("estimator", *MEASURES), shown, "", 1))
    return found


def _cells(row: Row) -> tuple[str, ...]:
    return (row.name, *(show(row.measures[name], 100 if name in _SHARES else 1) for name in MEASURES))


def show(value: Interval, scale: float = 1) -> str:
    """`0.52 ± 0.03`."""
    half = "" if value.high is None else f" ± {scale * (value.high - value.mean):.2g}"
    return f"{scale * value.mean:.3g}{half}"


def estimator_summary(report: EstimatorReport) -> str:
    """What was measured, where, in one paragraph."""
    machine = report.machine
    sizes = ", ".join(map(str, report.sizes))
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"Measured by `{report.command}` on {machine.date}: {machine.processor}; {versions}. {report.instances} "
        f"instances of each stage of training and size (n = {sizes}), {report.draws} estimates of each; the exact "
        f"gradients are known to {100 * report.exact_error:.1f} % (mean relative standard error). {NOTE}"
    )
