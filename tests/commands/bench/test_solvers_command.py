"""`gmssl bench solvers`: tables, JSON, picture and page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gmssl.system.grid import marks

BEGIN, END = marks("gmssl bench solvers")

Run = Callable[..., Any]
TINY = ("--n", 5, "--quick", "--solver", "lap", "--solver", "robust_tabu")


@pytest.fixture
def run(bench: Run) -> Run:
    """Runs the command."""
    return partial(bench, "solvers")


def test_everything_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(f"# Page\n{BEGIN}\n{END}\n", encoding="utf-8")
    done = run(*TINY, "--n", 6, "--out", "out.json", "--plot", "plot.png", "--markdown", "page.md")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [size["n"] for size in report["sizes"]] == [5, 6]
    assert len(report["settings"]) == 24
    for size in report["sizes"]:
        lap, tabu, _ = size["rows"]
        assert (lap["kind"], tabu["kind"]) == ("lap", "robust_tabu")
        assert tabu["gap"] <= lap["gap"]
        assert tabu["solved"] > lap["solved"]
        assert tabu["rounds"] == 1
        assert tabu["wall_us"] > 0
        assert size["absent"] == []
    assert (tmp_path / "plot.png").stat().st_size > 1000
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.startswith("# Page\n")
    assert "Energies by noise setting, n = 6" in done.stdout
    assert "noise setting, n = 6" not in page, "one row for each of 24 settings is for the JSON"
    for text in (done.stdout, page):
        assert "robust_tabu 32×20, agree 8" in text
    again = shlex.split(report["command"])
    assert again[:3] == ["gmssl", "bench", "solvers"]
    assert sorted(again[3:]) == sorted(map(str, (*TINY, "--n", 6))), "what a reader repeats measures the same"


def test_written_numbers_are_shown_again(run: Run, tmp_path: Path, refusal: Callable[[Any, str], None]) -> None:
    measured = run(*TINY, "--out", "out.json", "--markdown", "page.md")
    shown = run("--from", "out.json", "--markdown", "again.md")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == measured.stdout
    assert (tmp_path / "again.md").read_text(encoding="utf-8") == (tmp_path / "page.md").read_text(encoding="utf-8")
    refusal(run("--from", "out.json", "--n", 6), "leave out --n, or --from to measure")
    refusal(run("--from", "missing.json"), "missing.json cannot be read: No such file or directory")


def test_the_numbers_of_a_seed_are_the_same_in_each_run(run: Run, tmp_path: Path) -> None:
    def energies(*arguments: object) -> list[float]:
        assert run(*TINY, "--out", "out.json", *arguments).exit_code == 0
        rows = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["sizes"][0]["rows"]
        return [energy for row in rows for energy in row["energies"]]

    assert energies() == energies()
    assert energies() != energies("--seed", 1)
