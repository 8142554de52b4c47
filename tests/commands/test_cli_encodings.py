"""Whole commands on terminals that lack characters: trained, evaluated, explained and swept without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from PIL import Image

RECIPE = {
    "data": {"kind": "folder", "root": "größe λ"},
    "views": {"kind": "multi_crop", "large": 2, "large_size": 24},
    "encoder": {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 8, 8], "output_stride": 16},
    "projector": {"kind": "mlp", "widths": [8]},
    "vertices": {"kind": "images", "per_graph": 4},
    "graph": {"kind": "knn", "neighbours": 2},
    "message_passing": "unchanged",
    "affinity": {"vertex": ["cosine"], "edge": ["cosine_of_differences"]},
    "solver": {"kind": "robust_tabu", "starts": 2, "iterations": 5},
    "estimator": {"kind": "imle", "noise": {"kind": "gumbel", "temperature": 0.3}},
    "loss": "hamming",
    "optimiser": "adamw",
    "schedule": "constant",
    "probe": {"data": {"kind": "folder", "root": "größe λ"}, "neighbours": 3, "folds": 2},
    "train": {"batch": 8, "epochs": 2, "workers": 0, "log_every": 1, "accelerator": "cpu"},
}
"""Two epochs of two steps."""
COMMANDS = {
    "evaluate": "evaluate RUN --folds 2 --neighbours 3",
    "embed": "embed RUN IMAGES --out features.csv",
    "explain": "explain RUN --passes 1 --pairs 1 --bounds 1",
    "sweep": "sweep tiny.yaml --grid margin=0,1 --seeds 1 --out sweep --evaluate knn --folds 2 --neighbours 3",
}

pytestmark = pytest.mark.slow


class Terminal(NamedTuple):
    """A program in a folder, which writes in one encoding."""

    encoding: str
    folder: Path

    def run(self, *arguments: str) -> str:
        """What it has printed; it must have ended well, in that encoding and with nothing lost."""
        environment = os.environ | {"PYTHONIOENCODING": self.encoding, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "gmssl", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, check=False)
        errors = done.stderr.decode(self.encoding)
        assert done.returncode == 0, errors
        assert "Traceback" not in errors
        return done.stdout.decode(self.encoding)


@pytest.fixture(scope="module", params=["ascii", "cp1252"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Terminal, str]:
    """A terminal and a finished run, of images whose folders, names and labels no such terminal can show."""
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    for number in range(16):
        path = folder / "größe λ" / ("漢字", "œuf →")[number % 2] / f"№ {number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.linear_gradient("L").resize((32, 32)).rotate(10 * number).save(path)
    terminal = Terminal(request.param, folder)
    return terminal, terminal.run("train", "tiny.yaml").splitlines()[-1]


def test_train_prints_the_run_folder(trained: tuple[Terminal, str]) -> None:
    terminal, run = trained
    assert (terminal.folder / run / "encoder.safetensors").is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_ends_well(trained: tuple[Terminal, str], command: str) -> None:
    terminal, run = trained
    places = {"RUN": run, "IMAGES": "größe λ"}
    printed = terminal.run(*(places.get(word, word) for word in COMMANDS[command].split()))
    assert printed.strip()
