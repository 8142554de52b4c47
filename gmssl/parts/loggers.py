"""Loggers: TensorBoard, and the services that labs compare their runs in, Weights & Biases and MLflow.

The libraries of the services are optional: they are imported when a run starts, and `missing` says beforehand which one
to install. Lightning's own loggers talk to them.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from gmssl.interfaces.logger import LoggedRun, Logger, Started


class TensorBoard(Logger):
    """Event files for TensorBoard in the folder `tensorboard` of the run; nothing else is needed."""

    kind: ClassVar[str] = "tensorboard"

    def start(self, run: LoggedRun) -> Started:
        """Lightning's TensorBoardLogger."""
        from lightning.pytorch.loggers import TensorBoardLogger

        purge = run.step + 1 if run.step else None  # TensorBoard hides what a killed run wrote after its checkpoint
        return Started(
            TensorBoardLogger(run.folder, name="", version="tensorboard", default_hp_metric=False, purge_step=purge)
        )


class Wandb(Logger):
    """Weights & Biases, online or offline; a resumed run goes on under the same run id.

    The resolved recipe is the config of the run. Files lie in the folder `wandb` of the run folder; those of an offline
    run are sent later with `wandb sync`. Log in as W&B asks: `wandb login`, or WANDB_API_KEY.
    """

    kind: ClassVar[str] = "wandb"
    remedy: ClassVar[str] = (
        "Log in with `wandb login` or WANDB_API_KEY, set mode: offline, or take wandb out of `loggers`."
    )

    project: str | None = Field(None, min_length=1, description="none: WANDB_PROJECT, or gmssl")
    entity: str | None = Field(None, min_length=1, description="user or team; none: your default there")
    group: str | None = Field(None, min_length=1, description="runs that belong together")
    tags: tuple[str, ...] = ()
    name: str | None = Field(None, min_length=1, description="of the run; none: the last two parts of its folder")
    mode: Literal["online", "offline"] | None = Field(None, description="none: WANDB_MODE, or online")

    def missing(self) -> str | None:
        """The package wandb."""
        return _missing("wandb", "wandb")

    def start(self, run: LoggedRun) -> Started:
        """Begin a W&B run, or go on with it; Lightning's WandbLogger writes to it."""
        import wandb
        from lightning.pytorch.loggers import WandbLogger

        # Begun here and not by Lightning, which passes on settings that W&B has given up, and is warned for it.
        begun = wandb.init(
            project=self.project or os.environ.get("WANDB_PROJECT") or "gmssl",
            entity=self.entity,
            group=self.group,
            tags=list(self.tags) or None,
            name=self.name or run.name,
            mode=self.mode,
            dir=run.folder,
            id=run.identity.get("id"),
            resume="allow" if run.identity else None,
            config=dict(run.settings),
            # The terminal is ours: no banners between the progress bars, and no copies of them in W&B's log.
            settings=wandb.Settings(silent=True, console="off"),
        )
        begun.define_metric("trainer/global_step")
        begun.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        folder = Path(begun.dir).parent  # of what belongs to this run; `dir` is its part for files of the user
        where = f"send it with `wandb sync {folder}`" if begun.offline else str(begun.url)
        return Started(WandbLogger(experiment=begun), {"id": str(begun.id)}, where)

    def finish(self, started: Started, succeeded: bool) -> None:
        """Send what is left and end the run: a second training of this process would be logged to it otherwise."""
        started.logger.experiment.finish(exit_code=0 if succeeded else 1)  # type: ignore[attr-defined]


class Mlflow(Logger):
    """MLflow, on a server or in a local file; a resumed run goes on in the same MLflow run.

    The resolved recipe is logged as parameters, each with its path as name. Without a server, all runs that are started
    in a folder share its file `mlflow.db`; `mlflow ui` shows them.
    """

    kind: ClassVar[str] = "mlflow"
    remedy: ClassVar[str] = (
        "See that its server runs (tracking_uri, or MLFLOW_TRACKING_URI), or take mlflow out of `loggers`."
    )

    experiment: str = Field("gmssl", min_length=1)
    tracking_uri: str | None = Field(
        None, min_length=1, description="of the server; none: MLFLOW_TRACKING_URI, or the file mlflow.db"
    )
    name: str | None = Field(None, min_length=1, description="of the run; none: the last two parts of its folder")
    tags: dict[str, str] = Field(default_factory=dict)

    def missing(self) -> str | None:
        """The package mlflow, or the smaller mlflow-skinny; for the local file also SQLAlchemy."""
        return _missing("mlflow", "mlflow") or (None if self._server() else _missing("sqlalchemy", "mlflow"))

    def start(self, run: LoggedRun) -> Started:
        """Begin an MLflow run and log the recipe, or go on with it; Lightning's MLFlowLogger writes to it."""
        from lightning.pytorch.loggers import MLFlowLogger

        # A local file is kept as part of the identity: the run may be resumed from another folder.
        file = run.identity.get("store")
        server = None if file else self._server()
        if server is None:
            file = file or str(Path("mlflow.db").absolute())
        logger = MLFlowLogger(
            experiment_name=self.experiment,
            run_name=self.name or run.name,
            tracking_uri=server or f"sqlite:///{file}",
            tags=dict(self.tags),
            run_id=run.identity.get("run_id"),
        )
        client, run_id = logger.experiment, str(logger.run_id)
        if run.identity:
            client.update_run(run_id, status="RUNNING")
        else:
            logger.log_hyperparams(dict(run.settings))
        if server is None:
            return Started(logger, {"run_id": run_id, "store": str(file)}, f"run {run_id} in {file}")
        return Started(logger, {"run_id": run_id}, f"run {run_id} at {_without_password(server)}")

    def _server(self) -> str | None:
        return self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or None


def _missing(package: str, extra: str) -> str | None:
    if find_spec(package) is not None:
        return None
    return f"needs the package {package}, which is not installed; pip install 'gmssl[{extra}]'"


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
