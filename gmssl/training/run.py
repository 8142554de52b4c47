"""`train` turns a recipe into a run folder."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.errors import DataError, GmsslError, TrainingError
from gmssl.lazy import torch
from gmssl.recipe.recipe import Recipe
from gmssl.recipe.statistics import compared, resolved
from gmssl.system.cluster.steps import rank, refuse_other_number, tasks_of_step
from gmssl.system.files import replacing
from gmssl.system.table import Table
from gmssl.system.workers import FAULTS, limit_met
from gmssl.training.folder import FOLDER_VARIABLE, choose_folder, discard, make_folder, open_folder, rewind
from gmssl.training.model import make_objective
from gmssl.training.plan import Plan, make_plan

if TYPE_CHECKING:
    from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
    from lightning.pytorch import Callback, Trainer
    from lightning.pytorch.loggers import Logger as LightningLogger
    from rich.console import Console

    from gmssl.objective.objective import MatchingObjective
    from gmssl.training.module import MatchingModule

ENCODER_FILE = "encoder.safetensors"

_LAUNCHED = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
"""What Lightning tells the other processes of a run by, and leaves in the environment."""
_with_others: set[str] = set()
"""Those of them that a run of this process has made."""


def train(recipe: Recipe, name: str, out: Path | None, resume: Path | None, console: Console) -> Path:
    """Run a training, or continue one.

    Args:
        recipe: what to do; with `resume` the run's own recipe counts, and differences are named.
        name: name of the recipe, for the default folder `runs/<name>/<time>`.
        out: run folder, new or empty; None for the default.
        resume: run folder to continue.
        console: where progress, warnings and the summary are shown.

    Returns:
        The run folder.

    Raises:
        GmsslError: a fault the user can mend; if it is known before the first step, no folder is left behind.
        SystemExit: with 128 + signal number after SIGTERM, SIGINT or SIGUSR2; a checkpoint was written.
    """
    if rank() > 0:
        from rich.console import Console as RichConsole

        console = RichConsole(quiet=True)
    step = None
    recipe = resolved(recipe)
    if resume is not None:
        recipe = open_folder(resume, recipe, console)
        step = _step_of(resume, console)
    refuse_other_number(recipe.train.devices, recipe.train.nodes)
    _refuse_second(recipe.train.devices)
    plan = make_plan(recipe)
    folder = resume if resume is not None else choose_folder(name, out)
    if step is not None and step >= plan.steps and (folder / ENCODER_FILE).is_file():
        console.print(f"{folder} is finished: all {plan.steps} steps are done.", markup=False, soft_wrap=True)
        return folder
    objective = make_objective(recipe)
    _tell_weights(recipe, objective, console)
    if rank() == 0 and resume is None:
        numbered = out is None and FOLDER_VARIABLE not in os.environ
        folder = make_folder(folder, recipe, objective.encoder, numbered)
    elif rank() == 0:
        rewind(folder, -1 if step is None else step)
    try:
        module = _fit(recipe, plan, objective, folder, step, console)
    except GmsslError:
        if rank() == 0 and resume is None:
            discard(folder)
        raise
    if rank() > 0:
        raise SystemExit(0)  # the rest of the program is for the first rank
    save_encoder(module.objective, folder / ENCODER_FILE)
    _summarise(folder, plan, console)
    return folder


def _tell_weights(recipe: Recipe, objective: MatchingObjective, console: Console) -> None:
    """Tell what the encoder begins with, and which settings contradict what it was trained with."""
    loaded = getattr(objective.encoder, "loaded", None)
    known, told = compared(recipe.views, recipe.encoder)
    if loaded is not None:
        comparable = known is not None and recipe.views.statistics(recipe.encoder.in_channels) is not None
        like = f"; images are normalised as for {known.source}" if known and comparable and not told else ""
        console.print(f"encoder: {loaded}{like}", markup=False, soft_wrap=True, highlight=False)
    for difference in told:
        console.print(f"warning: {difference}", style="yellow", markup=False, soft_wrap=True)


def save_encoder(objective: MatchingObjective, path: Path) -> None:
    """Write the bare network's weights under timm's names, for `load_state_dict(..., strict=True)`; atomic."""
    from safetensors.torch import save

    network = objective.encoder.network
    assert isinstance(network, torch.nn.Module)
    weights = {key: value.detach().cpu().clone().contiguous() for key, value in network.state_dict().items()}
    try:
        with replacing(path) as file:
            file.write(save(weights))
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be written ({error}); make space, then --resume {path.parent} writes it from last.ckpt."
        ) from None


def _step_of(run: Path, console: Console) -> int | None:
    """The optimiser step that a run is resumed at; None if it was stopped before its first checkpoint."""
    from gmssl.training.saved import read_checkpoint

    last = run / "last.ckpt"
    if not last.is_file() and not (run / "checkpoints").exists() and not (run / ENCODER_FILE).is_file():
        console.print(f"{run} has no checkpoint yet; it starts over.", markup=False, soft_wrap=True)
        return None
    return int(read_checkpoint(last)["global_step"])


def _fit(
    recipe: Recipe, plan: Plan, objective: MatchingObjective, folder: Path, step: int | None, console: Console
) -> MatchingModule:
    from gmssl.training.checkpoints import RunCheckpoints
    from gmssl.training.datamodule import TrainingData
    from gmssl.training.loggers import started_loggers
    from gmssl.training.module import MatchingModule
    from gmssl.training.quiet import quiet

    train = recipe.train
    checkpoints = RunCheckpoints(folder, train.checkpoint_every, train.keep_every, train.accumulate)
    module = MatchingModule(recipe, objective, plan, checkpoints.last)
    with quiet(), started_loggers(recipe, folder, step, console) as loggers:
        callbacks = [*_callbacks(recipe, plan, folder, console), checkpoints]
        trainer = _trainer(recipe, plan, folder, callbacks, loggers)
        os.environ[FOLDER_VARIABLE] = str(folder.absolute())  # for the processes that DDP starts
        before = {name: os.environ.get(name) for name in _LAUNCHED}
        try:
            path = None if step is None else str(checkpoints.last)
            trainer.fit(module, datamodule=TrainingData(recipe, plan), ckpt_path=path)
            _leave()
        except BaseException as error:
            _end_other_ranks(trainer, module, error)
            cleaned = _of_worker(error)
            if cleaned is not error:
                raise cleaned from error
            raise
        finally:
            del os.environ[FOLDER_VARIABLE]
            _restore(before)
    return module


def _refuse_second(devices: int) -> None:
    """The other processes of a run begin the program anew, so that they would train its first run again."""
    if devices > 1 and _with_others:
        raise TrainingError(
            f"train.devices is {devices}, and this program has trained with several processes before. Start a program "
            "for each such run, as `gmssl train` or `gmssl sweep` does."
        )


def _leave() -> None:
    """End the group of processes, so that what this one does next waits for none of them."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _restore(before: Mapping[str, str | None]) -> None:
    """The environment as it was, so that what this process starts later is not taken for a part of its run."""
    for name, value in before.items():
        if value is None and os.environ.pop(name, None) is not None:
            _with_others.add(name)
        elif value is not None:
            os.environ[name] = value


