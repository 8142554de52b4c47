"""Run folders: of runs that start together, each gets its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from gmssl.errors import TrainingError
from gmssl.recipe.recipe import Recipe
from gmssl.system.files import replacing
from gmssl.training.folder import choose_folder, make_folder

TOGETHER = 8


def at_once(do: Callable[[], Path]) -> list[Path | TrainingError]:
    """What eight threads get that all start at the same moment."""
    barrier = Barrier(TOGETHER)

    def wait_and_do(_: int) -> Path | TrainingError:
        barrier.wait()
        try:
            return do()
        except TrainingError as error:
            return error

    with ThreadPoolExecutor(TOGETHER) as threads:
        return list(threads.map(wait_and_do, range(TOGETHER)))


def test_eight_runs_at_once_get_eight_folders(
    tiny: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = tiny()
    folders = at_once(lambda: make_folder(choose_folder("tiny", None), recipe, numbered=True))
    assert len(set(folders)) == TOGETHER
    assert all(isinstance(folder, Path) and (folder / "recipe.yaml").is_file() for folder in folders)
    assert not list(tmp_path.rglob(".claim"))


def test_one_of_eight_gets_a_named_folder(tiny: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = tiny()
    found = at_once(lambda: make_folder(choose_folder("tiny", tmp_path / "mine"), recipe))
    assert sum(isinstance(one, Path) for one in found) == 1
    for refused in (one for one in found if isinstance(one, TrainingError)):
        assert "mine" in str(refused)
        assert "name another folder" in str(refused)
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["environment.json", "recipe.yaml"]


def test_processes_that_start_in_the_same_second_get_their_own(tmp_path: Path) -> None:
    """A job array in small."""
    code = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from gmssl.recipe.recipe import load_recipe
        from gmssl.training.folder import choose_folder, make_folder
        recipe = load_recipe(sys.argv[1])
        sys.stdin.readline()
        sys.stdout.write(str(make_folder(choose_folder("array", None), recipe, numbered=True)))
        """
    )
    recipe = Path(__file__).parents[2] / "recipes" / "quickstart.yaml"
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(recipe)],
            cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for job in jobs:
        assert job.stdin is not None
        job.stdin.write("go\n")
        job.stdin.flush()
    assert len({job.communicate(timeout=120)[0] for job in jobs}) == len(jobs)


def test_files_that_are_written_at_once_are_each_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    texts = iter([bytes([48 + number]) * 100_000 for number in range(TOGETHER)])

    def write() -> Path:
        text = next(texts)
        with replacing(path) as file:
            for start in range(0, len(text), 1000):
                file.write(text[start : start + 1000])
        return path

    at_once(write)
    assert len(set(path.read_bytes())) == 1
    assert path.stat().st_size == 100_000
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
