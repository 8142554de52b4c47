"""A sweep tells how long it will still take, from the runs that it did itself."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from gmssl.sweeping.progress import Progress


@pytest.mark.parametrize(("jobs", "left"), [(1, "about 6 min left"), (2, "about 3 min left")])
def test_time_that_is_left(monkeypatch: pytest.MonkeyPatch, jobs: int, left: str) -> None:
    clock = iter([0.0, 1.0, 1.0, 61.0, 61.0, 241.0, 241.0, 242.0, 242.0, 302.0, 302.0, 362.0])
    monkeypatch.setattr("gmssl.sweeping.progress.time.monotonic", lambda: next(clock))
    text = StringIO()
    progress = Progress(Console(file=text), 6, Path("logs"), 5, jobs)
    for name, outcome, worked in [
        ("a", "finished before", False),
        ("b", "trained", True),
        ("c", "trained", True),
    ]:
        progress.started(name)
        progress.ended(name, outcome, worked)
    lines = text.getvalue().splitlines()
    assert lines[0] == "1/6 a: finished before"
    assert lines[1].startswith("2/6 b: trained (1 min; about ")
    assert lines[2] == f"3/6 c: trained (3 min; {left})"


def test_nothing_is_left_after_the_last_run() -> None:
    text = StringIO()
    progress = Progress(Console(file=text), 1, Path("logs"), 1, 1)
    progress.started("a")
    progress.ended("a", "trained", True)
    assert text.getvalue() == "1/1 a: trained (0 s)\n"
