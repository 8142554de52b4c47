"""Limits of the machine that loader workers run into, as one message with what was found and the remedy.

torch and the system report them as errors of their own, from within a worker, with its whole traceback in the text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from gmssl.errors import DataError, GmsslError

_KILLED = re.compile(r"DataLoader worker \(pid\(?s?\)? ([\d, ]+)\) (is killed by signal: [\w ]+|exited unexpectedly)")
_FEWER = "train.workers=0 (or --workers 0) reads in the process itself"


@contextmanager
def telling_limits() -> Iterator[None]:
    """Turn errors of a loop over a loader into one message.

    Raises:
        DataError: a worker met a limit; every other error passes unchanged.
    """
    try:
        yield
    except GmsslError:
        raise
    except (OSError, RuntimeError) as error:
        told = limit_met(error)
        if told is None:
            raise
        raise DataError(told) from error


def limit_met(error: BaseException) -> str | None:
    """The message on the limit behind an error of a loader; None if the error is something else."""
    text = str(error)
    if "Too many open files" in text:
        return (
            f"loader workers: too many open files; `ulimit -n` is {_open_files()} in this shell. Raise it (ulimit -n "
            f"65536), or use fewer workers: {_FEWER}."
        )
    if re.search(r"shared memory|/dev/shm|unable to (mmap|write to file </torch_)", text):
        return (
            f"loader workers: no shared memory is left to hand over images; /dev/shm {_shared_memory()}. Give a "
            f"container more (docker run --shm-size=8g, or --ipc=host), or use fewer workers: {_FEWER}."
        )
    if "Cannot allocate memory" in text:
        return f"loader workers: the system has no memory left for another process. Use fewer workers: {_FEWER}."
    killed = _KILLED.search(text)
    if killed is None:
        return None
    return (
        f"loader worker {killed[1]} {killed[2].strip()}; if nobody stopped it, the system did, most often because "
        f"memory ran out (see dmesg). Use fewer workers ({_FEWER}), a smaller batch, or ask for more memory."
    )


def _open_files() -> str:
    try:
        import resource
    except ImportError:  # no such limit on this system
        return "not known"
    return str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _shared_memory() -> str:
    try:
        found = os.statvfs("/dev/shm")
    except (OSError, AttributeError):
        return "does not exist"
    total, free = (blocks * found.f_frsize // 2**20 for blocks in (found.f_blocks, found.f_bavail))
    return f"has {total} MB, {free} MB of them free"
