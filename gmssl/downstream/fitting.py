"""One training and its test: resumed after the last whole epoch, whatever ended the process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from gmssl.downstream.examples import prediction_loader
from gmssl.downstream.module import TaskModule
from gmssl.downstream.recipe import Training
from gmssl.downstream.results import ROWS
from gmssl.downstream.splitting import Fold, Parts
from gmssl.evaluation.backbone import EncoderBackbone
from gmssl.evaluation.features import frozen
from gmssl.interfaces.task import Opened, Row, Scoring
from gmssl.system.files import write_whole
from gmssl.system.json_text import json_text
from gmssl.training.checkpoints import AtomicCheckpointIO
from gmssl.training.quiet import quiet

LAST = "last.ckpt"


@dataclass(frozen=True, eq=False)
class Fit:
    """What is trained and tested: one encoder, one fold, one seed."""

    opened: Opened
    training: Training
    fold: Fold
    parts: Parts
    seed: int
    folder: Path
    pictures: bool = True


@dataclass(frozen=True)
class Fitted:
    """A row for each test case, and one for each epoch."""

    rows: list[Row]
    history: list[dict[str, Any]]


def done(folder: Path) -> Fitted | None:
    """What a finished fit found; None if it is not finished."""
    if not (folder / ROWS).is_file():
        return None
    found = json.loads((folder / ROWS).read_text(encoding="utf-8"))
    return Fitted(found["rows"], found["history"])


def run_fit(fit: Fit, backbone: EncoderBackbone | None, on_epoch: Callable[[int], None]) -> Fitted:
    """Train and test, or go on where it was stopped.

    Args:
        fit: what to do.
        backbone: the encoder, whose weights are as they were before any training.
        on_epoch: told the number of each epoch that has ended.

    Raises:
        TrainingError: the loss is not finite, or a checkpoint cannot be written.
    """
    fit.folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(fit.seed)
        network: Any = fit.opened.network(backbone)
        module = TaskModule(network, fit.opened, fit.training, fit.parts, fit.seed)
        if any(weight.requires_grad for weight in network.parameters()):
            _train(fit, module, on_epoch)
            assert module.best is not None
            module.restore(module.best)
        device = torch.device("cuda" if torch.cuda.is_available() and fit.training.accelerator != "cpu" else "cpu")
        rows = predict(fit, network.to(device), fit.fold.test, device).rows()
        shown = _to_show(fit, rows) if fit.pictures else []
        if shown:
            predict(fit, network, shown, device, keep=True).write(fit.folder / "pictures")
    fitted = Fitted(rows, module.history)
    write_whole(fit.folder / ROWS, json_text({"rows": fitted.rows, "history": fitted.history}, indent=None))
    (fit.folder / LAST).unlink(missing_ok=True)
    return fitted


def predict(fit: Fit, network: Any, indices: Sequence[int], device: torch.device, keep: bool = False) -> Scoring:
    """Score a network on some cases."""
    scoring = fit.opened.scoring(indices, keep)
    with frozen(network):
        for batch in prediction_loader(fit.opened, indices, fit.training.batch, fit.training.workers):
            moved = move(batch, device)
            scoring.add(moved, network.predict(moved))
    return scoring


def move(batch: Any, device: torch.device) -> Any:
    """A batch on another device, by Lightning's rules."""
    from lightning.fabric.utilities import move_data_to_device

    return move_data_to_device(batch, device)


def _to_show(fit: Fit, rows: list[Row]) -> list[int]:
    """The indices of the cases that were predicted worst, at the median and best."""
    values = [(fit.opened.summarise([row]).get(fit.opened.metric), n) for n, row in enumerate(rows)]
    known = sorted((value, n) for value, n in values if value is not None)
    if not known:
        return []
    places = dict.fromkeys((0, len(known) // 2, len(known) - 1))
    return sorted(fit.fold.test[known[place][1]] for place in places)


def _train(fit: Fit, module: TaskModule, on_epoch: Callable[[int], None]) -> None:
    last = fit.folder / LAST
    training = fit.training
    with quiet():
        trainer = Trainer(
            accelerator=training.accelerator,
            devices=1,
            precision="bf16-mixed" if training.precision == "bfloat16" else "32-true",
            max_epochs=training.epochs,
            gradient_clip_val=training.clip,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            limit_val_batches=1.0 if fit.parts.validation else 0,
            callbacks=[_EpochEnds(last, on_epoch)],
            plugins=[AtomicCheckpointIO()],
            logger=False,
            default_root_dir=fit.folder,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(module, ckpt_path=str(last) if last.is_file() else None)
    if trainer.interrupted:  # Lightning ends a training on Ctrl-C as if it were finished
        raise KeyboardInterrupt


class _EpochEnds(Checkpoint):
    """Writes the checkpoint after each epoch, when the validation cases have been scored."""

    def __init__(self, last: Path, told: Callable[[int], None]) -> None:
        self._last, self._told = last, told

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write last.ckpt."""
        trainer.save_checkpoint(self._last)
        self._told(trainer.current_epoch)
