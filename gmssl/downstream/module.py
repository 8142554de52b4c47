"""The Lightning module around a task's network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule

from gmssl.downstream.examples import learnt_from, prediction_loader, training_loader
from gmssl.downstream.recipe import Training
from gmssl.downstream.splitting import Parts
from gmssl.errors import TrainingError
from gmssl.interfaces.task import Opened, Scores, Scoring

_SEEDS = 2**31


class TaskModule(LightningModule):
    """Trains a network for a task, and remembers the epoch that was best on the validation cases.

    Attributes:
        network: what is trained.
        history: a row for each epoch: its number, the mean training loss, and the scores of the validation cases.
        best: weights of the best epoch, without those that never train; None before the first epoch has ended.
    """

    def __init__(self, network: torch.nn.Module, opened: Opened, training: Training, parts: Parts, seed: int) -> None:
        super().__init__()
        self.network, self.history = network, list[dict[str, Any]]()
        self.best: dict[str, torch.Tensor] | None = None
        self._opened, self._training, self._parts, self._seed = opened, training, parts, seed
        self._examples = opened.training(parts.train, seed)
        self._losses: list[torch.Tensor] = []
        self._scoring: Scoring | None = None
        self._steps = max(1, -(-len(learnt_from(self._examples, 0, training.batch)) // training.batch))

    def train_dataloader(self) -> Any:
        """Batches of the epoch that begins."""
        training = self._training
        return training_loader(self._opened, self._examples, self.current_epoch, training.batch, training.workers)

    def val_dataloader(self) -> Any:
        """Batches of the validation cases."""
        return prediction_loader(self._opened, self._parts.validation, self._training.batch, self._training.workers)

    def configure_optimizers(self) -> Any:
        """The optimiser with a learning rate for each layer, and the schedule, a step at a time."""
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        if not weights:
            return None
        optimiser = self._training.optimiser.build(weights)
        if self._training.layer_decay is not None:
            _decay(optimiser, self.network.backbone, self._training.layer_decay)  # type: ignore[arg-type]
        steps = self._steps * self._training.epochs

        def factor(step: int) -> float:
            return self._training.schedule.factor(min(step, steps - 1), steps, self._steps)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Seed dropout and the like, so that an epoch is the same whether or not the run was interrupted before it."""
        torch.manual_seed((self._seed * 1_000_003 + self.current_epoch) % _SEEDS)
        self._losses = []

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        """The loss of a batch; a run with a loss that is not finite ends."""
        loss: torch.Tensor = self.network.loss(batch)  # type: ignore[operator, union-attr]
        if not loss.isfinite():
            raise TrainingError(
                f"the loss is {loss.item()} in epoch {self.current_epoch}, batch {index} (seed {self._seed}). Set a "
                "smaller training.optimiser.learning_rate, or training.clip."
            )
        self._losses.append(loss.detach())
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begin to score anew."""
        self._scoring = self._opened.scoring(self._parts.validation, only_main=True)

    def validation_step(self, batch: Any, index: int) -> None:
        """Score a batch."""
        assert self._scoring is not None
        self._scoring.add(batch, self.network.predict(batch))  # type: ignore[operator, union-attr]

    def on_validation_epoch_end(self) -> None:
        """Keep the weights if the validation cases were never predicted better."""
        assert self._scoring is not None
        self._ended(self._opened.summarise(self._scoring.rows()))

    def on_train_epoch_end(self) -> None:
        """Without validation, the last epoch counts."""
        if not self._parts.validation:
            self._ended({})

    def _ended(self, scores: Scores) -> None:
        value = scores.get(self._opened.metric)
        former = [row["scores"].get(self._opened.metric) for row in self.history]
        known = [other for other in former if other is not None]
        sign = 1 if self._opened.higher_is_better else -1
        better = value is not None and all(sign * value > sign * other for other in known)
        last = self._training.keep == "last" or not self._parts.validation
        if better or last or self.best is None:
            self.best = {key: value.detach().cpu().clone() for key, value in self.learnt().items()}
        loss = float(torch.stack(self._losses).mean()) if self._losses else None
        self.history.append({"epoch": self.current_epoch, "loss": loss, "scores": scores})

    def learnt(self) -> dict[str, torch.Tensor]:
        """Weights that train, and all buffers but those of modules none of whose weights train."""
        state = self.network.state_dict()
        idle = {name for name, weight in self.network.named_parameters() if not weight.requires_grad}
        for name, module in self.network.named_modules():
            own = list(module.parameters())
            if own and not any(weight.requires_grad for weight in own):
                idle |= {f"{name}.{key}" if name else key for key, _ in module.named_buffers()}
        return {key: value for key, value in state.items() if key not in idle}

    def restore(self, weights: dict[str, torch.Tensor]) -> None:
        """Load what `learnt` gave; the other weights stay as they were built."""
        self.network.load_state_dict({**self.network.state_dict(), **weights})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a run goes on from, and leave out weights that never change."""
        kept = {f"network.{key}" for key in self.learnt()}
        checkpoint["state_dict"] = {key: value for key, value in checkpoint["state_dict"].items() if key in kept}
        checkpoint["downstream"] = {"history": self.history, "best": self.best}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        self.history, self.best = checkpoint["downstream"]["history"], checkpoint["downstream"]["best"]
        state = {f"network.{key}": value for key, value in self.network.state_dict().items()}
        checkpoint["state_dict"] = {**state, **checkpoint["state_dict"]}


def _decay(optimiser: torch.optim.Optimizer, backbone: Any, decay: float) -> None:
    """Multiply the learning rate of layer l of L by decay^(L−l), and leave that of the head."""
    layers: Sequence[Sequence[torch.nn.Parameter]] = backbone.layers()
    depth = {id(weight): len(layers) - number for number, layer in enumerate(layers) for weight in layer}
    groups = []
    for group in optimiser.param_groups:
        by_depth: dict[int, list[torch.nn.Parameter]] = {}
        for weight in group["params"]:
            by_depth.setdefault(depth.get(id(weight), 0), []).append(weight)
        for layer, weights in by_depth.items():
            groups.append({**group, "params": weights, "lr": group["lr"] * decay**layer})
    optimiser.param_groups[:] = groups
