"""A SLURM of this machine, and sweeps in processes of their own, so that they can be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.system.slurm import single_node

PATIENCE = 1800
"""Seconds to wait for anything on a busy machine."""


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its settings."""
    pytest.importorskip("submitit")
    with single_node(tmp_path_factory.mktemp("slurm")) as settings:
        yield settings


@pytest.fixture
def on_slurm(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All that a test starts finds SLURM; nothing is left in its queue."""
    monkeypatch.setenv("SLURM_CONF", str(slurm))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    assert not in_queue()


def in_queue() -> dict[str, str]:
    """Number of each task that waits or works → its state."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i %T"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in told.splitlines())


def until(true: Callable[[], object], what: str) -> None:
    """Wait for something that another process brings about."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)


class Sweep:
    """`gmssl sweep` of two variants, for one or two seeds."""

    def __init__(self, place: Path, settings: dict, seeds: int) -> None:
        self.place = place
        (place / "quick.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        (place / "variants.yaml").write_text("slow: []\nfast: [optimiser.learning_rate=0.01]\n", encoding="utf-8")
        self.words = ["quick.yaml", "--variants", "variants.yaml", "--seeds", str(seeds)]
        self.launch = ["--launcher", "slurm", "--launch", "timeout_min=60", "--jobs", "2"]

    def start(self, out: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "gmssl", "sweep", *self.words, "--out", out, *options],
            cwd=self.place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Shells ignore SIGINT in what they run with &, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def finish(self, out: str, *options: str) -> str:
        """Messages of a sweep that ends well."""
        sweep = self.start(out, *options)
        _, messages = sweep.communicate(timeout=2 * PATIENCE)
        assert sweep.returncode == 0, messages
        return messages

    def rows(self, out: str, name: str) -> int:
        path = self.place / out / "runs" / name / "metrics.csv"
        return path.read_bytes().count(b"\n") - 1 if path.is_file() else 0

    def numbers(self, out: str) -> dict[str, bytes]:
        """Tables of a sweep, and what its runs must have in common to the last bit."""
        root = self.place / out
        names = [root / name for name in ("results.csv", "runs.csv")]
        runs = sorted((root / "runs").iterdir())
        names += [run / name for run in runs for name in ("metrics.csv", "encoder.safetensors")]
        return {str(path.relative_to(root)): path.read_bytes() for path in names}


@pytest.fixture
def sweep_of(quick: dict, tmp_path: Path) -> Callable[..., Sweep]:
    """A sweep in the folder of the test; `steps` make its runs long enough to be stopped."""

    def make(seeds: int = 1, steps: int = 2) -> Sweep:
        quick["train"] |= {"max_steps": steps, "epochs": steps}
        return Sweep(tmp_path, quick, seeds)

    return make
