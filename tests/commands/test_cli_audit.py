from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., Any]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Four images, and a test set of one of them and another."""
    generator = np.random.default_rng(0)
    images = [Image.fromarray(generator.integers(0, 255, (40, 40), dtype=np.uint8)) for _ in range(5)]
    for name, numbers in (("store", (0, 1, 2, 3)), ("test", (3, 4))):
        (tmp_path / name).mkdir()
        for number in numbers:
            images[number].save(tmp_path / name / f"{number}.png")
    return tmp_path / "store", tmp_path / "test"


def test_an_audit_writes_a_page_and_lists(run: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    store, test = folders
    done = run("data", "audit", store, "--against", test, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"audit.html", "audit.json", "exclude.csv", "pairs.csv"}
    assert [line.split()[1:5] for line in done.output.splitlines() if line.startswith(str(test))] == [
        ["2", "1", "0", "1"]
    ]


def test_folders_with_something_else_are_left_alone(run: Run, folders: tuple[Path, Path]) -> None:
    done = run("data", "audit", folders[0], "--out", folders[1])
    assert done.exit_code == 2
    assert "holds something else than an audit" in done.output


def test_leaks_need_a_test_set(run: Run, tmp_path: Path) -> None:
    done = run("evaluate", tmp_path, "--leaks", tmp_path / "pairs.csv")
    assert done.exit_code == 2
    assert "--test" in done.output
