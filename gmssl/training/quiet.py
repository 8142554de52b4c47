"""Silence Lightning's chatter, and as little else as possible."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Each of these is said by our own progress, checked by our own code, or advice on features that are off.
_NOISE = (
    "The '.*' does not have many workers",  # train.workers is the user's choice
    "GPU available but not used",  # train.accelerator is the user's choice
    "Found .* module.* in eval mode at the start of training",  # frozen parts of an encoder stay in eval mode
    "The number of training batches .* is smaller than the logging interval",  # we log ourselves
    "The `srun` command is available on your system but is not used",  # a run of one process needs none
    "Starting from v1.9.0, `tensorboardX` has been removed",
    "Experiment logs directory .* exists and is not empty",  # resuming does that on purpose
    "You have overridden `.*` in `LightningModule` but have passed in a `LightningDataModule`",  # as intended
    "'set_vital' is deprecated",  # torchdata with a newer torch
    "`isinstance\\(treespec, LeafSpec\\)` is deprecated",  # lightning with a newer torch
    "`torch.jit.script` is deprecated",  # third-party modules with a newer torch
    "The `srun` command is available",  # on a machine of a cluster, and this process is meant to be one
    "barrier.*using the device under current context",  # torch.distributed, with a single device per process
)


@contextmanager
def quiet() -> Iterator[None]:
    """Hide Lightning's tips, its hardware table and the warnings above; all other warnings pass."""
    logger = logging.getLogger("lightning.pytorch")
    fabric = logging.getLogger("lightning.fabric")
    levels = logger.level, fabric.level
    logger.setLevel(logging.ERROR)
    fabric.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in _NOISE:
                warnings.filterwarnings("ignore", message=f".*{message}")
            yield
    finally:
        logger.setLevel(levels[0])
        fabric.setLevel(levels[1])
