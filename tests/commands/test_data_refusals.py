"""Wrong input to `gmssl data` ends in one message that says what to do, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., Any]
Refusal = Callable[[Any, str], None]

SOURCE = "{name: a, path: scans, reader: pictures%s}"


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four pictures in `scans`, an empty folder, and a salt of this test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "scans").mkdir()
    (tmp_path / "empty").mkdir()
    generator = np.random.default_rng(0)
    for number in range(4):
        greys = generator.integers(0, 255, (24, 24), dtype=np.uint8)
        Image.fromarray(greys).save(tmp_path / "scans" / f"{number}.png")


def corpus(folder: Path, source: str = "", rest: str = "") -> Path:
    path = folder / "corpus.yaml"
    path.write_text(f"{rest}\nsources: [{SOURCE % source}]\n")
    return path


@pytest.mark.parametrize(
    ("source", "rest", "said"),
    [
        (", modality: mrt", "", "sources.0.modality: Input should be 'ct', 'mri'"),
        (", table: {path: no.csv}", "", "no.csv cannot be read as a table: there is no such file."),
        ("", "exclude: no.csv", "exclude: no.csv cannot be read: there is no such file."),
        ("", "exclude: empty", "exclude: empty cannot be read: it is a folder."),
        ("", "salt: no.txt", "salt: no.txt cannot be read"),
        (", include: '*.zip'", "", "no file in scans matches (*.zip)"),
        (", listed: '*.txt'", "", "no file in scans matches *.txt"),
    ],
)
def test_a_build_that_is_refused_leaves_no_folder(
    run: Run, refusal: Refusal, tmp_path: Path, source: str, rest: str, said: str
) -> None:
    done = run("data", "build", corpus(tmp_path, source, rest), "--out", "stores/new", "--jobs", 1)
    lines = [line for line in done.stderr.splitlines() if "━" not in line]
    assert done.exit_code == 2, done.output
    assert said in "\n".join(lines)
    assert "[Errno" not in done.stderr
    assert not (tmp_path / "stores" / "new").exists()


def test_a_folder_that_was_there_stays(run: Run, tmp_path: Path) -> None:
    assert run("data", "build", corpus(tmp_path, "", "salt: no.txt"), "--out", "empty", "--jobs", 1).exit_code == 2
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere",),
        ("empty",),
        ("scans", "--against", "nowhere"),
        ("scans", "--where", "split=train"),
        ("scans", "--encoder", "nowhere"),
        ("scans", "--salt", "nowhere"),
    ],
)
def test_an_audit_that_is_refused_leaves_no_folder(
    run: Run, refusal: Refusal, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    refusal(run("data", "audit", *arguments, "--out", "new"), "nowhere" if "nowhere" in arguments else arguments[0])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build", "no.yaml", "--out", "new"), "no corpus at no.yaml"),
        (("verify", "bccd", "nowhere"), "the archive nowhere does not exist; name the folder"),
        (("verify", "bccd", "scans", "--list", "no.txt"), "the list no.txt cannot be read as text: there is no such"),
        (("show", "nowhere/store"), "there is no store nowhere/store, and no dataset of that name"),
        (("show", "scans/0.png"), "scans/0.png is a file; name the folder of a store"),
    ],
)
def test_the_message_says_what_to_do(run: Run, refusal: Refusal, arguments: tuple[str, ...], said: str) -> None:
    done = run("data", *arguments)
    refusal(done, said)
    assert "[Errno" not in done.stderr


@pytest.mark.parametrize("arguments", [("BCCD", "--yaml", "--json"), ("scans", "--yaml")])
def test_options_of_show_that_contradict_are_refused(run: Run, arguments: tuple[str, ...]) -> None:
    done = run("data", "show", *arguments)
    assert done.exit_code == 2, done.output
    assert "--yaml" in done.stderr


def test_a_build_reads_the_entries_of_a_lab(run: Run, tmp_path: Path) -> None:
    """Named by --catalogue, as `list`, `show` and `verify` take it."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "ward.yaml").write_text(
        "{name: Ward-7, title: Knees, modality: mri, organ: Knee, dimension: 2D, licence: unknown, access: open, "
        "homepage: 'https://example.org', obtain: Ask., reader: pictures, layout: [{pattern: '*.png', count: 4}], "
        "split: {fraction: 1.0}}"
    )
    (tmp_path / "ward.yaml").write_text("sources: [{entry: Ward-7, path: scans}]\n")
    done = run("data", "build", "ward.yaml", "--out", "store", "--catalogue", "mine", "--jobs", 1)
    assert done.exit_code == 0, done.output
    assert "Ward-7" in run("data", "show", "store").stdout