def _callbacks(recipe: Recipe, plan: Plan, folder: Path, console: Console) -> list[Callback]:
    """The callbacks in the order of their work after a step; the checkpoint comes last and finds all rows written."""
    from gmssl.training.epochs import EpochStart
    from gmssl.training.metrics import Metrics
    from gmssl.training.pictures import Pictures
    from gmssl.training.probing import KnnProbe
    from gmssl.training.progress import RunProgress
    from gmssl.training.unreadable import Unreadable

    metrics = Metrics(recipe, folder, console)
    channels, batch = recipe.encoder.in_channels, recipe.train.batch
    callbacks: list[Callback] = [
        EpochStart(recipe, len(plan.images), console),
        metrics,
        Unreadable(folder, plan.images, channels, recipe.data.max_unreadable, batch, plan.steps),
        Pictures(recipe, plan, folder),
        RunProgress(console, metrics, plan),
    ]
    if recipe.probe is not None:
        callbacks.insert(3, KnnProbe(recipe, plan, folder, console))
    return callbacks


def _trainer(
    recipe: Recipe, plan: Plan, folder: Path, callbacks: list[Callback], loggers: list[LightningLogger]
) -> Trainer:
    from lightning.pytorch import Trainer
    from lightning.pytorch.strategies import DDPStrategy

    from gmssl.training.checkpoints import AtomicCheckpointIO

    train = recipe.train
    gpu = plan.accelerator == "gpu"
    return Trainer(
        accelerator=plan.accelerator,
        devices=train.devices // train.nodes,
        num_nodes=train.nodes,
        # The other ranks wait while the first one probes, which may take longer than torch's half hour.
        strategy=DDPStrategy(timeout=timedelta(hours=12)) if train.devices > 1 else "auto",
        precision="bf16-mixed" if train.precision == "bfloat16" else "32-true",
        max_epochs=plan.epochs,
        accumulate_grad_batches=train.accumulate,
        gradient_clip_val=train.clip,
        sync_batchnorm=train.sync_batch_norm and gpu and train.devices > 1,
        use_distributed_sampler=False,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), *_cluster(recipe)],
        logger=loggers,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


