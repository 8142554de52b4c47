"""Processes that train together, on one machine: for tests of what several ranks compute."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

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
    with tempfile.TemporaryDirectory() as folder:  # a file where they meet is nobody else's, as a port may be
        spawn(_enter, (number, f"{Path(folder).as_uri()}/meeting", work, arguments), nprocs=number)


def _enter(rank: int, number: int, meeting: str, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=number)
    work(rank, *arguments)
    distributed.destroy_process_group()
