"""Runs of a sweep in processes of their own: a crash or a full memory ends one of them and not the sweep."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import FrameType
from typing import TypeVar

from gmssl.system.machine import cores

SWEEP_VARIABLE = "GMSSL_SWEEP_PROCESS"
"""Holds the process number of the sweep; taken out of the environment before the run starts processes of its own."""

_PR_SET_PDEATHSIG = 1


def end_with_sweep() -> None:
    """Ask the system for SIGTERM when the sweep ends: a training then writes a checkpoint and stops.

    Only Linux can promise this. Elsewhere the run goes on to its end, and the lock of the folder, which it holds too,
    keeps a next sweep waiting for it.
    """
    sweep = int(os.environ.pop(SWEEP_VARIABLE))
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != sweep:  # it ended before the request was made
        raise SystemExit(128 + signal.SIGTERM)


_ERROR = "error: "


def run_command(arguments: Sequence[str], log: Path, lock: int, jobs: int = 1) -> str | None:
    """Run `gmssl ARGUMENTS`; what it prints is appended to the log.

    When this process is interrupted, the command is asked to stop (a training writes a checkpoint first), and is
    waited for; interrupted again, it is killed.

    Args:
        arguments: of the program.
        log: text file.
        lock: file descriptor that the command inherits.
        jobs: how many commands share the machine; each gets its part of the cores, unless OMP_NUM_THREADS is set.

    Returns:
        None if it ended well, else why not.
    """
    command = [sys.executable, "-m", "gmssl", *arguments]
    with log.open("ab") as file:
        # The log may hold earlier attempts; the reason of a failure is looked for behind this place.
        start = file.tell()
        with _guard, _unwarned():  # guarded, so that `stop_all` finds every command, or none is started after it
            if _stopped.is_set():
                return "the sweep was stopped"
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # Later ones win: an OMP_NUM_THREADS of the user's over ours.
                env=threads_of(jobs) | os.environ | {SWEEP_VARIABLE: str(os.getpid())},
                pass_fds=(lock,),
                # Ctrl-C in a terminal goes to its whole process group; the command gets one signal, from here.
                start_new_session=True,
            )
            _running.add(process)
        try:
            code = process.wait()
        except BaseException:
            _stop(process)
            raise
        finally:
            with _guard:
                _running.discard(process)
    return None if code == 0 else _fault(code, log, start)


WARNING = signal.SIGUSR2
"""What SLURM and submitit send when the time of a task is nearly up, perhaps to every process of it."""


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """What is started here never hears the warning, which would kill it; who starts it asks it to stop instead."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {WARNING})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def threads_of(jobs: int) -> dict[str, str]:
    """What limits them where several commands run: threads that wait for a busy core cost far more than they bring."""
    return {"OMP_NUM_THREADS": str(max(1, cores() // jobs))} if jobs > 1 else {}


_running: set[subprocess.Popen[bytes]] = set()
"""Signals reach the main thread only, and it must find what the other threads wait for."""

_stopped = threading.Event()
_guard = threading.Lock()


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Around threads that run commands: after `stop_all`, none is started before this ends."""
    try:
        yield
    finally:
        _stopped.clear()


def stop_all() -> None:
    """Ask all commands that run in other threads to stop, and wait for them; interrupted, kill them."""
    try:
        with _guard:
            _stopped.set()
            processes = list(_running)
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    except BaseException:
        _stopped.set()
        for process in list(_running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        raise


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        process.terminate()
        process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with its loader processes
        process.wait()
        raise


def _fault(code: int, log: Path, start: int) -> str:
    """The message of the program; for a defect or a killed process, what is known."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
    # Popen reports a deadly signal as a negative code, a program that cleaned up first as 128 more than its number.
    number = -code if code < 0 else code - 128
    if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGINT):
        hint = ", perhaps for want of memory" if number == signal.SIGKILL else ""
        return f"ended by {signal.Signals(number).name}{hint}"
    errors = [index for index, line in enumerate(lines) if line.startswith(_ERROR)]
    if errors:
        return "\n".join(lines[errors[-1] :]).removeprefix(_ERROR)
    return lines[-1] if lines else f"exit code {code}"


@contextlib.contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """SIGTERM runs the same clean-up as Ctrl-C, and ends the program with 143."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


Result = TypeVar("Result")


def in_order_of_ending(
    do: Callable[[int], Result], number: int, jobs: int
) -> Generator[tuple[int, Result], None, None]:
    """`(i, do(i))` for i in 0..number−1, started in this order, `jobs` at a time, as soon as each has ended.

    One at a time stays in the calling thread. When the caller is interrupted, or closes the iterator, no further one is
    started, and the commands in progress are stopped as `run_command` stops its own.
    """
    if jobs == 1:
        for at in range(number):
            yield at, do(at)
        return
    # A run is bound to the thread that started it (`parentage`): threads live as long as the pool.
    with stoppable(), ThreadPoolExecutor(jobs) as pool:
        try:
            waiting: dict[Future[Result], int] = {}
            following = 0
            while waiting or following < number:
                while following < number and len(waiting) < jobs:
                    waiting[pool.submit(do, following)] = following
                    following += 1
                # Without a timeout, a signal would not be seen before a run ends.
                for future in wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
        except BaseException:
            for future in waiting:
                future.cancel()
            stop_all()
            raise
