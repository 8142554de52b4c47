"""unreadable.csv lists the images that were skipped; a run that has too many of them ends."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import distributed

from gmssl.errors import DataError
from gmssl.interfaces.data import Images
from gmssl.system.files import replacing
from gmssl.training.module import MatchingModule


class Unreadable(Callback):
    """Collects what the loaders of all ranks could not read, at logged steps and after each epoch.

    The run fails as soon as the unreadable images met so far are more than `data.max_unreadable` of *all* images, so
    the order of the images does not matter; at its end also when they are more than that share (and more than one) of
    the images that a short run has seen.
    """

    def __init__(self, folder: Path, images: Images, channels: int, allowed: float, batch: int, steps: int) -> None:
        self.path = folder / "unreadable.csv"
        self._images, self._channels, self._allowed = images, channels, allowed
        self._batch, self._steps = batch, steps
        self._module: MatchingModule | None = None
        self._known: set[int] = set()
        self._written: set[int] = set()

    def state_dict(self) -> dict[str, Any]:
        """The indices met so far, with those of this rank since the last logged step."""
        return {"indices": sorted(self._known | (self._module.unreadable if self._module else set()))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with these indices."""
        self._known = set(state_dict["indices"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember the module, which is asked when a checkpoint falls between two logged steps."""
        assert isinstance(pl_module, MatchingModule)
        self._module = pl_module

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Collect the indices at logged steps."""
        assert isinstance(pl_module, MatchingModule)
        if pl_module.is_logged(trainer.global_step):
            self._collect(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Collect the indices after each epoch."""
        assert isinstance(pl_module, MatchingModule)
        self._collect(trainer, pl_module)

    def _collect(self, trainer: Trainer, module: MatchingModule) -> None:
        gathered: list[set[int] | None] = [module.unreadable]
        if distributed.is_available() and distributed.is_initialized():
            gathered = [None] * trainer.world_size
            distributed.all_gather_object(gathered, module.unreadable)
        self._known |= set().union(*(indices for indices in gathered if indices is not None))
        module.unreadable = set()
        if trainer.is_global_zero and self._known != self._written:
            self._write()
        total = len(self._images)
        if len(self._known) > self._allowed * total:
            self._fail(module, f"{len(self._known)} of {total}")
        seen = min(total, trainer.global_step * self._batch)
        if trainer.global_step >= self._steps and len(self._known) > max(1.0, self._allowed * seen):
            self._fail(module, f"{len(self._known)} of {seen} seen")

    def _fail(self, module: MatchingModule, count: str) -> None:
        module.agreed = True
        raise DataError(
            f"data: {count} images are unreadable, more than data.max_unreadable = {self._allowed:g} allows; "
            f"{self.path} lists them with the reasons. Repair or remove them, or raise data.max_unreadable."
        )

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["name", "reason"])
        writer.writerows([self._images.records[i].name, self._reason(i)] for i in sorted(self._known))
        with replacing(self.path) as file:
            file.write(text.getvalue().encode("utf-8"))
        self._written = set(self._known)

    def _reason(self, index: int) -> str:
        try:
            self._images.load(index, self._channels)
        except DataError as error:
            return str(error)
        return "readable now; it was not when the training met it"
