"""What loader workers run into is one message with the limit and the remedy."""

from __future__ import annotations

import errno
import functools
import os
import resource
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from gmssl.errors import DataError
from gmssl.system.workers import batches, hand_over, limit_met, open_more_files, telling_limits


class Images(Dataset):
    """Tensors; number 5 does what the test is about."""

    def __init__(self, deed: str) -> None:
        self.deed = deed

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == 5 and self.deed == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if index == 5 and self.deed == "shm":
            raise RuntimeError(
                "unable to allocate shared memory(shm) for file </torch_7_1>: Resource temporarily unavailable"
            )
        if index == 5 and self.deed == "other":
            raise RuntimeError("a defect")
        return torch.full((3,), float(index))


def read(deed: str) -> list[torch.Tensor]:
    with telling_limits():
        return list(batches(Images(deed), 4, workers=1))


def no_shared_memory(worker: int) -> None:
    """Files of shared memory cannot grow, as where /dev/shm is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_a_batch_for_which_no_shared_memory_is_left_is_not_waited_for(within: Callable[[float], Any]) -> None:
    loader = DataLoader(
        Images("none"),
        num_workers=1,
        collate_fn=functools.partial(hand_over, torch.stack),
        worker_init_fn=no_shared_memory,
    )
    with within(60), pytest.raises(DataError, match=r"no shared memory is left.*--shm-size"), telling_limits():
        list(loader)


def test_workers_hand_over_the_same_batches() -> None:
    alone, helped = (list(batches(Images("none"), 5, workers)) for workers in (0, 2))
    assert [len(batch) for batch in alone] == [5] * 12 + [4]
    assert all(torch.equal(one, other) for one, other in zip(alone, helped, strict=True))


def test_a_worker_that_the_system_kills() -> None:
    with pytest.raises(DataError, match=r"loader worker \d+.*(killed by signal|exited).*train\.workers=0"):
        read("kill")


@pytest.mark.parametrize("first", [ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), EOFError()])
def test_a_connection_that_ends_before_the_death_of_its_worker_is_known(first: Exception) -> None:
    def die(*_: object) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    before = signal.signal(signal.SIGALRM, die)  # stands for torch's handler of SIGCHLD
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert "loader worker 7 is killed" in str(limit_met(first))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_shared_memory() -> None:
    with pytest.raises(
        DataError, match=r"/dev/shm (has \d+ MB|does not exist).*--shm-size.*train\.workers=0"
    ) as refused:
        read("shm")
    assert "Traceback" not in str(refused.value)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="a defect"):
        read("other")
    assert limit_met(ValueError("a defect")) is None


def test_too_many_open_files() -> None:
    told = limit_met(OSError(errno.EMFILE, "Too many open files"))
    assert told is not None
    assert f"may have {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}." in told
    assert "train.workers=0" in told


def test_loaders_may_open_as_many_files_as_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        open_more_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        batches(Images("none"), 4, workers=0)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM, errno.ENFILE])
def test_faults_of_the_machine_are_told(number: int) -> None:
    with pytest.raises(DataError, match=r"drive|memory|too many open files"), telling_limits():
        raise OSError(number, os.strerror(number), "one.png")
