"""`gmssl parts list` tells all of every first line, folded on a terminal; `show` tells types in words."""

from __future__ import annotations

import inspect

import pytest
from typer.testing import CliRunner

from gmssl.commands.program import app
from gmssl.interfaces.registry import GROUPS, find, kinds


def listed(slot: str) -> list[str]:
    done = CliRunner().invoke(app, ["parts", "list", slot])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def first_line(slot: str, kind: str) -> str:
    return " ".join((inspect.getdoc(find(slot, kind)) or "").partition("\n\n")[0].split())


def test_a_misspelt_group_is_told_by_list_and_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmssl.interfaces.registry.misspelt", lambda: ["gmssl-shift offers shifted in [gmssl.solver]."])
    listed = CliRunner().invoke(app, ["parts", "list", "solver"])
    assert (listed.exit_code, listed.stdout.splitlines()[-1]) == (0, "gmssl-shift offers shifted in [gmssl.solver].")
    checked = CliRunner().invoke(app, ["parts", "check", "solver", "shifted"])
    assert checked.exit_code == 2
    assert "gmssl-shift offers shifted in [gmssl.solver]." in checked.stderr


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


def types_shown(slot: str, kind: str) -> str:
    """The column of types of `gmssl parts show`, its folded lines joined."""
    done = CliRunner().invoke(app, ["parts", "show", slot, kind])
    assert done.exit_code == 0, done.output
    lines = done.output.split("\nSettings\n", 1)[-1].split("\nFacts", 1)[0].splitlines()
    if not lines[0].startswith("name"):
        return ""
    start, end = lines[0].index("type"), lines[0].index("default")
    return " ".join(line[start:end].strip() for line in lines[1:])


@pytest.mark.parametrize("slot", list(GROUPS))
def test_types_are_words(slot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    for kind in kinds(slot):  # those of plugins, too
        told = types_shown(slot, kind)
        assert bool(told) == bool(find(slot, kind).model_fields), kind
        assert not [word for word in ("Annotated", "FieldInfo", "typing", "[", "…", "Literal") if word in told], told


def test_defaults_are_written_as_in_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    adam = CliRunner().invoke(app, ["parts", "show", "optimiser", "adam"]).output
    assert "2 numbers ≥ 0 and < 1  [0.9, 0.999]" in adam
    timm = CliRunner().invoke(app, ["parts", "show", "encoder", "timm"]).output
    assert "one of 8, 16, 32, or none" in timm
    assert not [line for line in timm.splitlines() if "  None" in line or "  False" in line]
