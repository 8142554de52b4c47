"""The units of a store as tasks of a cluster: an array of jobs, sent by submitit, that outlives whoever sent it."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.corpus.build import LIVES, PLAN, WORK, Advance, Job, Launch, one_thread
from gmssl.corpus.plan import read_plan
from gmssl.corpus.recipe import corpus_of
from gmssl.errors import DataError, GmsslError
from gmssl.system.cluster.tasks import Cluster, refresh

if TYPE_CHECKING:
    import submitit

    from gmssl.system.cluster.tasks import Sent

PATIENCE = 10
"""Seconds that tasks have to end once there is nothing left to do for them."""


@dataclass(frozen=True)
class Task:
    """Does units one after the other, on any machine that sees the store; called by submitit."""

    settings: dict[str, object]
    folder: Path
    excluded: frozenset[str]
    numbers: tuple[int, ...]

    def __call__(self) -> GmsslError | OSError | None:
        """What the user can mend, if anything."""
        import submitit

        # A task that is warned goes on until it is killed, since files appear whole. submitit would raise an error in
        # the middle of whatever is being read, which a reader may take for one of its file; and it ignores SIGTERM.
        signal.signal(getattr(signal, f"SIG{submitit.JobEnvironment.USR_SIG}"), signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        one_thread()
        try:
            job = Job(corpus_of(self.settings), self.folder, read_plan(self.folder / WORK / PLAN), self.excluded)
            for number in self.numbers:
                if number in job.open():
                    job.build(number)
        except (GmsslError, OSError) as error:
            return error
        return None


def launching(cluster: Cluster) -> Launch:
    """What does units as tasks of a cluster; used in place of `gmssl.corpus.build.run`.

    Tasks that an earlier process has sent go on, and are waited for.

    Raises:
        DataError: a task met what only the user can mend, or tasks died again and again over the same unit.
        OSError: the machine is at fault.
    """

    def launch(job: Job, numbers: Sequence[int], jobs: int, advance: Advance) -> None:
        advance(len(job.plan.units) - len(numbers), len(job.plan.units))
        if numbers:
            _launch(cluster, job, jobs, advance)

    return launch


def _launch(cluster: Cluster, job: Job, jobs: int, advance: Advance) -> None:
    folder = (job.folder / WORK / "jobs" / cluster.name).absolute()
    running = {task: _share(task) for task in cluster.sent_before(folder)}
    executor = cluster.executor(folder)
    deaths: Counter[int] = Counter()
    start = time.monotonic()
    try:
        while True:
            alive = cluster.alive(running)  # before the files: who is gone by now has written all it will
            refresh(folder, job.folder / WORK, job.folder)
            left = set(job.open())
            advance(len(job.plan.units) - len(left), len(job.plan.units))
            if not left:
                break
            for task in [task for task in running if task.job_id not in alive]:
                _bury(job, task, left.intersection(running.pop(task)), deaths)
            spare = sorted(left.difference(*running.values()))
            running |= _send(cluster, executor, job, spare, max(1, jobs - len(running)))
            time.sleep(min(30, 0.5 + (time.monotonic() - start) / 20))
    except BaseException:
        cluster.cancel(running, PATIENCE)
        raise
    if not cluster.gone(running, PATIENCE):
        cluster.cancel(running, PATIENCE)


def _share(task: Sent) -> tuple[int, ...]:
    """The units of a task that another process has sent."""
    sent = task.submission().function
    assert isinstance(sent, Task)
    return sent.numbers


def _send(
    cluster: Cluster, executor: submitit.Executor, job: Job, numbers: Sequence[int], jobs: int
) -> dict[Sent, tuple[int, ...]]:
    """Send units as an array of at most so many tasks; task k does the k-th unit and every `jobs`-th after it."""
    if not numbers:
        return {}
    shares = [tuple(numbers[k::jobs]) for k in range(min(jobs, len(numbers)))]
    settings = job.corpus.model_dump(mode="json")
    tasks = [Task(settings, job.folder.absolute(), job.excluded, share) for share in shares]
    return dict(zip(cluster.send(executor, tasks), shares, strict=True))


def _bury(job: Job, task: Sent, left: set[int], deaths: Counter[int]) -> None:
    """Raise what a task that is over could not mend; count its death, if it was killed before its units were done."""
    if task.paths.result_pickle.exists():
        if fault := task.result():
            raise fault
    elif left:
        number = min(left)  # the one that it was doing
        deaths[number] += 1
        if deaths[number] > LIVES:
            raise DataError(
                f"the task that read {job.named(number)} was killed {LIVES + 1} times, perhaps for want of memory or "
                f"time; it says why in {task.paths.stderr}. What is done is kept; run the same command again with "
                "more of both, as --launch mem_gb=16 --launch timeout_min=600, a smaller shard, or without these files."
            )
