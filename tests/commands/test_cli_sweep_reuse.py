"""`gmssl sweep --reuse` with trainings of some steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gmssl.sweeping.reuse.digests import read_kept

RUN = "learning_rate=0.01_seed=0"


def program(place: Path, *words: str) -> str:
    """What the program tells on the way; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", "gmssl", *words],
        cwd=place,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "300"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_a_taken_run_is_whole_and_its_source_never_changes(tmp_path: Path, settings_of_a_recipe: dict) -> None:
    settings = settings_of_a_recipe | {
        "data": {"kind": "phantoms", "number": 32, "size": 32},
        "views": {"kind": "multi_crop", "large": 2, "large_size": 24},
        "encoder": {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8] * 4, "output_stride": 16},
        "train": {"batch": 8, "epochs": 2, "max_steps": 4, "keep_every": 1, "workers": 0, "accelerator": "cpu"},
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    sweep = ["sweep", "tiny.yaml", "--seeds", "1", "--evaluate", "knn", "--set", "train.log_every=1"]
    program(tmp_path, *sweep, "--grid", "optimiser.learning_rate=0.01", "--out", "first")
    source, target = (tmp_path / sweep / "runs" / RUN for sweep in ("first", "second"))
    before = contents(source)

    words = ["--grid", "optimiser.learning_rate=0.01,0.02", "--set", "train.workers=1", "--out", "second"]
    told = program(tmp_path, *sweep, *words, "--reuse", ".")
    assert "1 run taken from first\n" in told
    assert f"1/2 {RUN}: taken from first\n" in told
    assert "2/2 learning_rate=0.02_seed=0: trained, evaluated" in told
    report = "evaluation/sweep.json"
    assert contents(target) | {report: b""} == before | {report: b""}
    assert json.loads((target / report).read_bytes())["run"] == f"second/runs/{RUN}"
    assert os.path.samefile(source / "last.ckpt", target / "last.ckpt")

    other = read_kept(tmp_path / "second" / "digests" / "learning_rate=0.02_seed=0.json")
    assert other is not None
    assert (other.taken_from, set(other.evaluations)) == (None, {"sweep"})

    # Whoever goes on with the taken run, evaluates it or looks into it writes files of its own.
    recipe = (target / "recipe.yaml").read_text()
    longer = recipe.replace("epochs: 2", "epochs: 3").replace("max_steps: 4", "max_steps: 12")
    (target / "recipe.yaml").write_text(longer)
    (target / "encoder.safetensors").unlink()
    program(tmp_path, "train", "--resume", str(target))
    program(tmp_path, "evaluate", str(target), "--name", "sweep", "--folds", "2")
    assert contents(source) == before
    for name in ("last.ckpt", "encoder.safetensors", "metrics.csv"):
        assert (target / name).read_bytes() != before[name], name
