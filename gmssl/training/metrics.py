"""metrics.csv and timing.csv, which get a row each at every logged optimiser step."""

from __future__ import annotations

import math
import re
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from torch import distributed

from gmssl.objective import health
from gmssl.recipe.recipe import Recipe
from gmssl.system.table import Table
from gmssl.training.module import MatchingModule

STAGES = ("data", "views", "encoder", "graph", "costs", "match", "loss", "estimator", "backward", "optimiser")


class Metrics(Callback):
    """Writes the rows, gives them to the logger, and warns once of each kind of collapse.

    metrics.csv holds what is a function of recipe and data, timing.csv what the clock says: an interrupted and resumed
    run has the same metrics.csv, byte for byte, as an uninterrupted one.
    """

    def __init__(self, recipe: Recipe, folder: Path, console: Console) -> None:
        self.table = Table(folder / "metrics.csv")
        self.timing = Table(folder / "timing.csv")
        self.latest: dict[str, float] = {}
        self.shares: dict[str, float] = {}
        self.images_per_second = math.nan
        self._recipe, self._console = recipe, console
        self._warned: set[str] = set()
        self._since, self._images, self._away = 0.0, 0, 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting images."""
        self._since = perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop counting time: what happens between two epochs (probes, pictures, checkpoints) is no training time."""
        self._away = perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count training time again."""
        if self._away:
            self._since += perf_counter() - self._away
            self._away = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a row if this is a logged step."""
        assert isinstance(pl_module, MatchingModule)
        train = self._recipe.train
        self._images += train.batch_per_step * train.devices
        if (batch_idx + 1) % train.accumulate == 0:
            if pl_module.is_logged(trainer.global_step):
                self._log(trainer, pl_module)
            pl_module.losses.clear()

    def _log(self, trainer: Trainer, module: MatchingModule) -> None:
        loss = torch.stack(module.losses).mean()
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(loss)
            loss = loss / trainer.world_size
        if not trainer.is_global_zero:
            return
        assert module.step is not None
        backward = module.step.solution.backward
        self.latest = {
            "step": trainer.global_step,
            "epoch": trainer.current_epoch,
            "loss": float(loss),
            "learning_rate": self._learning_rate(trainer),
            "gradient_norm": module.gradient_norm,
            **health.measure(module.step, self._recipe.solver),
            "certified": _number(backward.certified),
            "target_is_truth": _number(backward.target_is_truth),
        }
        self.table.append({k: None if math.isnan(v) else v for k, v in self.latest.items()})
        timing = self._timing(trainer.global_step, module)
        for logger in trainer.loggers:
            finite = {k: v for k, v in self.latest.items() if not math.isnan(v)}
            logger.log_metrics(finite | timing, trainer.global_step)
        self._warn()

    def _learning_rate(self, trainer: Trainer) -> float:
        """The learning rate of the step just taken; the scheduler has moved on already."""
        (config,) = trainer.lr_scheduler_configs
        schedule = config.scheduler
        assert isinstance(schedule, torch.optim.lr_scheduler.LambdaLR)
        return float(schedule.base_lrs[0] * schedule.lr_lambdas[0](trainer.global_step - 1))

    def _timing(self, step: int, module: MatchingModule) -> dict[str, float]:
        now = perf_counter()
        seconds = max(now - self._since, 1e-9)
        self.images_per_second = self._images / seconds
        self.shares = {name: module.clock.seconds.get(name, 0.0) / seconds for name in STAGES}
        self.shares["other"] = 1 - sum(self.shares.values())
        timing = {"images_per_second": self.images_per_second, "seconds": seconds}
        self.timing.append({"step": step, **timing, **self.shares})
        self._since, self._images = now, 0
        module.clock.reset()
        return timing | {f"share/{name}": share for name, share in self.shares.items()}

    def _warn(self) -> None:
        warning = health.collapse(self.latest)
        if warning is None:
            return
        kind = re.sub(r"[\d.,%]+", "#", warning)  # the same words with other numbers are the same warning
        if kind not in self._warned:
            self._warned.add(kind)
            step = int(self.latest["step"])
            self._console.print(f"warning (step {step}): {warning}", style="yellow", markup=False, soft_wrap=True)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