def _cluster(recipe: Recipe) -> list[ClusterEnvironment]:
    """Within a job of SLURM, who starts the processes; Lightning would ask the job, which may have others.

    A run of one task, such as that of a sweep, starts its further processes itself, as everywhere.
    """
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if "SLURM_NTASKS" not in os.environ or TorchElasticEnvironment.detect():
        return []
    if tasks_of_step() == 1:
        return [LightningEnvironment()]
    devices, nodes = recipe.train.devices, recipe.train.nodes
    step = {"SLURM_NTASKS": devices, "SLURM_NTASKS_PER_NODE": devices // nodes, "SLURM_NNODES": nodes}
    os.environ.update({name: str(number) for name, number in step.items()})
    return [SLURMEnvironment(auto_requeue=False)]  # a checkpoint is written where other signals ask for it


def _end_other_ranks(trainer: Trainer, module: MatchingModule, error: BaseException) -> None:
    """If all ranks stop for one reason, the first one speaks for all; else the others would wait for it for ever."""
    if rank() > 0:
        if module.agreed and isinstance(error, GmsslError | SystemExit):
            raise SystemExit(0) from None
        return
    launcher = trainer.strategy.launcher
    if launcher is not None and hasattr(launcher, "kill") and not module.agreed:
        launcher.kill(signal.SIGKILL)


def _of_worker(error: BaseException) -> BaseException:
    """The message without the traceback of a loader's worker, which torch puts into it and users do not need."""
    _, caught, text = str(error).rpartition(f"{DataError.__module__}.DataError: ")
    if caught and isinstance(error, DataError):
        return DataError(text.strip())
    told = limit_met(error) if isinstance(error, FAULTS) else None
    return error if told is None else TrainingError(told)


def _summarise(folder: Path, plan: Plan, console: Console) -> None:
    from rich.table import Table as RichTable

    shown = RichTable(title=f"{plan.steps} steps done", show_header=False, title_justify="left")
    shown.add_column()
    shown.add_column(overflow="fold")  # a path must stay whole, to be copied
    probed, metrics, timing = (Table(folder / f"{name}.csv") for name in ("probe", "metrics", "timing"))
    if probed.rows():
        accuracy = probed.numbers("knn_accuracy")
        shown.add_row("kNN accuracy, untrained encoder", f"{accuracy[0]:.1%}")
        shown.add_row("kNN accuracy, trained encoder", f"{accuracy[-1]:.1%}")
    if metrics.rows():
        last = metrics.rows()[-1]
        chance = float(last["match_accuracy_chance"]) if last.get("match_accuracy_chance") else None
        text = f"{float(last['match_accuracy_noiseless']):.1%}"
        shown.add_row("match accuracy without noise", text + (f" (chance {chance:.1%})" if chance is not None else ""))
    rows = timing.rows()
    if rows:
        images = sum(float(row["images_per_second"]) * float(row["seconds"]) for row in rows)
        shown.add_row("images per second", f"{images / sum(float(row['seconds']) for row in rows):.0f}")
    shown.add_row("encoder", str(folder / ENCODER_FILE))
    shown.add_row("curves", str(folder / "curves.png"))
    shown.add_row("matched graphs", str(folder / "matched.png"))
    console.print(shown)
