"""`gmssl parts check`: 0 if all laws hold, 1 if one is broken, 2 with one message if the question is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

import gmssl
from gmssl.commands.program import app
from gmssl.interfaces import registry
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem, Solution

Run = Callable[..., Any]


class Unlucky(Solver):
    """Solves what it gets by `lap`, and returns another number than the energy."""

    kind: ClassVar[str] = "unlucky"

    by: float = 1.0

    def solve(self, problem: Problem) -> Solution:
        solution = gmssl.part("solver", "lap").solve(problem)
        nothing_proven = ~solution.converged
        return Solution(solution.matching, solution.energy + self.by, None, nothing_proven)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in an empty folder, with few examples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: CliRunner().invoke(app, ["parts", "check", *arguments])


@pytest.fixture
def unlucky(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Unlucky` as if a plugin had brought it."""
    find, source = registry.find, registry.source
    is_it = lambda slot, kind: (slot, kind) == ("solver", "unlucky")  # noqa: E731
    monkeypatch.setattr(registry, "find", lambda *names: Unlucky if is_it(*names) else find(*names))
    monkeypatch.setattr(registry, "source", lambda *names: "fake 1.0" if is_it(*names) else source(*names))


def test_a_sound_solver(run: Run, tmp_path: Path) -> None:
    done = run("solver", "lap", "--examples", "2")
    assert done.exit_code == 0, done.output
    assert "matching is feasible" in done.output
    assert "it does not read edges" in done.output
    assert " 0 broken" in done.output
    lines = [line.split() for line in done.output.splitlines() if line.startswith(("10 ", "16 "))]
    assert [(line[0], line[1], line[3]) for line in lines] == [("10", "96", "100.0%"), ("16", "96", "100.0%")]
    assert all(float(line[2]) > 0 for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_solver(run: Run, unlucky: None) -> None:
    done = run("solver", "unlucky", "--examples", "2")
    assert done.exit_code == 1, done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("energy is inner product")]
    assert "broken" in line
    assert "the energy is [" in line
    assert "fake 1.0" in done.output
    assert "0.0%" in done.output  # solved
    assert run("solver", "unlucky", "--examples", "2", "--set", "by=0").exit_code == 0


def test_a_solver_may_refuse_the_sizes(run: Run) -> None:
    done = run("solver", "exhaustive", "--examples", "1")
    assert done.exit_code == 0, done.output
    assert "n = 16 was refused: 16×16 vertices have" in done.output
    assert "µs per instance" not in done.output


def test_a_relaxed_solver(run: Run) -> None:
    done = run("solver", "row_softmax", "--examples", "2", "--set", "temperature=0.5")
    assert done.exit_code == 0, done.output
    assert "relaxed" in done.output


def test_planted_problems_may_be_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from gmssl.testing import report_card

    asked = []
    monkeypatch.setattr(report_card, "measured", lambda *_: report_card.Measured(10, 1, 1.0, 1.0))
    tried = report_card.verdicts
    monkeypatch.setattr(report_card, "verdicts", lambda *given: asked.append(given[1:]) or tried(*given))
    done = run("solver", "robust_tabu", "--examples", "1", "--no-planted")
    assert asked == [(1, False)]
    assert "its contract sets finds_planted = False" in done.output


@pytest.mark.parametrize(("slot", "kind"), [("estimator", "imle"), ("affinity", "cosine")])
def test_other_slots(run: Run, slot: str, kind: str) -> None:
    done = run(slot, kind, "--examples", "2")
    assert done.exit_code == 0, done.output
    assert " 0 broken" in done.output
    assert "µs" not in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("solver", "labp"), "did you mean 'lap'?"),
        (("solvr", "lap"), "unknown slot 'solvr'"),
        (("noise", "gumbel"), "no laws for slot 'noise'; parts check knows affinity, estimator, solver."),
        (("solver", "robust_tabu", "--set", "starts=none"), "starts"),
        (("solver", "robust_tabu", "--set", "stars=2"), "did you mean 'starts'?"),
        (("solver", "lap", "--set", "x"), "not of the form"),
        (("solver", "lap", "--examples", "0"), "examples"),
    ],
)
def test_wrong_input_is_one_message(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_without_hypothesis_one_message(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("gmssl.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(gmssl, "testing", raising=False)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    done = run("solver", "lap")
    assert done.exit_code == 2
    assert "pip install 'gmssl[testing]'" in done.output
