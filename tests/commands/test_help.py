"""The help of every command ends in examples that can be copied and work."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
from PIL import Image

from gmssl.commands.program import app

Run = Callable[..., Any]


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with its words, groups left out."""
    if not hasattr(command, "commands"):
        yield " ".join(words), command
        return
    for name, inner in command.commands.items():
        yield from leaves(inner, (*words, name))


PROGRAM = typer.main.get_command(app)
COMMANDS = dict(leaves(PROGRAM))


def examples_of(command: Any) -> list[str]:
    title, *lines = (command.epilog or "").split("\n\n")
    assert title == "Examples:"
    return lines


EXAMPLES = [(name, line) for name, command in COMMANDS.items() for line in examples_of(command)]
ALONE = [
    line
    for name, line in EXAMPLES
    if name.split()[0] in ("data", "recipes", "parts", "version", "check")
    and name not in ("parts check", "data verify", "data build", "data plan", "data audit")
    and "show store" not in line
    and "--dry-run" not in line
]
"""Those that need no file and no time."""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_one_to_three_examples_of_itself(name: str) -> None:
    lines = examples_of(COMMANDS[name])
    assert 1 <= len(lines) <= 3
    assert all(line.startswith(f"gmssl {name}") for line in lines)


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_an_example_parses(name: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1 + len(name.split()) :]
    COMMANDS[name].make_context(name, words)  # raises UsageError for an unknown option or a missing argument


@pytest.mark.parametrize("line", ALONE)
def test_an_example_that_needs_no_file_runs(run: Run, line: str) -> None:
    done = run(*shlex.split(line, comments=True)[1:])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    "line", [line for name, line in EXAMPLES if name in ("train", "sweep") and "--resume" not in line]
)
def test_an_example_of_training_gets_as_far_as_training(
    run: Run, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: Any, **__: Any) -> None:
        raise typer.Exit(77)

    monkeypatch.setattr("gmssl.training.run.train", started)
    monkeypatch.setattr("gmssl.sweeping.run.run_sweep", started)
    for number in range(128):
        path = tmp_path / "my" / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (64, 64), number).save(path)
    done = run(*shlex.split(line, comments=True)[1:])
    assert done.exit_code == 77, done.output


@pytest.mark.parametrize("words", ["", *COMMANDS])
def test_examples_stand_in_lines_of_their_own(words: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    shown = [line.strip() for line in run(*words.split(), "-h").output.splitlines()]
    for line in examples_of(COMMANDS.get(words, PROGRAM)):
        assert line in shown
