"""A sweep by tasks of SLURM has the numbers of one by processes, whatever becomes of its tasks and of itself."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gmssl.sweeping.launching import launch
from tests.sweeping.launching.conftest import Sweep, in_queue, until

pytestmark = pytest.mark.slow

SLOW, FAST = "variant=slow_seed=0", "variant=fast_seed=0"


@pytest.fixture
def long(sweep_of: Callable[..., Sweep], on_slurm: None) -> Sweep:
    """A sweep of two runs of 300 steps."""
    return sweep_of(steps=300)


def test_the_numbers_are_those_of_processes(sweep_of: Callable[..., Sweep], on_slurm: None) -> None:
    sweep = sweep_of(seeds=2)
    sweep.finish("local", "--jobs", "2")
    messages = sweep.finish("slurm", *sweep.launch)
    assert messages.count(": trained") == 4
    assert sweep.numbers("slurm") == sweep.numbers("local")
    for path in (sweep.place / "local" / "digests").iterdir():
        assert json.loads((sweep.place / "slurm" / "digests" / path.name).read_text()) == json.loads(path.read_text())
    assert not list((sweep.place / "slurm" / "jobs" / "slurm").glob("*_submitted.pkl"))


def test_tasks_take_runs_and_evaluate_them(sweep_of: Callable[..., Sweep], on_slurm: None) -> None:
    sweep = sweep_of()
    sweep.finish("slurm", *sweep.launch)
    messages = sweep.finish("again", "--reuse", "slurm", "--evaluate", "knn", "--folds", "3", *sweep.launch)
    assert messages.count("taken from slurm, evaluated") == 2
    assert ",knn," in (sweep.place / "again" / "results.csv").read_text()


def test_a_task_that_is_killed_goes_on(long: Sweep) -> None:
    sweep = long.start("slurm", *long.launch)
    until(lambda: long.rows("slurm", SLOW) > 5, "a row")
    first = min(in_queue())
    subprocess.run(["scancel", "--signal=KILL", "--full", first], check=True)
    _, messages = sweep.communicate(timeout=600)
    assert sweep.returncode == 0, messages
    assert f"{SLOW}: resumed and finished" in messages
    assert f"{FAST}: trained" in messages
    long.finish("local")
    assert long.numbers("slurm") == long.numbers("local")


def test_a_task_whose_time_is_nearly_up_is_begun_again_by_slurm(long: Sweep) -> None:
    sweep = long.start("slurm", *long.launch)
    until(lambda: long.rows("slurm", SLOW) > 5, "a row")
    first = min(in_queue())
    subprocess.run(["scancel", "--signal=USR2", first], check=True)
    until(lambda: in_queue().get(first) == "PENDING", "the task to wait again")
    assert (long.place / "slurm" / "runs" / SLOW / "last.ckpt").exists()
    _, messages = sweep.communicate(timeout=600)
    assert sweep.returncode == 0, messages
    assert f"{SLOW}: resumed and finished" in messages
    long.finish("local")
    assert long.numbers("slurm") == long.numbers("local")


def test_a_cancelled_task_is_told(long: Sweep) -> None:
    sweep = long.start("slurm", *long.launch)
    until(lambda: long.rows("slurm", SLOW) > 5, "a row")
    subprocess.run(["scancel", min(in_queue())], check=True)
    _, messages = sweep.communicate(timeout=600)
    assert sweep.returncode == 1, messages
    assert f"failed: {SLOW}: its task " in messages
    assert "was cancelled" in messages
    assert f"{SLOW}: resumed and finished" in long.finish("slurm", *long.launch)


def test_a_killed_sweep_goes_on_with_its_tasks(long: Sweep) -> None:
    sweep = long.start("slurm", *long.launch)
    until(lambda: long.rows("slurm", SLOW) > 5, "a row")
    sweep.kill()
    sweep.communicate()
    tasks = in_queue()
    assert len(tasks) == 2
    here = long.start("slurm")
    _, messages = here.communicate(timeout=300)
    assert here.returncode == 2
    assert f"tasks of SLURM wait or work: {min(tasks)}" in messages
    again = long.start("slurm", *long.launch)
    seen = set()
    until(lambda: seen.update(in_queue()) or again.poll() is not None, "the sweep")
    _, messages = again.communicate()
    assert again.returncode == 0, messages
    assert seen <= set(tasks), "no task was sent for runs that have one"
    assert f"{SLOW}: trained" in messages
    long.finish("local")
    assert long.numbers("slurm") == long.numbers("local")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_sweep_cancels_its_tasks(long: Sweep, number: int) -> None:
    sweep = long.start("slurm", *long.launch)
    until(lambda: min(long.rows("slurm", SLOW), long.rows("slurm", FAST)) > 5, "rows")
    sweep.send_signal(number)
    _, messages = sweep.communicate(timeout=120)
    assert sweep.returncode == 128 + number
    assert "the same command goes on" in messages
    assert not in_queue()
    for name in (SLOW, FAST):
        assert (long.place / "slurm" / "runs" / name / "last.ckpt").exists()
    assert long.finish("slurm").count("resumed and finished") == 2


def test_tasks_that_die_again_and_again_are_told(
    sweep_of: Callable[..., Sweep], on_slurm: None, tmp_path: Path
) -> None:
    sweep = sweep_of()
    broken = ["--launch", "slurm_setup=[exit 7]"]
    process = sweep.start("slurm", *sweep.launch, *broken)
    _, messages = process.communicate(timeout=300)
    assert process.returncode == 1, messages
    assert f"failed: {SLOW}: {launch.LIVES} of its tasks died" in messages
    assert sweep.finish("slurm", *sweep.launch).count(": trained") == 2
