"""A recipe of seconds, and a program that stands in for trainings and evaluations."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from gmssl.sweeping.run import Outcome, Plan, plan_sweep, run_sweep

QUICK = {
    "data": {"kind": "phantoms", "number": 30, "size": 32},
    "views": {"kind": "multi_crop", "large": 2, "large_size": 24},
    "encoder": {
        "kind": "timm",
        "name": "resnet18",
        "in_channels": 1,
        "channels": [8, 8, 8, 8],
        "output_stride": 16,
    },
    "projector": {"kind": "mlp", "widths": [8]},
    "vertices": {"kind": "images", "per_graph": 4},
    "graph": "edgeless",
    "message_passing": "unchanged",
    "affinity": {"vertex": ["cosine"]},
    "solver": "lap",
    "estimator": {"kind": "imle", "noise": {"kind": "gumbel", "temperature": 0.3}},
    "loss": "hamming",
    "optimiser": "adamw",
    "schedule": "constant",
    "train": {
        "batch": 8,
        "max_steps": 2,
        "workers": 0,
        "log_every": 1,
        "checkpoint_every": 1,
        "picture_every": 100,
        "accelerator": "cpu",
    },
}


@pytest.fixture
def quick() -> dict:
    """The mapping of a training of two steps, fresh for each test."""
    return yaml.safe_load(yaml.safe_dump(QUICK))


@pytest.fixture
def quick_file(quick: dict, tmp_path: Path) -> Path:
    path = tmp_path / "quick.yaml"
    path.write_text(yaml.safe_dump(quick), encoding="utf-8")
    return path


def report(knn: float, fingerprint: str = "ab", folds: int | None = 5, neighbours: int = 20) -> dict:
    """What `gmssl evaluate` writes, as far as it is read back."""
    counts = {"listed": 30, "used": 30, "classes": {"a": 10, "b": 20}, "fingerprint": fingerprint}

    def scores(accuracy: float) -> dict:
        if folds is None:
            return {"official": {"accuracy": accuracy}, "without_leaks": {"accuracy": accuracy / 2}}
        return {"accuracy": {"mean": accuracy, "deviation": 0.01}}

    return {
        "protocol": {"classes": ["a", "b"], "neighbours": neighbours, "folds": folds, "seed": 0},
        "train": counts,
        "test": None if folds is not None else counts,
        "references": [
            {"name": name, "scores": {"knn": scores(value), "linear": scores(value + 0.1)}}
            for name, value in (("trained", knn), ("untrained", 0.5), ("pixels", 0.6))
        ],
    }


def write_run(folder: Path, recipe: str, loss: float = 1.0, probe: float | None = None) -> None:
    """A finished run folder, as far as it is read back."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    rows = ["step,epoch,loss,match_accuracy,match_accuracy_noiseless", f"1,0,9,0.1,{0.2}"]
    rows += [f"2,1,{loss + 1},0.5,", f"3,1,{loss - 1},0.7,0.75"]
    (folder / "metrics.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    if probe is not None:
        text = f"step,epoch,knn_accuracy\n0,0,0.25\n3,2,{probe}\n"
        (folder / "probe.csv").write_text(text, encoding="utf-8")
    (folder / "encoder.safetensors").touch()


class Program:
    """Takes the place of `run_command`: the loss of a run is its learning rate + its seed, its accuracy 0.5 + seed/10.

    Attributes:
        calls: the arguments of each call.
        faults: part of an argument → message that the call fails with, or the exception that it raises.
    """

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.faults: dict[str, str | BaseException] = {}
        self.fingerprint = "ab"

    def __call__(self, arguments: Sequence[str], log: Path, lock: int, jobs: int = 1) -> str | None:
        self.calls.append(list(arguments))
        for part, fault in self.faults.items():
            if part in arguments[1]:
                if isinstance(fault, BaseException):
                    raise fault
                return fault
        if arguments[0] == "train":
            resumed = arguments[1] == "--resume"
            folder = Path(arguments[2] if resumed else arguments[3])
            recipe = (folder / "recipe.yaml" if resumed else Path(arguments[1])).read_text(encoding="utf-8")
            settings = yaml.safe_load(recipe)
            write_run(folder, recipe, settings["optimiser"]["learning_rate"] + settings["seed"])
        else:
            folder = Path(arguments[1])
            seed = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))["seed"]
            (folder / "evaluation").mkdir(exist_ok=True)
            folds = None if "--test" in arguments else 5
            text = json.dumps(report(0.5 + seed / 10, self.fingerprint, folds))
            name = arguments[arguments.index("--name") + 1]
            (folder / "evaluation" / f"{name}.json").write_text(text, encoding="utf-8")
        return None


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    """Trainings and evaluations take no time."""
    stand_in = Program()
    monkeypatch.setattr("gmssl.sweeping.run.run_command", stand_in)
    return stand_in


@pytest.fixture
def a_report():
    return report


@pytest.fixture
def a_run():
    return write_run


@pytest.fixture
def sweep(quick_file: Path, tmp_path: Path, program: Program) -> Callable[..., tuple[Plan, Outcome]]:
    """Plans and runs a sweep of two learning rates in `tmp_path / "out"`."""

    def run(
        grid: str | Sequence[str] | None = "optimiser.learning_rate=0.25,0.5", seeds: Any = 2, **options: Any
    ) -> tuple[Plan, Outcome]:
        axes = [grid] if isinstance(grid, str) else list(grid or ())
        plan = plan_sweep([quick_file], axes, seeds, **{"out": tmp_path / "out", **options})
        return plan, run_sweep(plan, Console(file=StringIO()))

    return run


@pytest.fixture
def labelled() -> Callable[..., Path]:
    """Makes a folder of class sub-folders."""

    def make(folder: Path, classes: int, each: int = 4) -> Path:
        from PIL import Image

        for number in range(classes):
            (folder / f"class{number}").mkdir(parents=True)
            for index in range(each):
                Image.new("L", (8, 8), 10 * index + number).save(folder / f"class{number}" / f"{index}.png")
        return folder

    return make
