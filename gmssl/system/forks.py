"""Forked processes: torch computes on one thread in a child, for the parent's other threads are not there.

A fork copies the memory of a process, and of its threads only the one that forks. OpenMP, on whose threads torch
computes, still counts on those that it started in the parent; the first operation of the child that is large enough to
be shared out would wait for them for ever. On one thread torch asks OpenMP for nothing. The workers of its own loaders
do the same.
"""

from __future__ import annotations

import os
import sys


def survive_forks() -> None:
    """Have each process that is forked from this one, from now on, begin with `torch.set_num_threads(1)`.

    It is called when gmssl is imported. Processes that start an interpreter of their own (`spawn`, `forkserver`,
    `subprocess`) keep all threads, and so do those that are forked before torch is imported.
    """
    if hasattr(os, "register_at_fork"):  # there is no fork on Windows
        os.register_at_fork(after_in_child=_use_one_thread)


def _use_one_thread() -> None:
    # None without torch, and while another thread of the parent imports it.
    limit = getattr(sys.modules.get("torch"), "set_num_threads", None)
    if limit is not None:
        limit(1)
