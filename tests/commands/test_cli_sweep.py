"""`gmssl sweep` and `gmssl compare`: wrong input is one message; a killed sweep goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from gmssl.commands.program import app

Run = Callable[..., Any]
Refusal = Callable[[Any, str], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_of_a_recipe: dict) -> Run:
    """Runs the program in a folder that holds a recipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(settings_of_a_recipe), encoding="utf-8")
    (tmp_path / "unlabelled").mkdir()
    (tmp_path / "unlabelled" / "a.png").touch()
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


WRONG = [
    ("sweep recipe.yaml", "no --grid is given"),
    ("sweep none.yaml --grid margin=1", "no recipe at none.yaml"),
    ("sweep recipe.yaml --grid train.epoch=1,2", "did you mean 'epochs'"),
    ("sweep recipe.yaml --grid train.epochs=1,two", "epochs=two: train.epochs:"),
    ("sweep recipe.yaml --grid train.epochs=", "has no values"),
    ("sweep recipe.yaml --grid train.epochs=1,1", "the value 1 stands twice"),
    ("sweep recipe.yaml --grid train.epochs=1 --evaluate knn --data unlabelled", "no image bears a label"),
    ("sweep recipe.yaml --grid train.epochs=1 --out unlabelled", "holds a.png, and no sweep"),
    ("sweep recipe.yaml --grid train.epochs=1 --out recipe.yaml", "--out recipe.yaml is a file"),
    ("sweep recipe.yaml --grid train.epochs=1 --out recipe.yaml/sub", "recipe.yaml/sub cannot be made (Not a dir"),
    ("sweep recipe.yaml --grid train.epochs=1 --out /proc/none", "the folder /proc/none cannot be made"),
    ("sweep recipe.yaml --grid encoder.name=resnet18,resnetty", "name=resnetty: encoder.name: timm"),
    ("sweep recipe.yaml --grid data.number=99999999999", "data.number: Input should be less than or equal to 2000000"),
    ("sweep recipe.yaml --variants none.yaml", "no recipe at none.yaml"),
    ("sweep recipe.yaml none.yaml", "no recipe at none.yaml"),
    ("sweep recipe.yaml recipe.yaml", "recipe.yaml is given twice"),
    ("sweep recipe.yaml --grid margin=1 --evaluate knn --data unlabelled --data unlabelled", "is given twice"),
    ("sweep recipe.yaml --grid margin=1 --evaluate knn --test unlabelled --folds 3", "--folds 3 is for cross-val"),
    ("sweep recipe.yaml --grid margin=1 --seeds 0-2,2", "the seed 2 stands twice"),
    ("sweep recipe.yaml --grid margin=1 --reuse none", "--reuse none does not exist. Give the folder of another sweep"),
    ("sweep recipe.yaml --grid margin=1 --reuse recipe.yaml", "--reuse recipe.yaml is a file. Give the folder"),
    ("sweep recipe.yaml --grid margin=1 --reuse unlabelled", "--reuse unlabelled holds a.png, and no sweep"),
    ("sweep recipe.yaml --grid margin=1 --only knn", "has no result 'knn'. Choose from loss, match_accuracy, "),
    ("sweep recipe.yaml --grid margin=1 --only los,loss", "has no result 'los' (did you mean 'loss'?). Choose from"),
    ("compare unlabelled", "give two or more run folders"),
    ("compare unlabelled recipe.yaml", "unlabelled is no run folder"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_input_is_one_message(run: Run, refusal: Refusal, tmp_path: Path, arguments: str, message: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    refusal(run(*arguments.split()), message)
    assert sorted(tmp_path.rglob("*")) == before


def test_wrong_options(run: Run) -> None:
    for option in (
        "--evaluate=svm",
        "--seeds=0",
        "--seeds=1001",
        "--seeds=9-4",
        "--seeds=two",
        "--jobs=0",
        "--jobs=two",
        "--folds=1",
        "--neighbours=0",
    ):
        done = run("sweep", "recipe.yaml", "--grid", "margin=1", option)
        assert done.exit_code == 2
        assert option.partition("=")[0] in done.stderr


def test_failures_end_with_code_1(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmssl.sweeping.run.run_command", lambda *_: "a full memory")
    done = run("sweep", "recipe.yaml", "--grid", "margin=1", "--seeds", 1, "--out", "out")
    assert done.exit_code == 1
    assert done.stdout == "out\n"
    assert "failed: margin=1_seed=0: a full memory (log: out/logs/margin=1_seed=0.log)" in done.stderr
    assert "a full memory" in (tmp_path / "out" / "results.md").read_text()


def test_chosen_results_stand_alone_in_tables_and_picture(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(arguments: list[str], *_: object) -> None:
        folder = Path(arguments[3])
        folder.mkdir()
        (folder / "recipe.yaml").write_text(Path(arguments[1]).read_text())
        (folder / "metrics.csv").write_text("step,epoch,loss,match_accuracy\n1,0,2.0,0.5\n")
        (folder / "encoder.safetensors").touch()

    monkeypatch.setattr("gmssl.sweeping.run.run_command", trained)
    drawn: list[str] = []
    monkeypatch.setattr(
        "gmssl.sweeping.picture.to_png", lambda found: drawn.extend(s.metric.name for s in found) or b""
    )
    words = ("sweep", "recipe.yaml", "--grid", "margin=1", "--seeds", 1, "--out", "out")
    for options, shown in ((("--only", "match_accuracy"), ["match_accuracy"]), ((), ["loss", "match_accuracy"])):
        drawn.clear()
        done = run(*words, *options)
        assert done.exit_code == 0, done.output
        assert drawn == shown
        for heading, name in (("### loss\n", "loss"), ("### match accuracy with noise, %\n", "match_accuracy")):
            assert (heading in (tmp_path / "out" / "results.md").read_text()) == (name in shown)
            assert f",{name}," in (tmp_path / "out" / "results.csv").read_text()


def test_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gmssl.sweeping.run.run_command", interrupted)
    done = run("sweep", "recipe.yaml", "--grid", "margin=1", "--out", "out")
    assert done.exit_code == 130
    assert "the same command goes on with this sweep" in done.stderr


TINY = {
    "data": {"kind": "phantoms", "number": 32, "size": 32},
    "views": {"kind": "multi_crop", "large": 2, "large_size": 24},
    "encoder": {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8] * 4, "output_stride": 16},
    "projector": {"kind": "mlp", "widths": [8]},
    "graph": "edgeless",
    "affinity": {"vertex": ["cosine"]},
    "solver": "lap",
}
PATIENCE = 600
"""Seconds to wait for a process on a busy machine; on an idle one everything takes a few."""

TRAIN = {"batch": 8, "epochs": 6, "max_steps": 24, "workers": 0, "log_every": 1, "checkpoint_every": 1}


class Program:
    """`gmssl sweep` with a grid of two learning rates, one of which makes the loss infinite."""

    def __init__(self, place: Path, settings: dict) -> None:
        self.place = place
        settings |= TINY | {"train": {**TRAIN, "accelerator": "cpu", "picture_every": 100}}
        (place / "tiny.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        self.words = ["tiny.yaml", "--grid", "optimiser.learning_rate=0.001,1.0e+30", "--seeds", "2", "--out", "out"]

    def start(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "gmssl", "sweep", *self.words, *options],
            cwd=self.place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            # Shells ignore SIGINT in what they run with &, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def signal_when(self, names: list[str], rows: int, number: int) -> tuple[int, str]:
        """Exit code and messages of a sweep that gets a signal when each of the runs has so many rows."""
        sweep = self.start()
        metrics = [self.run(name) / "metrics.csv" for name in names]
        end = time.monotonic() + PATIENCE
        while sweep.poll() is None and time.monotonic() < end:
            if all(path.exists() and path.read_bytes().count(b"\n") > rows for path in metrics):
                sweep.send_signal(number)
                break
            time.sleep(0.005)
        _, messages = sweep.communicate(timeout=PATIENCE)
        return sweep.returncode, messages

    def run(self, name: str) -> Path:
        return self.place / "out" / "runs" / name


@pytest.mark.slow
def test_a_killed_sweep_goes_on(tmp_path: Path, settings_of_a_recipe: dict) -> None:
    program = Program(tmp_path, settings_of_a_recipe)
    first, second = "learning_rate=0.001_seed=0", "learning_rate=0.001_seed=1"
    code, _ = program.signal_when([first], 3, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (program.run(first) / "encoder.safetensors").exists()

    code, messages = program.signal_when([second], 3, signal.SIGINT)
    assert code == 130
    assert f"{first}: resumed and finished" in messages
    weights = program.run(first) / "encoder.safetensors"
    written = weights.stat().st_mtime_ns

    sweep = program.start("--evaluate", "knn")
    output, messages = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, messages
    assert weights.stat().st_mtime_ns == written, "a finished run is left alone"
    assert f"{first}: evaluated" in messages
    assert f"{second}: resumed and finished, evaluated" in messages
    for seed in (0, 1):
        assert f"failed: learning_rate=1.0e+30_seed={seed}: " in messages
    assert output.splitlines()[-1] == "out"
    names = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert names == {".lock", "sweep.yaml", "results.md", "results.csv", "results.png", "runs.csv"}

    whole = subprocess.run(
        [sys.executable, "-m", "gmssl", "train", f"out/recipes/{first}.yaml", "--out", "whole"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    assert whole.returncode == 0
    for name in ("metrics.csv", "encoder.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (program.run(first) / name).read_bytes()

    words = [sys.executable, "-m", "gmssl", "compare", f"out/runs/{first}", f"out/runs/{second}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Evaluation sweep" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_sweep_of_several_recipes_goes_on(tmp_path: Path, settings_of_a_recipe: dict, number: int) -> None:
    """Two runs at a time: both leave a checkpoint, and end as they would have ended undisturbed."""
    program = Program(tmp_path, settings_of_a_recipe)
    settings = yaml.safe_load((tmp_path / "tiny.yaml").read_text())
    relaxed = {**settings, "solver": "row_softmax", "estimator": "exact", "loss": "likelihood"}
    (tmp_path / "relaxed.yaml").write_text(yaml.safe_dump(relaxed), encoding="utf-8")
    program.words = ["tiny.yaml", "relaxed.yaml", "--seeds", "1", "--out", "out", "--jobs", "2"]
    names = ["recipe=tiny_seed=0", "recipe=relaxed_seed=0"]
    code, _ = program.signal_when(names, 3, number)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 143)
    sweep = program.start("--evaluate", "knn", "--folds", "3")  # waits until killed runs have written their checkpoints
    output, messages = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, messages
    # On a busy machine, one run may be done before the other has begun; what is there is never trained anew.
    assert "resumed and finished, evaluated" in messages
    assert ": trained" not in messages
    for name in names:
        recipe = f"out/recipes/{name}.yaml"
        whole = [sys.executable, "-m", "gmssl", "train", recipe, "--out", f"whole-{name}"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(whole, cwd=tmp_path, env=environment, check=True, capture_output=True)
        for file in ("metrics.csv", "encoder.safetensors"):
            assert (tmp_path / f"whole-{name}" / file).read_bytes() == (program.run(name) / file).read_bytes()
    rows = [line.split() for line in output.splitlines()]
    assert {"tiny", "relaxed", "untrained", "pixels"} <= {row[0] for row in rows if row}
    assert len(list((tmp_path / "out" / "references").glob("*.json"))) == 2, "one untrained encoder, one of pixels"
