"""Any task that is killed goes on, and comes out as if nothing had happened, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DATA.is_dir(), reason="the real images are not there")]

SMALL = {
    "brain_tumor_finetune": ["split={train: {split: train}, test: {split: test}, labels: 0.02}", "task.size=32"],
    "nuclei_unet": ["split.labels=0.1", "task.size=64"],
    "bccd_faster_rcnn": ["split.labels=0.1", "task.size=64"],
    "retina_sam": ["split.labels=0.2"],
    "brain_progression_unet": ["split={train: {patient: pgbm-001}, test: {patient: pgbm-003}}", "task.size=32"],
}
"""A shipped benchmark of every task, made small."""

SCRIPT = """
import sys
from pathlib import Path
from gmssl.downstream.recipe import load_benchmark
from gmssl.downstream.running import run_benchmark
name, out, encoder, *overrides = sys.argv[1:]
run_benchmark(load_benchmark(name, overrides), name, [encoder], Path(out), lambda told: print(told.epoch, flush=True))
"""


@pytest.mark.parametrize("name", SMALL)
def test_a_killed_task_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    common = ["encoders=[]", "seeds=[0]", "bootstrap=0", "training.epochs=3", "training.accelerator=cpu", *SMALL[name]]
    words = ["own" if name == "retina_sam" else "random", *common]

    def run(out: str, stop: str | None) -> None:
        command = [sys.executable, "-c", SCRIPT, name, str(tmp_path / out), *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip() == stop:
                    process.send_signal(signal.SIGKILL)
        assert process.returncode == (0 if stop is None else -signal.SIGKILL)

    run("whole", None)
    for stop in ("0", "1"):
        run("killed", stop)
    run("killed", None)
    (whole,) = (tmp_path / "whole" / "fits").iterdir()
    assert os.listdir(tmp_path / "killed" / "fits") == [whole.name]
    assert (whole / "rows.json").read_bytes() == (tmp_path / "killed" / "fits" / whole.name / "rows.json").read_bytes()
