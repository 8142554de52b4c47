"""Where tasks run: on a SLURM cluster, or as submitit's processes of this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from gmssl.errors import DataError

if TYPE_CHECKING:
    import submitit

    from gmssl.errors import GmsslError

    Sent = submitit.Job[GmsslError | OSError | None]

_DEFAULTS = {"name": "gmssl", "timeout_min": 240}
_PROGRAMS = ("sbatch", "srun", "squeue", "scancel")
_OVER = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}
_OVER |= {"REVOKED", "TIMEOUT"}
_PATIENCE = 10
"""Seconds that tasks have to end once there is nothing left to do for them."""


@dataclass(frozen=True)
class Cluster:
    """Where tasks run, and what each of them gets.

    Attributes:
        name: `slurm`, or `local` for submitit's processes on this machine.
        parameters: of each task, as `submitit.AutoExecutor.update_parameters` takes them.
    """

    name: str
    parameters: Mapping[str, object]

    def executor(self, folder: Path) -> submitit.Executor:
        """What sends tasks; their files lie in the folder.

        Raises:
            DataError: submitit or SLURM is missing, or a parameter is wrong.
        """
        try:
            import submitit
        except ImportError:
            raise DataError(f'--launcher {self.name} needs submitit; run `pip install "gmssl[med]"`.') from None
        lacking = [program for program in _PROGRAMS if self.name == "slurm" and shutil.which(program) is None]
        if lacking:
            raise DataError(
                f"--launcher slurm needs the programs of SLURM, and there is no {lacking[0]}. Run the command where "
                "jobs are sent from, or leave --launcher out to build with the processes of this machine."
            )
        executor = submitit.AutoExecutor(folder, cluster=self.name)
        for name, value in {**_DEFAULTS, **self.parameters}.items():
            try:
                executor.update_parameters(**{name: value})
            except NameError as error:
                raise DataError(_unknown(name, str(error))) from None
            except (AssertionError, TypeError, ValueError) as error:
                raise DataError(f"--launch {name}={value}: {error}") from None
        return executor

    def alive(self, tasks: Iterable[Sent]) -> set[str]:
        """Numbers of the tasks that wait or run; all of them where SLURM does not answer.

        Asked of squeue, which also clusters without accounting have; submitit asks sacct.
        """
        if self.name != "slurm":
            return {task.job_id for task in tasks if not task.done()}
        command = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i %T"]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if told.returncode:
            return {task.job_id for task in tasks}
        lines = [line.split() for line in told.stdout.splitlines()]
        return {number for number, state in lines if state not in _OVER}

    def cancel(self, tasks: Iterable[Sent]) -> None:
        """Stop tasks, and wait a little until they are gone."""
        alive = self.alive(tasks)
        left = [task for task in tasks if task.job_id in alive]
        if left and self.name == "slurm":
            arrays = sorted({task.job_id.partition("_")[0] for task in left})
            subprocess.run(["scancel", *arrays], capture_output=True, check=False)
        else:
            for task in left:
                task.cancel(check=False)
        self.gone(left)

    def gone(self, tasks: Iterable[Sent]) -> bool:
        """Wait a little until tasks are gone; whether they are."""
        end = time.monotonic() + _PATIENCE
        while alive := {task.job_id for task in tasks} & self.alive(tasks):
            if time.monotonic() > end:
                break
            time.sleep(0.5)
        return not alive

    def sent_before(self, folder: Path) -> list[Sent]:
        """Tasks that a killed process has sent and that are not over; only SLURM can tell."""
        import submitit

        if self.name != "slurm":  # tasks are called by numbers of processes, which come again: forget what they said
            shutil.rmtree(folder, ignore_errors=True)
            return []
        tasks = [submitit.SlurmJob(folder, number) for number in sorted(self.alive(()))]  # type: ignore[var-annotated]
        return [task for task in tasks if task.paths.submitted_pickle.exists()]


def cluster_with(name: str, given: Sequence[str]) -> Cluster:
    """A cluster with parameters in the form KEY=VALUE.

    Raises:
        DataError: as in `Cluster.executor`.
    """
    parameters: dict[str, object] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or key.removeprefix("slurm_") in ("nodes", "tasks_per_node", "ntasks_per_node"):
            why = "is not of the form KEY=VALUE" if not equals else "is no choice: a task is one process"
            raise DataError(f"--launch {text} {why}. Write, for instance, timeout_min=240 or slurm_partition=cpu.")
        try:
            parameters[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            parameters[key] = value
    found = Cluster(name, parameters)
    with tempfile.TemporaryDirectory() as folder:
        found.executor(Path(folder))  # faults are told before archives are listed, which may take an hour
    return found


def _unknown(name: str, told: str) -> str:
    valid = re.search(r"Valid arguments: (.*)", told)
    slurm = f" Those of SLURM are: {', '.join(sorted(valid[1].split(', ')))}." if valid else ""
    return (
        f"--launch {name}: submitit knows no such parameter. For all launchers there are timeout_min, mem_gb, "
        f"cpus_per_task, gpus_per_node and name; those of sbatch begin with slurm_, as slurm_partition=cpu.{slurm}"
    )
