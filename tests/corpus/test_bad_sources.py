"""What is broken in an archive is told by file and reason, and counted up to the limit of the corpus; the rest is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from gmssl.cli import app
from gmssl.corpus.build import build_store
from gmssl.corpus.recipe import corpus_of
from gmssl.errors import DataError
from gmssl.parts.data.store import Store
from tests.corpus.broken import CASES, PLACE, SOUND, Case, mr_series, volume

WINDOW = {"kind": "given", "lower": 0, "upper": 255}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive").mkdir()


def ignored(*_: object) -> None:
    """Nobody is told."""


def settings(reader: dict[str, Any], **how: Any) -> dict[str, Any]:
    source = {"name": "s", "path": "archive", "reader": reader}
    return {"sources": [source], "names": "kept", "window": WINDOW, "slices": {"square": False}, **how}


def of(case: Case) -> dict[str, Any]:
    return settings(case.reader, **{**case.how, "slices": {"square": False, **case.how.get("slices", {})}})


def built(found: dict[str, Any], folder: str, jobs: int = 1) -> dict[str, Any]:
    (report,) = build_store(corpus_of(found), Path(folder), jobs, ignored, ignored)
    return report


def command(found: dict[str, Any], limit: float) -> Any:
    Path("corpus.yaml").write_text(yaml.safe_dump(found))
    words = ["data", "build", "corpus.yaml", "--out", "store", "--jobs", "1", "--set", f"max_unreadable={limit}"]
    return CliRunner().invoke(app, words)


def bytes_of(folder: str) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def images_of(folder: str) -> list[tuple[str, np.ndarray]]:
    images = Store(path=Path(folder)).images()
    return [(images.column("volume")[i].as_py(), np.asarray(images.load(i, 1))) for i in range(len(images))]


def sound_ones(folder: str, number: int) -> None:
    """The store has all images of `SOUND`, and `number` further ones."""
    found = [image.tobytes() for _, image in images_of(folder)]
    expected = SOUND.astype(np.uint8)
    assert sum(found.count(image.tobytes()) > 0 for image in expected) == len(set(map(bytes, expected)) & set(found))
    assert len(found) == number


@pytest.mark.parametrize("name", CASES)
def test_it_is_told_and_counted_up_to_the_limit(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    case.sound(Path("archive"))
    sound = built(of(case), "sound")
    expected = [(volume, image.tobytes()) for volume, image in images_of("sound")]
    assert [image for _, image in expected] == [image.tobytes() for image in SOUND.astype(np.uint8)[: len(expected)]]
    assert sound["faults"] == []

    case.broken(Path("archive"))
    done = command(of(case), limit=0)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert done.stdout == ""
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert re.search(r"1 of \d+ acquisitions are broken, more than max_unreadable 0 allows", message)
    assert case.said in message
    assert re.search(f"s: {case.name}: ", message)
    with pytest.raises(DataError, match="not finished; run the command that builds it again"):
        Store(path=Path("store")).images()

    done = command(of(case), limit=0.5)
    assert done.exit_code == 0, done.output
    (report,) = json.loads(Path("store/report.json").read_text())
    (fault,) = report["faults"]
    assert re.fullmatch(case.name, fault["name"])
    assert case.said in fault["reason"]
    assert str(tmp_path) not in fault["reason"]
    found = [(volume, image.tobytes()) for volume, image in images_of("store")]
    assert [one for one in found if one in expected] == expected
    assert len(found) == report["images"] == len(expected) + case.kept
    assert not list(Path("store").glob(".*"))
    assert fault["reason"][:40] in Path("store/report.html").read_text()

    built({**of(case), "max_unreadable": 0.5}, "again", jobs=1)
    assert bytes_of("again") == bytes_of("store")
