"""Processes that train together, on one machine: for tests of what several ranks compute."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn


def in_processes(work: Callable[..., None], *arguments: object, number: int = 2) -> None:
    """Call `work(rank, *arguments)` in processes of one gloo group, and wait for all of them.

    Args:
        work: a function of a module that fresh processes can import; what it finds it writes to files.
        arguments: what can be pickled.
        number: of processes, each with one thread.

    Raises:
        torch.multiprocessing.ProcessRaisedException: `work` failed; the message holds its traceback.
    """
    port = 20000 + os.getpid() % 20000
    spawn(_enter, (number, port, work, arguments), nprocs=number)


def _enter(rank: int, number: int, port: int, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", rank=rank, world_size=number)
    work(rank, *arguments)
    distributed.destroy_process_group()
