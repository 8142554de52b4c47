"""`gmssl bench estimators`: tables, JSON, picture and page; wrong input is one message, before anything is measured."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gmssl.benchmarking import estimators as module
from gmssl.benchmarking.estimator_statistics import MEASURES
from gmssl.benchmarking.markdown import marks
from gmssl.cli import app

BEGIN, END = marks("gmssl bench estimators")

Run = Callable[..., Any]
Refusal = Callable[[Any, str], None]
TINY = ("--quick", "--n", 2, "--draws", 4, "--estimator", "blackbox", "--estimator", "exact")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in an empty folder, at one temperature; the environment is as before afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(module, "TEMPERATURES", (0.5,))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    return lambda *arguments: CliRunner().invoke(app, ["bench", "estimators", *map(str, arguments)])


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
    for text in (done.stdout, page):
        assert "blackbox λ=80" in text
        assert "nan" not in text
    again = shlex.split(written["command"])
    assert sorted(again[3:]) == sorted(map(str, given)), "what a reader repeats measures the same"


def test_the_numbers_of_a_seed_are_the_same_in_each_run(run: Run, tmp_path: Path) -> None:
    def rows(*arguments: object) -> object:
        assert run(*TINY, "--out", "out.json", *arguments).exit_code == 0
        return json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["rows"]

    assert rows() == rows()
    assert rows() != rows("--seed", 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--estimator", "imel"), "did you mean 'imle'"),
        (("--noise", "sum_of_gamma"), "use gumbel or gaussian"),
        (("--n", 1), "from 2 to 5"),
        (("--n", 4, "--n", 6), "from 2 to 5"),
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

    monkeypatch.setattr(module, "expected_loss", refuse)
    (tmp_path / "marks.md").write_text("no marks", encoding="utf-8")
    done = run(*arguments)
    refusal(done, said)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--draws", "--instances"])
@pytest.mark.parametrize("value", [0, 1])
def test_variances_and_intervals_need_two(run: Run, option: str, value: int) -> None:
    done = run(option, value)
    assert done.exit_code == 2
    assert f"Invalid value for '{option}'" in done.stderr
