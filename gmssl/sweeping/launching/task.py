"""One run of a sweep as a task: it works on any machine that sees the folder, alone, and stops when its time is up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from gmssl.errors import GmsslError
from gmssl.sweeping.folder import SweepFolder
from gmssl.sweeping.launching.claim import alone
from gmssl.sweeping.process import WARNING
from gmssl.sweeping.reuse.digests import Digests
from gmssl.sweeping.reuse.program import Hardware
from gmssl.sweeping.reuse.taking import take_runs
from gmssl.sweeping.run import Ending, Work


@dataclass(frozen=True)
class Task:
    """Does a work; called by submitit.

    Attributes:
        work: the run.
        reuse: other sweeps that it may be taken from.
    """

    work: Work
    reuse: tuple[SweepFolder, ...]

    def __call__(self) -> Ending:
        """What was done, and why it failed."""
        import submitit

        _share_the_cores()
        environment = submitit.JobEnvironment()
        before = progress_of(self.work)
        try:
            with _stopped_by_signals(), alone(self.work.folder.claim(self.work.name), environment.job_id) as lock:
                return self._do(lock)
        except GmsslError as error:
            return "", str(error)
        except SystemExit as stopped:
            # One that got nowhere would be begun again for ever: it dies, and whoever sent it counts deaths.
            if stopped.code == 128 + WARNING and environment.cluster == "slurm" and progress_of(self.work) != before:
                with contextlib.suppress(OSError):
                    subprocess.run(["scontrol", "requeue", environment.job_id], check=False)
            raise

    def _do(self, lock: int) -> Ending:
        work, digests = self.work, Digests(self.work.folder, Hardware(1))
        taken = take_runs({work.name: work.recipe}, work.data, self.reuse, digests, _log) if self.reuse else {}
        return work.do(digests, lock, taken.get(work.name))


def progress_of(work: Work) -> object:
    """Differs when a run has come further: by a checkpoint, its end, or an evaluation."""
    found = []
    for path in [work.folder.run(work.name) / "last.ckpt", *(work.folder.evaluation(work.name, d) for d in work.data)]:
        try:
            found.append(path.stat().st_mtime_ns)
        except OSError:
            found.append(0)
    return work.done, found


def _log(line: str) -> None:
    """Where submitit keeps what a task says."""
    import submitit

    submitit.core.logger.get_logger().info(line)


def _share_the_cores() -> None:
    """Threads for the cores that SLURM gives, unless the user says how many; a task may see those of others, too."""
    given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    if given:
        os.environ.setdefault("OMP_NUM_THREADS", given)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """The warning and SIGTERM both let the training write a checkpoint, and end the task with 128 + their number.

    Only the first counts: a second one, such as SIGTERM after the warning, would kill the training while it writes.
    """

    def end(number: int, frame: FrameType | None) -> None:
        for each in (WARNING, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in (WARNING, signal.SIGTERM):
        signal.signal(number, end)
    yield
