"""Progress as a bar on a terminal, and elsewhere as one line for each epoch."""

from __future__ import annotations

import math
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gmssl.training.metrics import Metrics
from gmssl.training.plan import Plan


class RunProgress(Callback):
    """Shows loss, match accuracy, duality gap if the solver gives a bound, images/s, and where the time goes."""

    def __init__(self, console: Console, metrics: Metrics, plan: Plan) -> None:
        self._console, self._metrics, self._plan = console, metrics, plan
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar."""
        if not self._console.is_terminal or not trainer.is_global_zero:
            return
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}"),
            console=self._console,
        )
        self._bar.add_task(
            "train", total=self._plan.steps, completed=trainer.global_step, epoch=self._epoch(trainer), words=""
        )
        self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=trainer.global_step, epoch=self._epoch(trainer), words=self.words())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print a line for logs that are read later."""
        if self._bar is None and trainer.is_global_zero:
            line = f"epoch {self._epoch(trainer)}  step {trainer.global_step}/{self._plan.steps}  {self.words()}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar, so that the error stands below it."""
        self._close()

    def words(self) -> str:
        """The latest logged numbers in one line; empty before the first."""
        latest = self._metrics.latest
        if not latest:
            return ""
        parts = [f"loss {latest['loss']:.3f}", f"match {latest['match_accuracy']:.0%}"]
        parts[-1] += f" ({latest['match_accuracy_noiseless']:.0%} noiseless)"
        if not math.isnan(latest["duality_gap"]):
            parts.append(f"gap {latest['duality_gap']:.3g}")
        parts.append(f"{self._metrics.images_per_second:.0f} images/s")
        shares = sorted(self._metrics.shares.items(), key=lambda item: -item[1])
        parts.append(" ".join(f"{name} {share:.0%}" for name, share in shares if share >= 0.005))
        return "  ".join(parts)

    def _epoch(self, trainer: Trainer) -> str:
        return f"{trainer.current_epoch + 1}/{self._plan.epochs}"

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
