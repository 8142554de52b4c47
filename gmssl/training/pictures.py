"""When the pictures of a run are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gmssl.recipe.recipe import Recipe
from gmssl.system.table import Table
from gmssl.training.drawing import draw_curves, draw_matched
from gmssl.training.module import MatchingModule
from gmssl.training.plan import Plan


class Pictures(Callback):
    """Draws curves.png and matched.png every `train.picture_every` epochs and at the end."""

    def __init__(self, recipe: Recipe, plan: Plan, folder: Path) -> None:
        self._recipe, self._plan, self._folder = recipe, plan, folder

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw the pair of graphs of the last step of an epoch, while its images are still there."""
        assert isinstance(pl_module, MatchingModule)
        last = trainer.is_last_batch or trainer.global_step >= self._plan.steps
        step = pl_module.step
        if step is None or step.arrangement.sources is None:  # nodes that are no images of the batch
            return
        if last and self._due(trainer) and trainer.is_global_zero:
            title = f"epoch {trainer.current_epoch + 1}, step {trainer.global_step}: "
            draw_matched(step, batch.views, self._recipe.solver, self._folder / "matched.png", title)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the curves so far."""
        if self._due(trainer) and trainer.is_global_zero:
            folder = self._folder
            draw_curves(Table(folder / "metrics.csv"), Table(folder / "probe.csv"), folder / "curves.png")

    def _due(self, trainer: Trainer) -> bool:
        epoch = trainer.current_epoch + 1
        return epoch % self._recipe.train.picture_every == 0 or trainer.global_step >= self._plan.steps
