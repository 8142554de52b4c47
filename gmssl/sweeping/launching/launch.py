"""Sends the runs of a sweep, waits for them, and sends again what a killed task left."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.errors import DataError, TrainingError
from gmssl.sweeping.folder import SweepFolder
from gmssl.sweeping.launching.task import Task, progress_of
from gmssl.sweeping.run import NOTHING, Ending, Launch, Plan, Work, refuse_at_work
from gmssl.system.cluster.tasks import OVER, Cluster, refresh

if TYPE_CHECKING:
    from gmssl.system.cluster.tasks import Sent

LIVES = 3
"""Tasks that may die one after the other over a run that comes no further."""
_PATIENCE = 60
"""Seconds that tasks have to write their checkpoints when the sweep is stopped."""
_MOST = 1000
"""Tasks of an array; SLURM takes no more, unless its administrator says so."""


def launching(cluster: Cluster) -> Launch:
    """What does runs as tasks of a cluster, for `gmssl.sweeping.run.run_sweep`.

    Tasks that an earlier process has sent go on, and are waited for.

    Raises:
        DataError: SLURM refuses the tasks, or does not answer where some may be at work.
        TrainingError: tasks are at work that this version cannot read.
    """

    def launch(
        plan: Plan, jobs: int, reuse: Sequence[SweepFolder], started: Callable[[str], None]
    ) -> Generator[tuple[int, Ending], None, None]:
        if not cluster.queues:
            refuse_at_work(plan.folder)
        array = _Array(cluster, plan.folder.tasks(cluster.name).absolute(), plan.works, jobs, tuple(reuse), started)
        return array.endings()

    return launch


class _Array:
    """The works of a sweep, by their places, and the tasks that do them."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        works: Sequence[Work],
        jobs: int,
        reuse: tuple[SweepFolder, ...],
        started: Callable[[str], None],
    ) -> None:
        self._cluster, self._folder, self._works = cluster, folder, works
        self._jobs, self._reuse, self._started = jobs, reuse, started
        self._running: dict[Sent, int] = {}
        self._begun: set[int] = set()
        self._open: list[int] = []
        self._deaths: Counter[int] = Counter()
        self._marks: dict[int, object] = {}

    def endings(self) -> Generator[tuple[int, Ending], None, None]:
        """The place of each work that has ended, and what came of it."""
        start = time.monotonic()
        try:
            self._running = self._sent_before()
            adopted = set(self._running.values())
            executor = self._cluster.executor(self._folder)
            for at, work in enumerate(self._works):
                self._marks[at] = progress_of(work)
                if at not in adopted and work.done:
                    yield self._ended(at, (NOTHING, None))
                elif at not in adopted:
                    self._open.append(at)
            while self._open or self._running:
                share = self._share()
                calls = [Task(self._works[at], self._reuse) for at in share]
                self._running |= dict(zip(self._cluster.send(executor, calls, self._jobs), share, strict=True))
                self._open = [at for at in self._open if at not in share]
                time.sleep(min(30, 0.5 + (time.monotonic() - start) / 20))
                yield from self._over()
        except BaseException:
            with contextlib.suppress(DataError, TrainingError):  # SLURM may have taken tasks that are not known yet
                self._running |= self._sent_before() if self._cluster.queues else {}
            self._cluster.cancel(self._running, _PATIENCE)
            raise

    def _share(self) -> list[int]:
        """What is sent next: all of it, where nobody works, to wait in the queue; else what there is room for."""
        room = max(0, self._jobs - len(self._running))
        return self._open[: _MOST if self._cluster.queues and not self._running else room]

    def _over(self) -> Generator[tuple[int, Ending], None, None]:
        """The endings since the last call; what died is open again."""
        states = self._cluster.states(self._running)  # before the files: who is gone by now has written all it will
        folder = self._works[0].folder
        refresh(self._folder, *(folder.run(self._works[at].name) for at in self._running.values()))
        for task, at in list(self._running.items()):
            state = states.get(task.job_id, "")
            if state == "RUNNING" and at not in self._begun:
                self._begin(at)
            if state and state not in OVER:
                continue
            ending = self._ending(task, at, state)
            del self._running[task]
            self._cluster.forget(task)
            if ending is None or (ending[1] is None and not self._works[at].done):
                self._open.append(at)  # the task of a killed sweep may have been asked for fewer evaluations
            else:
                yield self._ended(at, ending)

    def _ending(self, task: Sent, at: int, state: str) -> Ending | None:
        """What came of a work; None if it is to be tried again, because its task died."""
        if task.paths.result_pickle.exists():
            fault = task.exception()
            if fault is not None:
                return "", f"{str(fault).strip().splitlines()[-1]} (in {task.paths.stderr})"
            done, why = task.result()
            return done, why
        told = f"see {task.paths.stderr}"
        # SLURM forgets a task of an array that is cancelled while it waits; one that has begun has a log.
        if state == "CANCELLED" or (self._cluster.queues and not state and not task.paths.stdout.exists()):
            return "", f"its task {task.job_id} was cancelled; {told}"
        if state == "OUT_OF_MEMORY":
            return "", f"its task {task.job_id} was killed for want of memory; give more, as --launch mem_gb=32; {told}"
        mark = progress_of(self._works[at])
        self._deaths[at] = self._deaths[at] + 1 if mark == self._marks[at] else 1
        self._marks[at] = mark
        if self._deaths[at] < LIVES:
            return None
        return "", (
            f"{LIVES} of its tasks died, and it came no further, perhaps for want of memory or time; give more, as "
            f"--launch mem_gb=32 --launch timeout_min=600; {told}"
        )

    def _begin(self, at: int) -> None:
        self._begun.add(at)
        self._started(self._works[at].name)

    def _ended(self, at: int, ending: Ending) -> tuple[int, Ending]:
        if at not in self._begun:
            self._begin(at)
        return at, ending

    def _sent_before(self) -> dict[Sent, int]:
        """Tasks of a killed sweep that wait or work, for works of this one; others are left to themselves."""
        places = {work.name: at for at, work in enumerate(self._works)}
        found = {}
        for task in self._cluster.sent_before(self._folder):
            try:
                sent = task.submission().function
                name = sent.work.name if isinstance(sent, Task) else ""
            except (AttributeError, ImportError, TypeError, ValueError) as error:
                raise TrainingError(
                    f"task {task.job_id} of SLURM was sent by another version of gmssl ({error}); wait until it has "
                    "ended, or stop it with scancel."
                ) from None
            if name in places:
                found[task] = places[name]
        return found
