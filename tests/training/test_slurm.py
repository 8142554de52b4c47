"""A run of two processes that SLURM starts is the run of two processes that torchrun starts, to the last bit."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gmssl.corpus.build import build_store
from gmssl.corpus.recipe import corpus_of
from gmssl.errors import TrainingError
from gmssl.recipe.recipe import Recipe
from gmssl.system.cluster.steps import rank, refuse_other_number, started_together
from tests.system.slurm import single_node

SAME = ("metrics.csv", "encoder.safetensors")
PATIENCE = 1800
"""Seconds to wait for a process on a busy machine."""
OUTSIDE = (
    "MASTER_ADDR",
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "SLURM_PROCID",
    "SLURM_STEP_NUM_TASKS",
    "SLURM_STEP_TASKS_PER_NODE",
)

SCRIPT = """#!/bin/bash
#SBATCH --ntasks=2 --ntasks-per-node=2 --signal=USR2@30 --requeue --open-mode=append --output=job.txt
if [ -f run/recipe.yaml ]; then arguments="--resume run"; else arguments="recipe.yaml --out run"; fi
srun {python} -m gmssl train $arguments
code=$?
if [ $code -eq 140 ]; then scontrol requeue $SLURM_JOB_ID; fi
echo "ended with $code"
"""


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says what SLURM or torchrun says to a process."""
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)

    def say(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return say


def test_a_process_knows_its_place(outside: Callable[..., None]) -> None:
    assert (rank(), started_together()) == (0, 1)
    outside(SLURM_PROCID="0", SLURM_NTASKS="8")  # the script of a job with eight tasks
    assert (rank(), started_together()) == (0, 1)
    outside(SLURM_PROCID="3", SLURM_STEP_NUM_TASKS="8")
    assert (rank(), started_together()) == (3, 8)
    outside(RANK="5", LOCAL_RANK="1", WORLD_SIZE="16")  # torchrun within a task of SLURM on each machine
    assert (rank(), started_together()) == (5, 16)


def test_processes_that_the_recipe_does_not_name_are_refused(outside: Callable[..., None]) -> None:
    refuse_other_number(4, 1)  # the first of four, which starts the others
    with pytest.raises(TrainingError, match=r"train.nodes is 2, .* alone; start 4 on 2 machines"):
        refuse_other_number(4, 2)
    outside(SLURM_STEP_NUM_TASKS="4", SLURM_STEP_TASKS_PER_NODE="2(x2)")
    refuse_other_number(4, 2)
    with pytest.raises(TrainingError, match=r"4 processes .* train.devices is 1. Set train.devices=4"):
        refuse_other_number(1, 1)
    with pytest.raises(TrainingError, match=r"as 2\(x2\) .* asks for 4 on each of 1 .*--nodes=1 --ntasks-per-node=4"):
        refuse_other_number(4, 1)
    outside(SLURM_STEP_TASKS_PER_NODE="4")
    refuse_other_number(4, 1)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with single_node(tmp_path_factory.mktemp("slurm")) as settings:
        yield settings


@pytest.fixture
def place(tiny: Callable[..., Recipe], slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store, and a recipe of two processes that train from it."""
    for name, value in {"SLURM_CONF": str(slurm), "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(64):
        pixels = generator.integers(0, 255, (48, 52), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number:02d}.png")
    source = {"name": "images", "path": str(tmp_path / "images"), "reader": "pictures"}
    build_store(corpus_of({"sources": [source]}), tmp_path / "store", 1, lambda *_: None, lambda *_: None)
    changes = ["data={kind: store, path: store}", "train.devices=2", "train.workers=1", "train.epochs=15"]
    changes += ["solver=lap", "graph=edgeless", "affinity={vertex: [cosine]}"]
    (tmp_path / "recipe.yaml").write_text(tiny(*changes).dump())
    return tmp_path


def ran(*words: object) -> str:
    """What a command says that ends well."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def bytes_of(run: Path) -> list[bytes]:
    return [(run / name).read_bytes() for name in SAME]


@pytest.mark.slow
def test_one_folder_with_the_numbers_of_torchrun_though_slurm_begins_the_job_again(place: Path) -> None:
    (place / "job.sh").write_text(SCRIPT.format(python=sys.executable))
    number = ran("sbatch", "--parsable", "job.sh").strip()
    metrics = place / "run" / "metrics.csv"
    end = time.monotonic() + PATIENCE
    while not metrics.exists() or metrics.read_bytes().count(b"\n") < 5:
        assert time.monotonic() < end, (place / "job.txt").read_text()
        time.sleep(0.05)
    ran("scancel", "--signal=USR2", number)
    said = place / "job.txt"
    while "ended with 0" not in (text := said.read_text()):
        assert time.monotonic() < end, text
        time.sleep(0.2)
    rows = metrics.read_bytes().count(b"\n")
    assert rows == 1 + 15 * 4
    assert text.count("steps done") == 1, "one process speaks"
    assert "ended with 140" in text
    assert "arning" not in text, "Lightning has nothing to say"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "gmssl", "train"]
    ran(*torchrun, "recipe.yaml", "--out", "other")
    assert bytes_of(place / "run") == bytes_of(place / "other")


@pytest.mark.slow
def test_what_srun_starts_is_refused_in_words(place: Path) -> None:
    command = ["srun", "--ntasks=2", sys.executable, "-m", "gmssl", "train", "recipe.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2, done.stderr
    assert "name one folder with --out" in done.stderr
    done = subprocess.run(
        [*command, "--out", "run", "--set", "train.devices=1"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "2 processes were started from outside (torchrun, SLURM), and train.devices is 1" in done.stderr
    assert not (place / "run").exists()
