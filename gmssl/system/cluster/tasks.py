"""Where tasks run: on a SLURM cluster, or as submitit's processes of this machine."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmssl.errors import DataError

if TYPE_CHECKING:
    import submitit

    Sent = submitit.Job[Any]

_DEFAULTS = {"name": "gmssl", "timeout_min": 240}
_PROGRAMS = ("sbatch", "srun", "squeue", "scancel")
OVER = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}
OVER |= {"REVOKED", "TIMEOUT"}
"""States of tasks that do nothing any more, and will not begin again by themselves."""
_SUBMITTED = "_submitted.pkl"


@dataclass(frozen=True)
class Cluster:
    """Where tasks run, and what each of them gets.

    Attributes:
        name: `slurm`, or `local` for submitit's processes on this machine.
        parameters: of each task, as `submitit.AutoExecutor.update_parameters` takes them.
    """

    name: str
    parameters: Mapping[str, object]

    @property
    def queues(self) -> bool:
        """Whether tasks that are sent wait until there is room for them; else all of them begin at once."""
        return self.name == "slurm"

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
                "jobs are sent from, or leave --launcher out to work with the processes of this machine."
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

    def send(
        self, executor: submitit.Executor, calls: Sequence[Callable[[], object]], parallel: int | None = None
    ) -> list[Sent]:
        """Send calls as an array of tasks, of which so many run at a time, if `--launch` does not say otherwise.

        Raises:
            DataError: SLURM refuses them.
        """
        if not calls:
            return []
        if parallel is not None and "slurm_array_parallelism" not in self.parameters:
            executor.update_parameters(slurm_array_parallelism=parallel)
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # submitit prints there what the error says, too
                return executor.submit_array(calls)
        except RuntimeError as error:
            told = " ".join(str(error).split()).rstrip(".")
            raise DataError(f"the jobs were refused: {told}. Correct --launch, or send fewer --jobs.") from None

    def states(self, tasks: Iterable[Sent]) -> dict[str, str]:
        """Number of each task that waits, runs or has just ended → its state, as SLURM calls it.

        Asked of squeue, which also clusters without accounting have; submitit asks sacct. Where SLURM does not answer,
        nothing is known but that the given tasks may be there.
        """
        if self.name != "slurm":
            return {task.job_id: "COMPLETED" if task.done() else "RUNNING" for task in tasks}
        found = _states()
        return {task.job_id: "UNKNOWN" for task in tasks} if found is None else found

    def alive(self, tasks: Iterable[Sent]) -> set[str]:
        """Numbers of the tasks that wait or run; all of them where SLURM does not answer."""
        return {number for number, state in self.states(tasks).items() if state not in OVER}

    def cancel(self, tasks: Iterable[Sent], patience: float) -> None:
        """Stop tasks, and wait at most so many seconds until they are gone."""
        tasks = list(tasks)
        alive = self.alive(tasks)
        left = [task for task in tasks if task.job_id in alive]
        if left and self.name == "slurm":
            subprocess.run(["scancel", *sorted(task.job_id for task in left)], capture_output=True, check=False)
        else:
            for task in left:
                task.cancel(check=False)
        self.gone(left, patience)

    def gone(self, tasks: Iterable[Sent], patience: float) -> bool:
        """Wait at most so many seconds until tasks are gone; whether they are."""
        end = time.monotonic() + patience
        while alive := {task.job_id for task in tasks} & self.alive(tasks):
            if time.monotonic() > end:
                break
            time.sleep(0.5)
        return not alive

    def sent_before(self, folder: Path) -> list[Sent]:
        """Tasks that a killed process has sent and that are not over; only SLURM can tell.

        Raises:
            DataError: there may be some, and SLURM does not answer.
        """
        if self.name != "slurm":  # tasks are called by numbers of processes, which come again: forget what they said
            shutil.rmtree(folder, ignore_errors=True)
            return []
        import submitit

        return [submitit.SlurmJob(folder, number) for number in sorted(at_work(folder))]

    def forget(self, task: Sent) -> None:
        """A task is over: who looks for those of a killed process need not ask for it."""
        task.paths.submitted_pickle.unlink(missing_ok=True)


def at_work(folder: Path) -> set[str]:
    """Numbers of the tasks of SLURM that were sent from a folder and wait or run.

    Raises:
        DataError: there may be some, and SLURM does not answer.
    """
    sent = {path.name.removesuffix(_SUBMITTED) for path in folder.glob(f"*{_SUBMITTED}")}
    if not sent:
        return set()
    found = _states()
    if found is None:
        raise DataError(
            f"tasks of SLURM may be at work, sent from {folder}, and squeue does not answer. Run the command where "
            "squeue does; if there is no task any more, remove that folder."
        )
    return {number for number in sent if found.get(number, "COMPLETED") not in OVER}


def is_alive(number: str) -> bool:
    """Whether SLURM says that a task of this user waits or runs."""
    return (_states() or {}).get(number, "COMPLETED") not in OVER


def _states() -> dict[str, str] | None:
    """Of all tasks of this user; None where SLURM does not answer."""
    command = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i %T"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    if told.returncode:
        return None
    return {line.split()[0]: line.split()[1] for line in told.stdout.splitlines()}


def refresh(*folders: Path) -> None:
    """Make a network file system show which files are there now, and not some seconds ago."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.chmod(stat.S_IMODE(folder.stat().st_mode))


def _unknown(name: str, told: str) -> str:
    valid = re.search(r"Valid arguments: (.*)", told)
    slurm = f" Those of SLURM are: {', '.join(sorted(valid[1].split(', ')))}." if valid else ""
    return (
        f"--launch {name}: submitit knows no such parameter. For all launchers there are timeout_min, mem_gb, "
        f"cpus_per_task, gpus_per_node and name; those of sbatch begin with slurm_, as slurm_partition=cpu.{slurm}"
    )
