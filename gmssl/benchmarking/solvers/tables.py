"""The tables of a report."""

from __future__ import annotations

from collections.abc import Callable

from gmssl.benchmarking.solvers.contestants import LONG, LONG_KIND, REFERENCE, THREADED
from gmssl.benchmarking.solvers.instances import NoiseSetting
from gmssl.benchmarking.solvers.report import Report, Row, SizeReport
from gmssl.benchmarking.solvers.scores import CERTIFIED, TOLERANCE
from gmssl.system.grid import Grid

WORSE = "▲"
SETTING = ("noise", "margin", "Gumbel")


def tables(report: Report) -> list[Grid]:
    """All tables that have rows."""
    by_size = [_energies(report, size) for size in report.sizes]
    grids = [_quality(report), _bounds(report), _bounds_by_setting(report), _threads(report), *by_size, _absent(report)]
    return [grid for grid in grids if grid.rows]


def page_tables(report: Report) -> list[Grid]:
    """Those of a page: tables of one row for each noise setting are left to the JSON and the terminal."""
    return [grid for grid in (_quality(report), _bounds(report), _threads(report), _absent(report)) if grid.rows]


def summary(report: Report) -> str:
    """What was measured, where, in one paragraph."""
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    counts = ", ".join(f"{len(report.settings) * size.graphs} of n = {size.n}" for size in report.sizes)
    load = "" if machine.load is None else f", load average at the start {machine.load:.1f}"
    return (
        f"Measured by `{report.command}` on {machine.date}: {machine.processor}, {machine.cores} cores{load}; "
        f"{versions}. Instances: {counts}, in {len(report.settings)} noise settings."
    )


def _quality(report: Report) -> Grid:
    headings = ("n", "solver", "µs", "µs CPU", "+ build", "×", "× CPU", "gap", "gap %", "solved", "no worse")
    rows = [
        (
            str(size.n),
            row.solver,
            _time(row.wall_us),
            _time(row.cpu_us),
            _or_dash(row.building_us, _time),
            _or_dash(row.speed, _times),
            _or_dash(row.cpu_speed, _times),
            f"{row.gap:.4f}",
            f"{100 * row.relative_gap:.3f}",
            _percent(row.solved),
            _or_dash(row.no_worse, lambda flags: f"{sum(flags)}/{len(flags)}"),
        )
        for size in report.sizes
        for row in size.rows
    ]
    efforts = ", ".join(f"{starts}×{iterations} for n ≤ {n}" for n, (starts, iterations) in LONG.items())
    note = (
        "One thread. µs: wall time of an instance, median of rounds in which the solvers take turns; building of "
        f"models apart. ×: the time of {REFERENCE} divided by the solver's, model building in neither. Gap: mean "
        f"energy above the best known one, the least of all solvers here and of {LONG_KIND} with {efforts}. Solved: "
        f"within a share {TOLERANCE:g} of it. No worse: in how many noise settings the mean energy is not above that "
        f"of {REFERENCE}."
    )
    return Grid("Time and quality", headings, rows, note)


def _bounds(report: Report) -> Grid:
    rows = [
        (str(size.n), row.solver, f"{100 * row.bound_gap:.3f}", _percent(row.certified), _time(row.wall_us))
        for size in report.sizes
        for row in size.rows
        if row.bound_gap is not None and row.certified is not None
    ]
    note = (
        "Bound gap: mean of (energy − lower bound) / |energy|. Certified: share of instances whose bound proves the "
        f"energy, within {100 * CERTIFIED:g} % of it."
    )
    return Grid("Bounds", ("n", "solver", "bound gap %", "certified", "µs"), rows, note)


def _bounds_by_setting(report: Report) -> Grid:
    columns = [(size.n, row.solver, row.bound_gaps) for size in report.sizes for row in size.rows if row.bound_gaps]
    rows = [
        (*_shown(setting), *(f"{100 * gaps[index]:.3f}" for _, _, gaps in columns))
        for index, setting in enumerate(report.settings if columns else ())
    ]
    headings = (*SETTING, *(f"{solver}, n = {n}" for n, solver, _ in columns))
    return Grid("Bound gap by noise setting, %", headings, rows, left=0)


def _threads(report: Report) -> Grid:
    rows = [(str(size.n), t.solver, f"{t.ratio:.2f}") for size in report.sizes for t in size.threads]
    note = "Wall time on one thread divided by that on two, both in turns; median."
    return Grid(f"Two threads against one, {THREADED}", ("n", "solver", "ratio"), rows, note)


def _energies(report: Report, size: SizeReport) -> Grid:
    rows = [
        (*_shown(setting), f"{size.best[index]:.4f}", *(_above(row, index, size.best[index]) for row in size.rows))
        for index, setting in enumerate(report.settings)
    ]
    headings = (*SETTING, "best known", *(row.solver for row in size.rows))
    worse = f"; {WORSE}: above that of {REFERENCE}" if any(row.no_worse for row in size.rows) else ""
    note = f"Mean best known energy of each setting, and how far above it the mean energies of the solvers are{worse}."
    return Grid(f"Energies by noise setting, n = {size.n}", headings, rows, note, left=0)


def _shown(setting: NoiseSetting) -> tuple[str, str, str]:
    return f"{setting.noise:g}", f"{setting.margin:g}", f"{setting.gumbel:g}"


def _above(row: Row, index: int, best: float) -> str:
    mark = WORSE if row.no_worse is not None and not row.no_worse[index] else ""
    return f"{max(0.0, row.energies[index] - best):.4f}{mark}"


def _absent(report: Report) -> Grid:
    rows = [(str(size.n), a.kind, a.reason) for size in report.sizes for a in size.absent]
    return Grid("Not measured", ("n", "solver", "why"), rows, left=3)


def _or_dash(value: object, show: Callable[..., str]) -> str:
    return "–" if value is None else show(value)


def _time(micro: float) -> str:
    return f"{micro:.1f}" if micro < 100 else f"{micro:.0f}"


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
