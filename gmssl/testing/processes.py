"""Processes that train together, on one machine: for tests of what several ranks compute."""

from __future__ import annotations

import faulthandler
import os
import sys
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
        number: of processes, each with one thread. They end without Python's teardown: `atexit` is not called.

    Raises:
        torch.multiprocessing.ProcessRaisedException: `work` failed; the message holds its traceback.
    """
    with tempfile.TemporaryDirectory() as folder:  # a file where they meet is nobody else's, as a port may be
        spawn(_enter, (number, f"{Path(folder).as_uri()}/meeting", work, arguments), nprocs=number)


def _enter(rank: int, number: int, meeting: str, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    faulthandler.enable()  # a process that aborts says where
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=number)
    work(rank, *arguments)
    distributed.destroy_process_group()
    # DDP keeps gloo's threads alive. One that still drops the tensors of the last collective needs the interpreter, and
    # aborts the process if that is being torn down (PyTorch issues 117762 and 190489), so it is not torn down.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
