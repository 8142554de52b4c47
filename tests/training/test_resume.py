"""Killed runs, resumed, equal uninterrupted ones bit for bit.

Real processes are really killed: a simulated kill would run the clean-up code that a real one does not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gmssl.recipe.recipe import Recipe
from gmssl.training.run import train

_DRIVER = """
import sys
from pathlib import Path
from rich.console import Console
from gmssl.errors import GmsslError
from gmssl.recipe.recipe import load_recipe
from gmssl.training.run import train

if __name__ == "__main__":
    recipe, out, resume = sys.argv[1:]
    try:
        train(load_recipe(recipe), "tiny", Path(out) if out else None, Path(resume) if resume else None, Console())
    except GmsslError as error:
        sys.exit(f"{type(error).__name__}: {error}")
"""
_SAME = ("metrics.csv", "encoder.safetensors")


class Runner:
    """Starts trainings in processes of their own."""

    def __init__(self, place: Path, recipe: Recipe) -> None:
        self.place, self.run = place, place / "run"
        self.log = place / "log.txt"
        (place / "driver.py").write_text(_DRIVER)
        (place / "recipe.yaml").write_text(recipe.dump())

    def start(self, resume: bool) -> subprocess.Popen[bytes]:
        folder = str(self.run)
        arguments = [str(self.place / "recipe.yaml"), "" if resume else folder, folder if resume else ""]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(self.place / "driver.py"), *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"},
                start_new_session=True,
            )

    def interrupt(self, rows: int, number: int, resume: bool = False, group: bool = True) -> int:
        """Exit code of a run that gets a signal as soon as metrics.csv has so many rows."""
        process = self.start(resume)
        metrics = self.run / "metrics.csv"
        end = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < end:
            if metrics.exists() and metrics.read_bytes().count(b"\n") > rows:
                os.killpg(process.pid, number) if group else process.send_signal(number)
                break
            time.sleep(0.005)
        return self.code(process, 120)

    def code(self, process: subprocess.Popen[bytes], seconds: float = 300) -> int:
        """Exit code of a run; one that hangs says in its log what all of its processes wait for."""
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGABRT)
            process.wait(timeout=30)
            pytest.fail(f"it did not end in {seconds} s:\n{self.log.read_text()}")

    def finish(self) -> None:
        assert self.code(self.start(resume=True)) == 0, self.log.read_text()


def _rows(run: Path) -> int:
    return (run / "metrics.csv").read_bytes().count(b"\n") - 1


def test_sigterm_then_kill_then_resume(tiny: Callable[..., Recipe], tmp_path: Path, console) -> None:
    """SIGTERM leaves a checkpoint of the step it came at; a kill -9 in mid-epoch loses what came after the last one."""
    recipe = tiny("train.epochs=6")
    train(recipe, "tiny", tmp_path / "whole", None, console)
    runner = Runner(tmp_path, recipe)
    assert runner.interrupt(5, signal.SIGTERM) == 128 + signal.SIGTERM, runner.log.read_text()
    from gmssl.training.saved import read_checkpoint

    stopped = read_checkpoint(runner.run / "last.ckpt")["global_step"]
    assert stopped == _rows(runner.run) < 24
    assert runner.interrupt(stopped + 5, signal.SIGKILL, resume=True) == -signal.SIGKILL, runner.log.read_text()
    assert read_checkpoint(runner.run / "last.ckpt")["global_step"] <= _rows(runner.run) < 24
    train(recipe, "tiny", None, runner.run, console)
    for name in _SAME:
        assert (runner.run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert _rows(runner.run) == 24


_HOWS = (
    ("train.workers=2",),
    ("train.workers=2", "train.checkpoint_every=100"),
    ("train.devices=2",),
    ("train.devices=2", "train.workers=2"),
    ("train.batch=32", "train.accumulate=2", "data.number=140", "train.checkpoint_every=3"),
    ("train.precision=bfloat16", "train.clip=1"),
    ("probe={data: {kind: phantoms, number: 40, size: 48}, every: 1, neighbours: 5, folds: 2}",),
    ("encoder.drop_path=0.2", "estimator.noise=sum_of_gamma"),
    # DeepCluster-v2: its memory and centroids are of the whole data set
    (
        "train.devices=2", "train.workers=2", "vertices={kind: centroids, numbers: [6, 4]}", "target=kmeans",
        "graph=edgeless", "affinity={vertex: [cosine]}", "solver=row_softmax", "estimator=exact", "loss=likelihood",
        "views.matched=to_large",
    ),
)  # fmt: skip
_CASES = [(how, signal.SIGKILL) for how in _HOWS] + [
    (how, number) for how in (_HOWS[0], _HOWS[2]) for number in (signal.SIGTERM, signal.SIGINT)
]


# Two ranks with two workers each have all that can go wrong; the other cases tell which part it was.
_FAST = (_HOWS[3], signal.SIGKILL)


@pytest.mark.parametrize(
    ("how", "number"),
    [
        pytest.param(*case, id=f"{' '.join(case[0])} {case[1].name}", marks=() if case == _FAST else pytest.mark.slow)
        for case in _CASES
    ],
)
def test_interrupted_and_resumed(
    tiny: Callable[..., Recipe], tmp_path: Path, how: tuple[str, ...], number: int
) -> None:
    recipe = tiny("train.epochs=6", *how)
    (tmp_path / "a").mkdir()
    whole = Runner(tmp_path / "a", recipe)
    assert whole.code(whole.start(resume=False)) == 0, whole.log.read_text()
    runner = Runner(tmp_path, recipe)
    code = runner.interrupt(6, number, group=number == signal.SIGKILL)
    assert code == (-number if number == signal.SIGKILL else 128 + number), runner.log.read_text()
    assert _rows(runner.run) < _rows(whole.run)
    runner.finish()
    for name in (*_SAME, *(["probe.csv"] if recipe.probe else [])):
        assert (runner.run / name).read_bytes() == (whole.run / name).read_bytes(), name


@pytest.mark.slow
def test_two_ranks_stop_together_and_the_first_speaks(tiny: Callable[..., Recipe], tmp_path: Path) -> None:
    """An error that all ranks meet is told once, and nobody waits for ever for a rank that has gone."""
    runner = Runner(tmp_path, tiny("train.devices=2", "optimiser.learning_rate=1.0e+30", "train.epochs=4"))
    assert runner.code(runner.start(resume=False), 200) == 1
    text = runner.log.read_text()
    assert text.count("Error: ") == 1, text
    assert "finite" in text
    assert "step" in text


_TWICE = """
import os, sys
from pathlib import Path
import gmssl
from gmssl.errors import TrainingError

if __name__ == "__main__":
    gmssl.train(sys.argv[1], out="first", quiet=True)
    assert not {"MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "WORLD_SIZE", "GMSSL_RUN_FOLDER"} & set(os.environ)
    try:
        gmssl.train(sys.argv[1], out="second", quiet=True)
    except TrainingError as error:
        print("refused:", error)
    gmssl.train(sys.argv[1], ["train.devices=1"], out="third", quiet=True)
"""


@pytest.mark.slow
def test_a_program_trains_with_several_processes_once(tiny: Callable[..., Recipe], tmp_path: Path) -> None:
    """A second time they would begin with its first run; alone it trains as often as it likes."""
    (tmp_path / "twice.py").write_text(_TWICE)
    (tmp_path / "recipe.yaml").write_text(tiny("train.devices=2", "train.epochs=1").dump())
    words = [sys.executable, "twice.py", "recipe.yaml"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "refused: train.devices is 2, and this program has trained with several processes before" in done.stdout
    assert not (tmp_path / "second").exists()
    assert (tmp_path / "third" / "encoder.safetensors").is_file()
