"""Checkpoints: written atomically, read without running code, and written at once when the run is told to stop."""

from __future__ import annotations

import pickle
import re
import signal
import threading
import zipfile
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from gmssl.errors import TrainingError
from gmssl.system.files import link_or_copy, replacing
from gmssl.training.module import MatchingModule


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint on the CPU; only tensors and plain types are accepted, so reading it never runs code.

    Raises:
        TrainingError: no such file, damaged, or with anything else in it.
    """
    if not path.is_file():
        raise TrainingError(f"no checkpoint at {path}. {_others(path)}")
    if not zipfile.is_zipfile(path):  # the format of all checkpoints of ours; a bare pickle is not even looked at
        raise TrainingError(f"{path} is refused: it is no zip archive, so damaged or no checkpoint. {_others(path)}")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"Unsupported [^\n]*?(?= was not| whose|\.|\n|$)", str(error))
        what = found[0] if found else "a pickled object"
        raise TrainingError(
            f"{path} is refused: it holds more than tensors and plain values ({what}), and reading such a file may run "
            f"code. {_others(path)}"
        ) from None
    except Exception as error:  # zip, pickle and torch each have their own ways to reject damaged bytes
        raise TrainingError(f"{path} is damaged ({type(error).__name__}: {error}). {_others(path)}") from None
    if not isinstance(loaded, dict) or "loops" not in loaded or "global_step" not in loaded:
        raise TrainingError(f"{path} is no checkpoint of a training. {_others(path)}")
    return loaded


def _others(path: Path) -> str:
    kept = sorted((path.parent / "checkpoints").glob("*.ckpt"))
    if kept:
        return f"Kept checkpoints are there: copy {kept[-1]} to {path} and resume."
    return "Start the run anew."


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
        """As `read_checkpoint`, whatever `weights_only` says."""
        return read_checkpoint(Path(path))


class RunCheckpoints(Checkpoint):
    """last.ckpt every few optimiser steps and after each epoch, kept ones, and a last one when a signal comes.

    Checkpoints are only written between optimiser steps, where no accumulated gradient would be lost.
    """

    def __init__(self, folder: Path, every: int, keep_every: int | None, accumulate: int) -> None:
        self._folder = folder
        self._every, self._keep_every, self._accumulate = every, keep_every, accumulate

    @property
    def last(self) -> Path:
        """Where runs are resumed from."""
        return self._folder / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take SIGTERM and SIGINT from Lightning, which would lose all since the last checkpoint."""
        assert isinstance(pl_module, MatchingModule)
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may set handlers; whoever runs us in another one handles signals there

        def stop(number: int, frame: FrameType | None) -> None:
            if pl_module.signal and number == signal.SIGINT:
                signal.default_int_handler(number, frame)  # asked twice: stop without a checkpoint
            pl_module.signal = number

        for number in (signal.SIGTERM, signal.SIGINT):
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
    """A second name for the same bytes: last.ckpt is replaced, never written over."""
    kept.parent.mkdir(exist_ok=True)
    link_or_copy(last, kept)
