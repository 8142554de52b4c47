"""Wrong input of `gmssl bench` is one message, before anything is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gmssl.benchmarking.estimators import comparison as estimators
from gmssl.benchmarking.solvers import comparison as solvers

Bench = Callable[..., Any]
Refusal = Callable[[Any, str], None]

WRONG: list[tuple[tuple[object, ...], str]] = [
    (("solvers", "--solver", "robust_taboo"), "did you mean 'robust_tabu'"),
    (("solvers", "--solver", "row_softmax"), "relaxed"),
    (("solvers", "--n", 1), "from 2 to 64"),
    (("solvers", "--n", 65), "from 2 to 64"),
    (("estimators", "--estimator", "imel"), "did you mean 'imle'"),
    (("estimators", "--noise", "sum_of_gamma"), "use gumbel or gaussian"),
    (("estimators", "--noise", "gumbl"), "unknown noise kind 'gumbl' (did you mean 'gumbel'?); use gumbel or gaussian"),
    (("estimators", "--noise", "xx"), "unknown noise kind 'xx'; use gumbel or gaussian"),
    (("estimators", "--n", 1), "sizes are from 2 to 5, because all matchings are enumerated"),
    (("estimators", "--n", 4, "--n", 6), "from 2 to 5"),
]
WRONG_FILES = [
    (("--out", "."), "--out . cannot be written"),
    (("--plot", "nowhere/plot.png"), "cannot be written"),
    (("--plot", "plot.pdf"), ".png"),
    (("--markdown", "marks.md"), "no place for the tables"),
]
TOO_FEW = [
    ("solvers", "--graphs", 0),
    ("solvers", "--repeats", 0),
    *(("estimators", option, value) for option in ("--draws", "--instances") for value in (0, 1)),
]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [*WRONG, *(((what, *files), said) for what in ("solvers", "estimators") for files, said in WRONG_FILES)],
)
def test_is_one_message_before_any_work(
    bench: Bench,
    refusal: Refusal,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[object, ...],
    said: str,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr(solvers, "race", refuse)
    monkeypatch.setattr(estimators, "expected_loss", refuse)
    (tmp_path / "marks.md").write_text("no marks", encoding="utf-8")
    done = bench(*arguments)
    refusal(done, said)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("what", "option", "value"), TOO_FEW)
def test_counts_are_large_enough(bench: Bench, what: str, option: str, value: int) -> None:
    """Rounds and graphs start at one; variances and intervals need two."""
    done = bench(what, option, value)
    assert done.exit_code == 2
    assert f"Invalid value for '{option}'" in done.stderr
