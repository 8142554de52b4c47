"""probe.csv, the kNN accuracy of the encoder during training beside that of the untrained one."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console

from gmssl.errors import DataError
from gmssl.evaluation.probe import knn_probe
from gmssl.recipe.recipe import Recipe
from gmssl.system.table import Table
from gmssl.training.module import MatchingModule
from gmssl.training.plan import Plan


class KnnProbe(Callback):
    """Probes the untrained encoder, then the encoder every few epochs and after the last one.

    Rank 0 probes alone, on its device; the other ranks wait at their next collective operation.
    """

    def __init__(self, recipe: Recipe, plan: Plan, folder: Path, console: Console) -> None:
        self.table = Table(folder / "probe.csv")
        self._recipe, self._plan, self._console = recipe, plan, console

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Probe the untrained encoder, which is the reference."""
        if trainer.global_step == 0:
            self._probe(trainer, pl_module, 0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Probe every `probe.every` epochs, and at the end."""
        assert self._recipe.probe is not None
        epoch = trainer.current_epoch + 1
        if epoch % self._recipe.probe.every == 0 or trainer.global_step >= self._plan.steps:
            self._probe(trainer, pl_module, epoch)

    def _probe(self, trainer: Trainer, module: LightningModule, epoch: int) -> None:
        assert isinstance(module, MatchingModule)
        probe, images = self._recipe.probe, self._plan.probe
        assert probe is not None
        assert images is not None
        if not trainer.is_global_zero:
            return
        recipe = self._recipe
        encoder, channels, workers = module.objective.encoder, recipe.encoder.in_channels, recipe.train.workers
        try:
            accuracy = knn_probe(
                encoder, images, recipe.views, channels, probe.neighbours, probe.folds, workers=workers
            )
        except DataError as error:
            raise DataError(f"probe: {error}") from None
        self.table.append({"step": trainer.global_step, "epoch": epoch, "knn_accuracy": accuracy})
        for logger in trainer.loggers:
            logger.log_metrics({"knn_accuracy": accuracy}, trainer.global_step)
        untrained = self.table.numbers("knn_accuracy")[0]
        beside = f" (untrained {untrained:.1%})" if epoch else " (untrained encoder)"
        self._console.print(f"epoch {epoch}: kNN accuracy {accuracy:.1%}{beside}", markup=False, highlight=False)
