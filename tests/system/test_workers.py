"""What loader workers run into is one message with the limit and the remedy."""

from __future__ import annotations

import errno
import os
import resource
import signal

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from gmssl.errors import DataError
from gmssl.system.workers import limit_met, telling_limits


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
        return torch.zeros(3)


def read(deed: str) -> list[torch.Tensor]:
    with telling_limits():
        return list(DataLoader(Images(deed), batch_size=4, num_workers=1))


def test_a_worker_that_the_system_kills() -> None:
    with pytest.raises(DataError, match=r"loader worker \d+.*(killed by signal|exited).*train\.workers=0"):
        read("kill")


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
    assert f"`ulimit -n` is {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}" in told
    assert "train.workers=0" in told
