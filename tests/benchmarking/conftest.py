"""A report to show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gmssl.benchmarking.solvers.contestants import Absent
from gmssl.benchmarking.solvers.instances import SETTINGS
from gmssl.benchmarking.solvers.report import Report, Row, SizeReport, Threads
from gmssl.system.machine import Machine

ROW = Row(
    solver="robust_tabu 8×50",
    kind="robust_tabu",
    settings={"starts": 8},
    rounds=3,
    wall_us=100.0,
    cpu_us=90.0,
    building_us=None,
    speed=40.0,
    cpu_speed=41.0,
    gap=0.0,
    relative_gap=0.0,
    solved=1.0,
    energies=[-2.0] * 24,
    no_worse=[True] * 24,
    bound_gap=None,
    bound_gaps=None,
    certified=None,
)


@pytest.fixture
def report() -> Report:
    """Two sizes with points as close to each other as they come, in time and in quality."""
    peer = replace(
        ROW, solver="libmgm", kind="libmgm", wall_us=4000.0, building_us=2000.0, speed=1.0, relative_gap=3e-4
    )
    rows = [
        replace(ROW, solver="lap", kind="lap", wall_us=10.0, relative_gap=0.4, no_worse=[False] + [True] * 23),
        ROW,
        replace(ROW, solver="robust_tabu 16×50", wall_us=130.0),
        replace(ROW, solver="robust_tabu 24×50", wall_us=170.0),
        replace(
            ROW, solver="lagrange", wall_us=4100.0, bound_gap=0.02, bound_gaps=[0.02] * 24, certified=0.5,
            relative_gap=3.1e-4,
        ),
        peer,
        replace(ROW, solver="ipfp", kind="ipfp", wall_us=3000.0, relative_gap=0.1),
        replace(ROW, solver="two_swap", kind="two_swap", wall_us=2900.0, relative_gap=0.1),
        replace(ROW, solver="rrwm", kind="rrwm", wall_us=70000.0, relative_gap=1.2),
    ]  # fmt: skip
    absent = [Absent("exhaustive", "10×10 vertices | too many")]
    sizes = [SizeReport(n, 2, [-2.0] * 24, rows, [Threads("robust_tabu 8×50", 1.9)], absent) for n in (10, 16)]
    machine = Machine("a processor", 2, 0.5, "2026-01-01", {"torch": "2.15"})
    return Report("gmssl bench solvers --n 10", machine, SETTINGS, sizes)
