"""Two tasks never work on one run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from gmssl.errors import TrainingError
from gmssl.system.cluster.tasks import is_alive

PATIENCE = 120
"""Seconds that a task waits for the processes of a killed one, which write their last checkpoint."""


@contextlib.contextmanager
def alone(path: Path, number: str) -> Iterator[int]:
    """Hold a run alone; yields the file that its processes must inherit, so that they hold it as well.

    The lock keeps out tasks on machines whose file system has locks. The number of the task, which is written into it,
    keeps out those that SLURM knows, on any.

    Args:
        path: of the lock.
        number: of this task; the same one when SLURM begins it again.

    Raises:
        TrainingError: another task has the run.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = time.monotonic() + PATIENCE
        while not _locks(lock):
            if time.monotonic() > end:
                raise TrainingError(f"another process works on {path.name}; wait until it has ended.")
            time.sleep(0.2)
        former = os.pread(lock, 100, 0).decode("ascii", errors="replace")
        if former not in ("", number) and is_alive(former):
            raise TrainingError(f"task {former} of SLURM works on {path.name}; wait until it has ended.")
        _write(lock, number)
        yield lock
        _write(lock, "")
    finally:
        os.close(lock)


def _locks(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def _write(lock: int, text: str) -> None:
    os.truncate(lock, 0)
    os.pwrite(lock, text.encode("ascii"), 0)
    os.fsync(lock)
