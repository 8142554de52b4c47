"""`gmssl bench estimators`: tables, JSON, picture and page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gmssl.benchmarking.estimators import comparison as module
from gmssl.benchmarking.estimators.statistics import MEASURES
from gmssl.system.grid import marks

BEGIN, END = marks("gmssl bench estimators")

Run = Callable[..., Any]
TINY = ("--quick", "--n", 2, "--draws", 4, "--estimator", "blackbox", "--estimator", "exact")


@pytest.fixture
def run(bench: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command at one temperature."""
    monkeypatch.setattr(module, "TEMPERATURES", (0.5,))
    return partial(bench, "estimators")


def test_everything_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(f"# Page\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    given = (*TINY, "--noise", "gaussian", "--seed", 3)
    done = run(*given, "--out", "out.json", "--plot", "plot.png", "--markdown", "page.md")
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert {row["estimator"] for row in written["rows"]} == {"blackbox", "exact"}
    assert all(set(row["measures"]) == set(MEASURES) for row in written["rows"])
    assert written["noise"] == "gaussian"
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.startswith(f"# Page\n{BEGIN}\nMeasured by")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert "blackbox λ=80" in done.stdout
    assert "| blackbox | – |" in page, "one row, at its best λ"
    assert "λ=80" not in page
    for text in (done.stdout, page):
        assert "nan" not in text
    again = shlex.split(written["command"])
    assert sorted(again[3:]) == sorted(map(str, given)), "what a reader repeats measures the same"


def test_written_numbers_are_shown_again(run: Run, tmp_path: Path, refusal: Callable[[Any, str], None]) -> None:
    measured = run(*TINY, "--out", "out.json", "--markdown", "page.md")
    shown = run("--from", "out.json", "--plot", "plot.png", "--markdown", "again.md")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == measured.stdout
    assert (tmp_path / "again.md").read_text(encoding="utf-8") == (tmp_path / "page.md").read_text(encoding="utf-8")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    refusal(run("--from", "out.json", "--draws", 8, "--quick"), "leave out --draws, --quick, or --from to measure")
    refusal(run("--from", "page.md"), "page.md is not a report of `gmssl bench estimators`")


def test_the_numbers_of_a_seed_are_the_same_in_each_run(run: Run, tmp_path: Path) -> None:
    def rows(*arguments: object) -> object:
        assert run(*TINY, "--out", "out.json", *arguments).exit_code == 0
        return json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["rows"]

    assert rows() == rows()
    assert rows() != rows("--seed", 1)
