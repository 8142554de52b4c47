"""No command ends in a traceback because a terminal lacks a character, or because nobody reads on."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gmssl.system.console import adapt

COMMANDS = [
    ["parts", "list"],
    ["parts", "show", "solver", "robust_tabu"],
    ["parts", "schema"],
    ["version"],
    ["check", "recipes/quickstart.yaml"],
    ["--help"],
    ["train", "×.yaml"],
    ["nö-command"],
]
ROOT = Path(__file__).parents[2]


def program(*arguments: str, encoding: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "gmssl", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True, check=False
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_ends_well_where_the_terminal_lacks_characters(arguments: list[str], encoding: str) -> None:
    done = program(*arguments, encoding=encoding)
    assert b"Traceback" not in done.stderr, done.stderr.decode("utf-8", "replace")
    assert done.returncode in (0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "evaluate", "explain", "sweep", "compare", "check", "solve", "bench"])
def test_help_ends_well_where_the_terminal_lacks_characters(command: str) -> None:
    done = program(command, "-h", encoding="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_solve_names_its_columns_in_ascii(tmp_path: Path) -> None:
    (tmp_path / "tiny.dat").write_text("2\n\n0 1\n1 0\n\n0 2\n2 0\n", encoding="utf-8")
    done = program("solve", str(tmp_path / "tiny.dat"), encoding="ascii")
    assert done.returncode == 0, done.stderr
    assert b"nxm" in done.stdout


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("ascii", b"2x3 >= 1 e ? \xe9"), ("latin-1", b"2\xd73 >= 1 \xe9 ? \xe9"), ("utf-8", None)],
)
def test_characters_have_readable_substitutes(encoding: str, written: bytes | None) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    adapt(stream)
    stream.write("2×3 ≥ 1 é 漢 \udce9")
    stream.flush()
    assert raw.getvalue() == (written or "2×3 ≥ 1 é 漢 ".encode() + b"\xe9")


def test_a_closed_pipe_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "gmssl", "parts", "list"]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert b"Traceback" not in done.stderr, done.stderr
