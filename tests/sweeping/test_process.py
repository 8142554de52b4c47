"""Commands in processes of their own: their messages, their ends, and the end of the sweep that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gmssl.sweeping import process
from gmssl.sweeping.folder import locked
from gmssl.sweeping.process import SWEEP_VARIABLE


@pytest.fixture
def lock(tmp_path: Path):
    with locked(tmp_path, lambda: None) as file:
        yield file


def test_messages(tmp_path: Path, lock: int) -> None:
    log = tmp_path / "log"
    log.write_text("error: of an earlier call\n")
    assert process.run_command(["version"], log, lock) is None
    message = process.run_command(["check", "nothing.yaml"], log, lock)
    assert message is not None
    assert message.startswith("no recipe at nothing.yaml")
    assert log.read_text().startswith("error: of an earlier call\ngmssl ")


@pytest.mark.parametrize(
    ("code", "text", "message"),
    [
        (1, "Traceback\nZeroDivisionError: no\n", "ZeroDivisionError: no"),
        (2, "error: first\nerror: one\nand more\n", "one\nand more"),
        (3, "", "exit code 3"),
        (-9, "step 7\n", "ended by SIGKILL, perhaps for want of memory"),
        (137, "", "ended by SIGKILL, perhaps for want of memory"),
        (143, "", "ended by SIGTERM"),
        (-11, "", "ended by SIGSEGV"),
    ],
)
def test_faults(tmp_path: Path, code: int, text: str, message: str) -> None:
    (tmp_path / "log").write_text(f"before\n{text}")
    assert process._fault(code, tmp_path / "log", 7) == message


def test_an_interrupted_sweep_stops_its_command_and_waits(
    tmp_path: Path, lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text(
        f"#!{sys.executable}\n"
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('checkpoint', flush=True), sys.exit(143)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(process.sys, "executable", str(program))
    log = tmp_path / "log"

    def interrupt() -> None:
        while not log.exists() or "ready" not in log.read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(SystemExit) as caught, process.sigterm_as_exit():
        process.run_command([], log, lock)
    thread.join()
    assert caught.value.code == 143
    assert log.read_text() == "ready\ncheckpoint\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parents")
def test_a_run_ends_with_a_killed_sweep(tmp_path: Path) -> None:
    """And holds the lock until then."""
    (tmp_path / "run.py").write_text(
        "import time\nfrom gmssl.sweeping.process import end_with_sweep\n"
        "end_with_sweep()\nprint('up', flush=True)\ntime.sleep(60)\n"
    )
    (tmp_path / "sweep.py").write_text(
        "import os, subprocess, sys\nfrom pathlib import Path\nfrom gmssl.sweeping.folder import locked\n"
        "with locked(Path('.'), lambda: None) as lock:\n"
        f"    env = os.environ | {{{SWEEP_VARIABLE!r}: str(os.getpid())}}\n"
        "    subprocess.Popen([sys.executable, 'run.py'], env=env, pass_fds=(lock,)).wait()\n"
    )
    sweep = subprocess.Popen([sys.executable, "sweep.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert sweep.stdout is not None
    assert sweep.stdout.readline() == "up\n"
    waited: list[bool] = []

    def kill() -> None:
        waited.append(True)
        sweep.kill()

    with locked(tmp_path, kill):
        assert waited == [True]
        assert sweep.stdout.read() == ""  # closed: both processes have ended
    assert sweep.wait() == -signal.SIGKILL
    sweep.stdout.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parents")
def test_a_run_whose_sweep_ended_before_does_not_start() -> None:
    code = "from gmssl.sweeping.process import end_with_sweep; end_with_sweep()"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {SWEEP_VARIABLE: "1"}, check=False)
    assert done.returncode == 143
