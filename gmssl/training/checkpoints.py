"""Checkpoints are written atomically, and at once when the run is told to stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from gmssl.errors import TrainingError
from gmssl.system.cluster.steps import WARNINGS
from gmssl.system.files import link_or_copy, replacing
from gmssl.training.module import MatchingModule
from gmssl.training.saved import read_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """A checkpoint appears under its name when it is complete, or not at all; the former one stays until then."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write to a temporary name in the same folder, then rename."""
        path = Path(path)
        try:
            with replacing(path) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:
            # torch's writer hides the system's error (no space left) behind one of its own
            reason = error.__context__ if isinstance(error.__context__, OSError) else error
            former = f"the former one is whole: --resume {path.parent}" if path.is_file() else "start anew"
            raise TrainingError(f"the checkpoint {path} cannot be written ({reason}). Make space; {former}.") from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read it by `read_checkpoint`, whatever `weights_only` says."""
        return read_checkpoint(Path(path))


class RunCheckpoints(Checkpoint):
    """Writes last.ckpt every few optimiser steps, after each epoch, and when a signal comes, and keeps some of them.

    Checkpoints are only written between optimiser steps, where no accumulated gradient would be lost.
    """

    def __init__(self, folder: Path, every: int, keep_every: int | None, accumulate: int) -> None:
        self._folder = folder
        self._every, self._keep_every, self._accumulate = every, keep_every, accumulate

    @property
    def last(self) -> Path:
        """The path of last.ckpt, from which runs are resumed."""
        return self._folder / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over SIGTERM and SIGINT from Lightning, which would lose everything since the last checkpoint.

        SLURM's warning that the time is nearly up does the same.
        """
        assert isinstance(pl_module, MatchingModule)
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may set handlers; whoever runs us in another one handles signals there

        def stop(number: int, frame: FrameType | None) -> None:
            if pl_module.signal and number == signal.SIGINT:
                signal.default_int_handler(number, frame)  # asked twice: stop without a checkpoint
            pl_module.signal = number

        for number in (signal.SIGTERM, signal.SIGINT, *WARNINGS):
            signal.signal(number, stop)  # Lightning's teardown brings the former handlers back

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write last.ckpt if it is time to; the end of an epoch has its own hook."""
        assert isinstance(pl_module, MatchingModule)
        if trainer.is_last_batch or trainer.should_stop or (batch_idx + 1) % self._accumulate:
            return
        if pl_module.stopping or trainer.global_step % self._every == 0:
            trainer.save_checkpoint(self.last)
        self._stop(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write last.ckpt, and keep it if it is time to."""
        assert isinstance(pl_module, MatchingModule)
        trainer.save_checkpoint(self.last)
        if self._keep_every and (trainer.current_epoch + 1) % self._keep_every == 0 and trainer.is_global_zero:
            _keep(self.last, self._folder / "checkpoints" / f"epoch={trainer.current_epoch:04d}.ckpt")
        self._stop(trainer, pl_module)

    def _stop(self, trainer: Trainer, module: MatchingModule) -> None:
        if module.stopping:
            module.agreed = True
            raise SystemExit(128 + module.stopping)


def _keep(last: Path, kept: Path) -> None:
    """Give the same bytes a second name, because last.ckpt is replaced and never written over."""
    kept.parent.mkdir(exist_ok=True)
    link_or_copy(last, kept)
