"""Loaders, and the limits of the machine that their workers run into: one message with what was found and the remedy.

torch and the system report limits as errors of their own, from within a worker, with its whole traceback in the text.
"""

from __future__ import annotations

import errno
import functools
import os
import pickle
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gmssl.errors import DataError, GmsslError
from gmssl.lazy import torch

if TYPE_CHECKING:
    from torch.utils.data import Dataset

Batch = TypeVar("Batch")

_KILLED = re.compile(r"DataLoader worker \(pid\(?s?\)? ([\d, ]+)\) (is killed by signal: [\w ]+|exited unexpectedly)")
FAULTS = (OSError, RuntimeError, EOFError, MemoryError)
"""Errors behind which `limit_met` looks for a limit."""
_FEWER = "train.workers=0 (or --workers 0) reads in the process itself"


def batches(data: Dataset[Any], size: int, workers: int) -> Iterator[Any]:
    """A data set in its order, by torch's own collation; torch's global random state is left alone.

    Loop over it within `telling_limits`.

    Args:
        data: items by index.
        size: items in a batch; the last one may have fewer.
        workers: processes that read; 0 reads in this one.
    """
    open_more_files()
    # The loader draws a base seed even when nothing is shuffled; from its own generator, so that a probe in the middle
    # of a training does not change what the training draws next.
    loader = torch.utils.data.DataLoader(
        data,
        batch_size=size,
        num_workers=workers,
        collate_fn=functools.partial(hand_over, torch.utils.data.default_collate),
        generator=torch.Generator(),
    )
    return iter(loader)


class Parcel(Generic[Batch]):
    """A batch that is pickled already, and again a batch where it is unpickled."""

    def __init__(self, batch: Batch) -> None:
        self._bytes = ForkingPickler.dumps(batch).tobytes()

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        """Unpickles as the batch itself."""
        return pickle.loads, (self._bytes,)


_SPARE = 4
"""Files that a worker opens for a moment while the other process fetches a batch: a connection, and what torch adds."""


def hand_over(collate: Callable[[list[Any]], Batch], items: list[Any]) -> Batch | Parcel[Batch]:
    """What `collate` makes of the items, pickled at once in a worker: the `collate_fn` of every loader, as a partial.

    torch pickles batches, which moves tensors to shared memory and opens files, in a thread of the worker that loses
    the batch when that fails: the loader would wait for it for ever. Here the loader receives the error.

    Raises:
        OSError, RuntimeError: no shared memory or no open file is left.
    """
    batch = collate(items)
    if torch.utils.data.get_worker_info() is None:
        return batch
    parcel = Parcel(batch)
    for spare in [os.open(os.devnull, os.O_RDONLY) for _ in range(_SPARE)]:
        os.close(spare)
    return parcel


MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO})
"""What the system says where the machine is at fault, and not the file that happened to be read."""


def of_the_machine(error: BaseException) -> bool:
    """Whether a failed reading says nothing about the file: open files, memory, a disk or network drive that fails."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in MACHINE)


def open_more_files() -> None:
    """Raise this process's limit of open files to what the system allows; workers inherit it.

    Every tensor on its way from a worker is an open file, and the usual limit of 1024 is so low for programs that wait
    with select(), as none of ours does. Where the system refuses, the limit stays.
    """
    try:
        import resource
    except ImportError:  # no such limit on this system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # macOS has no number for its "unlimited"
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def telling_limits() -> Iterator[None]:
    """Turn errors of a loop over a loader into one message.

    It stands around the whole loop: torch tells of a dead worker wherever the loop stands, not only in the loader.

    Raises:
        DataError: a worker met a limit; every other error passes unchanged.
    """
    try:
        yield
    except GmsslError:
        raise
    except FAULTS as error:
        told = limit_met(error)
        if told is None:
            raise
        raise DataError(told) from error


def limit_met(error: BaseException) -> str | None:
    """The message on the limit behind an error of a loader; None if the error is something else."""
    text = _news_of_death() if isinstance(error, ConnectionError | EOFError | FileNotFoundError) else str(error)
    if re.search("Too many open files|received \\d+ items of ancdata", text):
        return (
            f"loader workers: too many open files; this process may have {_open_files()}. Raise the hard limit "
            f"(`ulimit -Hn`; docker run --ulimit nofile=65536), or use fewer workers: {_FEWER}."
        )
    if re.search(r"shared memory|/dev/shm|unable to (mmap|(open|resize|write to) .*</torch_)", text):
        return (
            f"loader workers: no shared memory is left to hand over images; /dev/shm {_shared_memory()}. Give a "
            f"container more (docker run --shm-size=8g, or --ipc=host), or use fewer workers: {_FEWER}."
        )
    if "Cannot allocate memory" in text or isinstance(error, MemoryError):
        return f"loader workers: the system has no memory left. Use fewer workers ({_FEWER}), or a smaller batch."
    if "Input/output error" in text:
        path = re.search(r"Input/output error: ('.*')", text)
        return (
            f"the disk or network drive failed while {path[1] if path else 'an image'} was read (input/output error). "
            "Mend the drive (see dmesg), or copy the images to another."
        )
    killed = _KILLED.search(text)
    if killed is None:
        return None
    return (
        f"loader worker {killed[1]} {killed[2].strip()}; if nobody stopped it, the system did, most often because "
        f"memory ran out (see dmesg). Use fewer workers ({_FEWER}), a smaller batch, or ask for more memory."
    )


def _news_of_death() -> str:
    """What torch tells of a worker that died, if one did: its connections end a moment before the system reports it."""
    try:
        time.sleep(1)  # torch raises from the handler of the signal
    except RuntimeError as error:
        return str(error)
    return ""


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
