"""The Lightning module: one training step, its randomness, its clock, and the refusal of non-finite numbers."""

from __future__ import annotations

import math
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import distributed

from gmssl.errors import ProblemError, TrainingError
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.matcher import Step
from gmssl.objective.objective import MatchingObjective
from gmssl.recipe.recipe import Recipe
from gmssl.system.clock import StageClock
from gmssl.training.datamodule import Packed
from gmssl.training.model import reseed
from gmssl.training.plan import Plan

REMEDY = "Lower optimiser.learning_rate, set train.clip, or use train.precision float32; then resume or start anew."


class MatchingModule(LightningModule):
    """Feeds batches to a `MatchingObjective`; callbacks read what a step left here.

    Attributes:
        objective: the model.
        step: the step of the last forward pass.
        clock: seconds in each stage since the last row of timing.csv.
        losses: losses of the forward passes since the last optimiser step.
        gradient_norm: norm of the gradient of all weights before clipping, at the last optimiser step.
        unreadable: indices of unreadable images that this rank has met since they were last collected.
        signal: number of the signal that asks the run to stop, 0 if none; `stopping` says all ranks know of it.
        agreed: whether all ranks stop for the same reason, so that none has to be killed.
    """

    def __init__(self, recipe: Recipe, objective: MatchingObjective, plan: Plan, last: Path) -> None:
        super().__init__()
        self.objective = objective
        self.step: Step | None = None
        self.losses: list[torch.Tensor] = []
        self.gradient_norm = 0.0
        self.unreadable: set[int] = set()
        self.signal = 0
        self.stopping = 0
        self.agreed = False
        self.clock = StageClock(torch.cuda.synchronize if plan.accelerator == "gpu" else None)
        self._recipe, self._plan, self._last = recipe, plan, last
        self._marks: dict[str, float] = {}

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser, its learning rate scaled by the recipe's schedule at every optimiser step."""
        optimiser = self._recipe.optimiser.build(p for p in self.parameters() if p.requires_grad)
        schedule, plan = self._recipe.schedule, self._plan
        rate = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: schedule.factor(step, plan.steps, plan.steps_per_epoch)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

    def is_logged(self, step: int) -> bool:
        """Whether metrics are taken at this step (counted from 1): each `log_every`-th, and the last of each epoch."""
        plan = self._plan
        return step % self._recipe.train.log_every == 0 or step % plan.steps_per_epoch == 0 or step == plan.steps

    def on_train_start(self) -> None:
        """Start the clock."""
        self.mark("data")

    def on_train_epoch_start(self) -> None:
        """Start the time of waiting for data; probes and pictures come before, between two epochs."""
        self.mark("data")

    def on_before_batch_transfer(self, batch: Packed, dataloader_idx: int) -> Packed:
        """Note unreadable images while their indices are still on the CPU."""
        self.count("data")
        self.unreadable.update(i for i in batch.views.unreadable.tolist() if i >= 0)
        return batch

    def transfer_batch_to_device(self, batch: Packed, device: torch.device, dataloader_idx: int) -> Packed:
        """The batch on the training device."""
        with self.clock.stage("data"):
            return Packed(batch.views.to(device, non_blocking=True))

    def on_after_batch_transfer(self, batch: Packed, dataloader_idx: int) -> Packed:
        """Colour, blur and normalisation, outside autocast: pixels stay float32."""
        with self.clock.stage("views"):
            return Packed(self._recipe.views.finish(batch.views))

    def training_step(self, batch: Packed, batch_idx: int) -> torch.Tensor:
        """The loss of one batch."""
        # Seeded by the place in the run, not by earlier draws: a resumed run draws what the whole one would.
        generator = reseed(self._recipe.seed, self.current_epoch, batch_idx, self.global_rank, self.device)
        loss, fault = self._loss(batch.views, generator)
        if self._any_rank_fails(loss is None or not bool(torch.isfinite(loss)), batch_idx):
            self.agreed = True
            where = f"in step {self.global_step + 1}, epoch {self.current_epoch}; {self._last_checkpoint()}"
            if fault is not None:
                raise ProblemError(f"{fault} This happened {where}.") from fault
            shown = "that of another rank" if loss is None or bool(torch.isfinite(loss)) else str(loss.item())
            raise TrainingError(f"the loss is not finite ({shown}) {where}. {REMEDY}")
        assert loss is not None
        self.losses.append(loss.detach())
        return loss

    def _loss(self, views: ViewBatch, generator: torch.Generator) -> tuple[torch.Tensor | None, ProblemError | None]:
        try:
            self.step = self.objective(views, generator, self.clock)
        except ProblemError as error:  # raised after all ranks know, or the others would wait for this one for ever
            return None, error
        return self.step.loss, None

    def _any_rank_fails(self, failed: bool, batch_idx: int) -> bool:
        """Tell all ranks of a failure or a signal, so that all of them meet it at the same step."""
        # Both in one message: each costs a round trip of all ranks at every step.
        flags = torch.tensor([int(failed), self.signal], device=self.device)
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        failures, self.stopping = flags.tolist()
        return bool(failures)

    def _last_checkpoint(self) -> str:
        if self._last.is_file():
            return f"the last good checkpoint is {self._last}"
        return "no checkpoint was written yet"

    def on_before_backward(self, loss: torch.Tensor) -> None:
        """Start the time of the backward pass."""
        self.mark("backward")

    def on_after_backward(self) -> None:
        """Split the time of backward into the estimator's and the rest."""
        self.count("backward")
        if self.step is not None:
            # The estimator solves within autograd's backward pass, between hooks; it measures itself.
            seconds = self.step.solution.backward.seconds
            self.clock.seconds["backward"] -= seconds
            self.clock.seconds["estimator"] += seconds

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Note the norm of the gradient before it is clipped; weights are never updated with a non-finite one.

        A finite loss can have an infinite gradient. Updated with it, the weights would be NaN when the next checkpoint
        overwrites the last good one. DDP has made the gradients equal by now, so all ranks stop together.
        """
        self.mark("optimiser")
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        self.gradient_norm = float(torch.nn.utils.get_total_norm(gradients))
        if not math.isfinite(self.gradient_norm):
            self.agreed = True
            raise TrainingError(
                f"the gradient is not finite ({self.gradient_norm}) in step {self.global_step + 1}, epoch "
                f"{self.current_epoch}; {self._last_checkpoint()}. {REMEDY}"
            )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update as Lightning does it, and take the time; the last step of the run ends the run.

        Lightning's own `max_steps` would treat every resumed run as one that stopped within an epoch.
        """
        super().optimizer_step(*args, **kwargs)
        self.count("optimiser")
        self.objective.follow((self.global_step + 1) / self._plan.steps)
        if self.global_step + 1 >= self._plan.steps:
            self.trainer.should_stop = True

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Start the time of waiting for data when the callbacks are done."""
        self.mark("data")

    def mark(self, stage: str) -> None:
        """Begin a stage that spans several hooks."""
        self.clock.synchronise()
        self._marks[stage] = perf_counter()

    def count(self, stage: str) -> None:
        """End the stage."""
        self.clock.synchronise()
        start = self._marks.pop(stage, None)
        if start is not None:
            self.clock.seconds[stage] += perf_counter() - start
