"""Several commands at a time: all of them stop when the sweep is stopped, and none is started after that."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gmssl.sweeping import process
from gmssl.sweeping.folder import locked
from gmssl.sweeping.process import in_order_of_ending
from gmssl.sweeping.progress import duration


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what takes the place of `gmssl`; it is told its arguments."""

    def write(code: str) -> None:
        path = tmp_path / "program"
        path.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{code}")
        path.chmod(0o755)
        monkeypatch.setattr(process.sys, "executable", str(path))

    return write


WAITS = (
    "signal.signal(signal.SIGTERM, lambda *_: (print('checkpoint', flush=True), sys.exit(143)))\n"
    "print('ready', flush=True)\ntime.sleep(60)\n"
)


def ready(log: Path) -> bool:
    return log.exists() and "ready" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_command_is_stopped_and_waited_for(tmp_path: Path, program, number: int) -> None:
    program(WAITS)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell runs the tests with &
    logs = [tmp_path / f"{at}.log" for at in range(5)]
    started: list[int] = []

    def do(at: int) -> str | None:
        started.append(at)
        first = process.run_command([], logs[at], lock, 2)
        second = process.run_command([], tmp_path / f"{at}.evaluation.log", lock, 2)
        return f"{first}, {second}"

    def interrupt() -> None:
        while not all(map(ready, logs[:2])):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    kind = SystemExit if number == signal.SIGTERM else KeyboardInterrupt
    with locked(tmp_path, lambda: None) as lock, pytest.raises(kind), process.sigterm_as_exit():
        list(in_order_of_ending(do, 5, 2))
    thread.join()
    signal.signal(signal.SIGINT, former)
    assert sorted(started) == [0, 1]
    assert [log.read_text() for log in logs[:2]] == ["ready\ncheckpoint\n"] * 2
    # A run that ended while the sweep was stopped does not go on to its evaluation.
    assert [(tmp_path / f"{at}.evaluation.log").read_text() for at in range(2)] == ["", ""]
    assert not process._stopped.is_set()


def test_a_closed_iterator_stops_what_is_in_progress(tmp_path: Path, program) -> None:
    program(f"if sys.argv[-1] == 'quick': sys.exit()\n{WAITS}")
    log = tmp_path / "slow.log"

    def do(at: int) -> str | None:
        if at == 1:
            return process.run_command(["slow"], log, lock, 2)
        while not ready(log):
            time.sleep(0.01)
        return process.run_command(["quick"], tmp_path / "quick.log", lock, 2)

    with locked(tmp_path, lambda: None) as lock:
        endings = in_order_of_ending(do, 2, 2)
        assert next(endings) == (0, None)
        endings.close()
    assert log.read_text() == "ready\ncheckpoint\n"


@pytest.mark.parametrize(("jobs", "given", "seen"), [(1, None, "None"), (2, None, "3"), (9, None, "1"), (2, "5", "5")])
def test_each_command_has_its_part_of_the_cores(
    tmp_path: Path, program, monkeypatch: pytest.MonkeyPatch, jobs: int, given: str | None, seen: str
) -> None:
    program("print(os.environ.get('OMP_NUM_THREADS'))")
    monkeypatch.setattr(process, "cores", lambda: 7)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    with locked(tmp_path, lambda: None) as lock:
        assert process.run_command([], tmp_path / "log", lock, jobs) is None
    assert (tmp_path / "log").read_text() == f"{seen}\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3569, "59 min"), (3571, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
