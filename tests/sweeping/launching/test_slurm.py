"""A sweep by tasks of SLURM has the numbers of one by processes, whatever becomes of its tasks and of itself."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable

import pytest

from gmssl.sweeping.launching import launch
from tests.sweeping.launching.conftest import PATIENCE, Sweep, in_queue, until

pytestmark = pytest.mark.slow

SLOW, FAST = "variant=slow_seed=0", "variant=fast_seed=0"
STEPS = 150
"""Enough for a run to be stopped while it trains."""


@pytest.fixture
def long(sweep_of: Callable[..., Sweep], on_slurm: None) -> Sweep:
    """A sweep of two runs that are long enough to be stopped."""
    return sweep_of(steps=STEPS)


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


def test_tasks_and_the_sweep_may_be_killed(long: Sweep) -> None:
    """The first task is killed, the second one warned, and then the sweep; the next one sends only what nobody does."""
    long.finish("local", "--jobs", "2")
    sweep = long.start("slurm", *long.launch)
    until(lambda: min(long.rows("slurm", SLOW), long.rows("slurm", FAST)) > 5, "rows")
    first, second = sorted(in_queue())
    # Only its script, as if the system had killed it: SLURM calls a task cancelled whose processes it is asked to kill.
    subprocess.run(["scancel", "--signal=KILL", "--batch", first], check=True)
    subprocess.run(["scancel", "--signal=USR2", second], check=True)
    until(lambda: in_queue().get(second) == "PENDING", "SLURM to put the second one back into the queue")
    assert (long.place / "slurm" / "runs" / FAST / "last.ckpt").exists()
    until(
        lambda: sweep.poll() is not None or (len(in_queue()) == 2 and first not in in_queue()),
        "the sweep to send the first one again",
    )
    assert sweep.poll() is None, sweep.communicate()[1]
    sweep.kill()
    sweep.communicate()
    tasks = in_queue()
    here = long.start("slurm")
    _, messages = here.communicate(timeout=PATIENCE)
    assert here.returncode == 2
    assert f"tasks of SLURM wait or work: {min(tasks)}, {max(tasks)}. Add --launcher slurm" in messages
    again = long.start("slurm", *long.launch)
    seen = set()
    until(lambda: seen.update(in_queue()) or again.poll() is not None, "the sweep")
    _, messages = again.communicate()
    assert again.returncode == 0, messages
    assert seen <= set(tasks), "no task was sent for a run that has one"
    assert messages.count("resumed and finished") == 2
    assert long.numbers("slurm") == long.numbers("local")


def test_a_stopped_sweep_cancels_its_tasks(long: Sweep) -> None:
    sweep = long.start("slurm", *long.launch)
    until(lambda: min(long.rows("slurm", SLOW), long.rows("slurm", FAST)) > 5, "rows")
    sweep.send_signal(signal.SIGINT)
    _, messages = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 130
    assert "the same command goes on" in messages
    assert not in_queue()
    for name in (SLOW, FAST):
        assert (long.place / "slurm" / "runs" / name / "last.ckpt").exists()
        assert long.rows("slurm", name) < STEPS


def test_a_cancelled_task_is_told(sweep_of: Callable[..., Sweep], on_slurm: None) -> None:
    quick = sweep_of()
    sweep = quick.start("slurm", *quick.launch)
    until(lambda: len(in_queue()) == 2, "two tasks")
    subprocess.run(["scancel", min(in_queue())], check=True)
    _, messages = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, messages
    assert f"failed: {SLOW}: its task " in messages
    assert "was cancelled" in messages
    assert f"{FAST}: trained" in messages


def test_tasks_that_die_again_and_again_are_told(sweep_of: Callable[..., Sweep], on_slurm: None) -> None:
    sweep = sweep_of()
    process = sweep.start("slurm", *sweep.launch, "--launch", "slurm_setup=[exit 7]")
    _, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, messages
    for name in (SLOW, FAST):
        assert f"failed: {name}: {launch.LIVES} of its tasks died" in messages
