"""`gmssl parts list` tells all of every first line: on one line in a pipe, folded on a terminal."""

from __future__ import annotations

import inspect

import pytest
from typer.testing import CliRunner

from gmssl.cli import app
from gmssl.interfaces.registry import find, kinds


def listed(slot: str) -> list[str]:
    done = CliRunner().invoke(app, ["parts", "list", slot])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def first_line(slot: str, kind: str) -> str:
    return " ".join((inspect.getdoc(find(slot, kind)) or "").partition("\n\n")[0].split())


@pytest.mark.parametrize("width", ["30", "80"])
def test_a_pipe_gets_whole_lines(monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    heading, *lines = listed("solver")
    assert heading.split()[:2] == ["slot", "kind"]
    assert len(lines) == len(kinds("solver"))
    for kind, line in zip(kinds("solver"), lines, strict=True):
        assert line.split()[:2] == ["solver", kind]
        assert line.rstrip().endswith(first_line("solver", kind))


def test_a_terminal_folds_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    lines = listed("noise")
    assert len(lines) > 1 + len(kinds("noise"))
    assert all(len(line) <= 80 for line in lines)
    assert "…" not in "".join(lines)
    start = lines[0].index("what it is")
    told = " ".join(" ".join(line[start:] for line in lines[1:]).split())
    for kind in kinds("noise"):
        assert first_line("noise", kind) in told
