"""A run that a sweep started ends with it, also where the sweep is killed and can tell nobody."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

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
