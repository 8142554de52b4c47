"""`gmssl sweep --launcher slurm`: what is missing or wrong is one message, and nothing is written."""

from __future__ import annotations

import sys
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
    """Runs a sweep in a folder that holds a recipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(settings_of_a_recipe), encoding="utf-8")
    words = ["sweep", "recipe.yaml", "--grid", "margin=1", "--out", "out"]
    return lambda *options: CliRunner().invoke(app, [*words, *options])


def test_slurm_is_not_there(run: Run, refusal: Refusal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    refusal(run("--launcher", "slurm"), "--launcher slurm needs the programs of SLURM, and there is no sbatch")
    assert not (tmp_path / "out").exists()


def test_the_extra_is_not_there(run: Run, refusal: Refusal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    for launcher in ("slurm", "local"):
        refusal(run("--launcher", launcher), f'--launcher {launcher} needs submitit; run `pip install "gmssl[med]"`')
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("hours=3", "--launch hours: submitit knows no such parameter"),
        ("slurm_queue=gpu", "--launch slurm_queue: submitit knows no such parameter"),
        ("timeout_min=long", "--launch timeout_min=long: "),
        ("mem_gb", "--launch mem_gb is not of the form KEY=VALUE"),
        ("nodes=2", "--launch nodes=2 is no choice: a task is one process"),
    ],
)
def test_wrong_parameters(run: Run, refusal: Refusal, tmp_path: Path, parameter: str, message: str) -> None:
    pytest.importorskip("submitit")
    refusal(run("--launcher", "local", "--launch", parameter), message)
    assert not (tmp_path / "out").exists()


def test_wrong_options(run: Run, tmp_path: Path) -> None:
    for options, named in (
        (("--launch", "mem_gb=4"), "add --launcher slurm"),
        (("--launcher", "pbs"), "'pool', 'slurm', 'local'"),
        (("--launcher", "local", "--jobs", "0"), "--jobs"),
    ):
        done = run(*options)
        assert done.exit_code == 2
        assert named in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()
