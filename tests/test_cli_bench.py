"""`gmssl bench solvers`: tables, JSON, picture and page; wrong input is one message, before anything is measured."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gmssl.benchmarking import solvers as module
from gmssl.benchmarking.markdown import marks
from gmssl.cli import app

BEGIN, END = marks("gmssl bench solvers")

Run = Callable[..., Any]
Refusal = Callable[[Any, str], None]
TINY = ("--n", 5, "--quick", "--solver", "lap", "--solver", "robust_tabu")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in an empty folder; the environment is as before afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    return lambda *arguments: CliRunner().invoke(app, ["bench", "solvers", *map(str, arguments)])


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
    assert "Energies by noise setting, n = 6" in page
    for text in (done.stdout, page):
        assert "robust_tabu 32×20, agree 8" in text
    again = shlex.split(report["command"])
    assert again[:3] == ["gmssl", "bench", "solvers"]
    assert sorted(again[3:]) == sorted(map(str, (*TINY, "--n", 6))), "what a reader repeats measures the same"


def test_the_numbers_of_a_seed_are_the_same_in_each_run(run: Run, tmp_path: Path) -> None:
    def energies(*arguments: object) -> list[float]:
        assert run(*TINY, "--out", "out.json", *arguments).exit_code == 0
        rows = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["sizes"][0]["rows"]
        return [energy for row in rows for energy in row["energies"]]

    assert energies() == energies()
    assert energies() != energies("--seed", 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--solver", "robust_taboo"), "did you mean 'robust_tabu'"),
        (("--solver", "row_softmax"), "relaxed"),
        (("--n", 1), "from 2 to 64"),
        (("--n", 65), "from 2 to 64"),
        (("--out", "."), "--out . cannot be written"),
        (("--plot", "nowhere/plot.png"), "cannot be written"),
        (("--plot", "plot.pdf"), ".png"),
        (("--markdown", "marks.md"), "no place for the tables"),
    ],
)
def test_wrong_input_is_one_message_before_any_work(
    run: Run,
    refusal: Refusal,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[object, ...],
    said: str,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr(module, "race", refuse)
    (tmp_path / "marks.md").write_text("no marks", encoding="utf-8")
    done = run(*arguments)
    refusal(done, said)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--graphs", "--repeats"])
def test_counts_start_at_one(run: Run, option: str) -> None:
    done = run(option, 0)
    assert done.exit_code == 2
    assert f"Invalid value for '{option}'" in done.stderr
