"""The folder of a report: what stands in it, and that it is whole or not there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from gmssl.commands.program import app
from gmssl.downstream.reporting import writing
from gmssl.downstream.results import Result

Make = Callable[..., Result]
Write = Callable[..., Path]

FILES = {
    *("report.html", "report.md", "scores.csv", "differences.csv", "published.csv"),
    *("scores.tex", "differences.tex", "published-brain.tex", "sites-retina.tex"),
    *(
        f"{name}{ending}"
        for name in ("dots", "radar", "confusion-brain", "confusion-chest", "confusion-retina")
        for ending in (".png", ".svg")
    ),
}


def call(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["report", *map(str, arguments)])
    return found.exit_code, found.output


def test_a_report_is_written_whole(three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "new" / "report"
    code, told = call(*three, "--out", out, "--bootstrap", 0)
    assert code == 0, told
    assert told.splitlines()[-1] == str(out / "report.html")
    assert {path.name for path in out.iterdir()} == FILES
    assert os.listdir(out.parent) == ["report"]
    with Image.open(out / "radar.png") as picture:
        assert min(picture.size) > 800
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<table>") == 4
    assert page.count("data:image/png") == 2 * 5
    assert not re.search(r"(?:src|href)=\"https?:", page)
    assert "<strong>" in page
    markdown = (out / "report.md").read_text(encoding="utf-8")
    assert all(name in FILES for name in re.findall(r"\]\(([^)]+)\)", markdown))
    again = call(*three, "--out", out)
    assert again[0] == 2
    assert "is not empty" in again[1]


def test_two_benchmarks_have_no_radar_and_names_are_no_markup(make: Make, write: Write, tmp_path: Path) -> None:
    files = [write(name, make(name, "<b>a|b_$</b>", 0.8), make(name, "random", 0.3)) for name in ("one", "two")]
    code, told = call(*files, "--out", tmp_path / "out", "--bootstrap", 0)
    assert code == 0, told
    assert not (tmp_path / "out" / "radar.png").exists()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "&lt;b&gt;a|b_$&lt;/b&gt;" in page


def test_faults_are_one_message_and_nothing_is_written(make: Make, write: Write, tmp_path: Path) -> None:
    file = write("b", make("b", "ours", 0.8))
    (tmp_path / "a_file").write_text("x")
    for arguments, message in (
        ([tmp_path / "absent.json", "--out", tmp_path / "out"], "cannot be read"),
        ([file, "--out", tmp_path / "out", "--metric", "dice"], "has no such score"),
        ([file, "--out", tmp_path / "a_file" / "out"], "is a file"),
    ):
        code, told = call(*arguments)
        assert code == 2
        assert message in told
        assert told.count("error:") == 1
        assert not (tmp_path / "out").exists()


def test_a_disk_that_refuses_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, content: bytes) -> int:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(writing.DataError, match="no space left"):
        writing.write_folder(tmp_path / "out", {"a": b"1"})
    assert os.listdir(tmp_path) == []
