"""The examples of docs/formats.md run as they stand, and its files are read as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gmssl.errors import FormatError
from gmssl.problem.formats import read

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_examples_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks("python"):
        exec(block, names)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "small 18.0 18.0"
    assert second == "{'a': 'z', 'b': 'x', 'c': 'y'}"


def test_printed_files_are_as_the_page_says(tmp_path):
    message, example = blocks("text")
    lines = [line for line in example.splitlines() if not line.startswith("gm")]
    (tmp_path / "x.dd").write_text("\n".join(line if line[0] == "c" else line.partition("  ")[0] for line in lines))
    (instance,) = read(tmp_path / "x.dd")
    assert instance.problem.topology.allowed.sum() == 4
    (tmp_path / "small.dat").write_text("3\n\n0 3 0\n0 0 5\n0 0 0\n0 1 2 4 0 3 6 7\n")
    with pytest.raises(FormatError) as caught:
        read(tmp_path / "small.dat")
    assert str(caught.value) == str(tmp_path / message.strip())
