"""Build a store: plan once, build what is missing with a pool of processes, and finish."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gmssl.corpus.finish import Report, finish, read_report
from gmssl.corpus.plan import Plan, Told, digest_of, make_plan, read_plan
from gmssl.corpus.pseudonyms import pseudonyms
from gmssl.corpus.recipe import Corpus, corpus_of
from gmssl.corpus.unit import build_unit
from gmssl.errors import DataError
from gmssl.parts.data.store import HEADER, read_header
from gmssl.system.exclusions import read_exclusions
from gmssl.system.files import alone_in

WORK = ".build"
"""Folder within a store that is being built: the plan, and what became of each unit."""
PLAN = "plan.jsonl"
LIVES = 2
"""How often a unit may take its worker with it before it is given up."""

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """A store that is being built.

    Attributes:
        corpus: what it is built from.
        folder: of the store.
        plan: which of its files holds what.
        excluded: fingerprints of pixels that are left out.
    """

    corpus: Corpus
    folder: Path
    plan: Plan
    excluded: frozenset[str]

    @property
    def files(self) -> list[str]:
        """Names of the Arrow files, by unit."""
        count = len(self.plan.units)
        return [f"data-{number:05d}-of-{count:05d}.arrow" for number in range(count)]

    def told(self, number: int) -> Path:
        """Where it stands what became of a unit; it is there once the unit is done."""
        return self.folder / WORK / f"unit-{number:05d}.json"

    def open(self) -> list[int]:
        """Units that are not done."""
        told, written = set(os.listdir(self.folder / WORK)), set(os.listdir(self.folder))
        return [n for n, name in enumerate(self.files) if not (self.told(n).name in told and name in written)]

    def build(self, number: int) -> None:
        """Do a unit."""
        build_unit(
            self.corpus, self.plan.units[number], self.excluded, self.folder / self.files[number], self.told(number)
        )

    def named(self, number: int) -> str:
        """What a unit reads, for a message."""
        unit = self.plan.units[number]
        names = sorted({f"{self.corpus.sources[p.source].name}: {p.acquisition.name}" for p in unit})
        return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


Launch = Callable[[Job, Sequence[int], int, Advance], None]
"""What does units of a job, with so many workers, and tells how many are done."""


@contextmanager
def begun(corpus: Corpus, folder: Path, tell: Told) -> Iterator[Job]:
    """A store to go on with: with the plan of an earlier, unfinished build, or a new one. Others wait.

    Raises:
        DataError: the folder holds something else, or the unfinished store of another corpus.
    """
    _refuse_strangers(folder)
    there = folder.is_dir()
    (folder / WORK).mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        try:
            excluded = read_exclusions(corpus.exclude).pixels
            plan = _planned(corpus, folder, tell)
        except BaseException:
            with suppress(OSError):  # they hold something, which stays
                (folder / WORK).rmdir()
                if not there:
                    folder.rmdir()
            raise
        yield Job(corpus, folder, plan, excluded)


def _planned(corpus: Corpus, folder: Path, tell: Told) -> Plan:
    """The plan of the earlier build, or a new one, written."""
    path = folder / WORK / PLAN
    if not path.exists():
        plan = make_plan(corpus, pseudonyms(corpus.salt), tell)
        path.parent.mkdir(parents=True, exist_ok=True)  # another build of this folder may have been refused meanwhile
        plan.write(path)
        return plan
    plan = read_plan(path)
    if plan.digest != digest_of(corpus):
        raise DataError(
            f"{folder} is the unfinished store of another corpus, or of other settings. Name another folder with "
            "--out, or delete this one."
        )
    return plan


def build_store(
    corpus: Corpus, folder: Path, jobs: int, tell: Told, advance: Advance, launch: Launch | None = None
) -> list[Report]:
    """Build a store, or go on building it; the bytes are the same for any number of workers and interruptions.

    Args:
        corpus: what it is built from.
        folder: new, empty, or of the same build that was interrupted.
        jobs: number of processes, or of tasks of a cluster.
        tell: called with what is being listed.
        advance: called with the number of units done and of all.
        launch: does the units; None for `run`, the processes of this machine.

    Returns:
        What became of each source, as it stands in `report.json`.

    Raises:
        DataError: as in `begun`; workers died again and again over the same unit; the disk is full; more acquisitions
            are broken than the corpus allows. What is done stays done.
    """
    if is_finished(corpus, folder):
        return read_report(folder)
    try:
        with begun(corpus, folder, tell) as job:
            (launch or run)(job, job.open(), jobs, advance)
            return finish(corpus, job.plan, folder, job.files, [job.told(n) for n in range(len(job.files))])
    except OSError as error:
        raise DataError(
            f"{folder}: {error.strerror or error}. What is done is kept; make room or mend the fault, and run the "
            "same command again."
        ) from None


def run(job: Job, numbers: Sequence[int], jobs: int, advance: Advance) -> None:
    """Do units with a pool of processes; a worker that is killed costs no more than its unit is begun again."""
    total = len(job.plan.units)
    done = total - len(numbers)
    advance(done, total)
    if jobs == 1:
        for number in numbers:
            job.build(number)
            done += 1
            advance(done, total)
        return
    deaths: dict[int, int] = {}
    waiting = list(numbers)
    while waiting:
        try:
            for number in _pooled(job, waiting, jobs):
                waiting.remove(number)
                done += 1
                advance(done, total)
        except _WorkerDiedError as death:
            for number in death.numbers:
                deaths[number] = deaths.get(number, 0) + 1
                if deaths[number] > LIVES:
                    raise DataError(_killed(job, number)) from None


class _WorkerDiedError(Exception):
    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers


def _pooled(job: Job, numbers: Sequence[int], jobs: int) -> Iterator[int]:
    """Numbers of units as they are done.

    Raises:
        _WorkerDiedError: a process was killed; with the units that were being done.
    """
    context = multiprocessing.get_context("spawn")  # readers hold libraries with threads, which do not survive a fork
    settings, excluded = job.corpus.model_dump(mode="json"), job.excluded
    with _single_threaded(), ProcessPoolExecutor(jobs, context, _begin, (settings, excluded)) as pool:
        running: dict[Future[None], int] = {}
        queue = list(reversed(numbers))
        try:
            while queue or running:
                while queue and len(running) < jobs:
                    number = queue.pop()
                    unit, arrow = job.plan.units[number], job.folder / job.files[number]
                    running[pool.submit(_work, unit, arrow, job.told(number))] = number
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                    yield running.pop(future)
        except BrokenProcessPool:
            raise _WorkerDiedError(sorted(running.values())) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_corpus: Corpus
_excluded: frozenset[str]


def _begin(settings: dict[str, object], excluded: frozenset[str]) -> None:
    """What a process of the pool keeps for all its units."""
    global _corpus, _excluded
    _corpus, _excluded = corpus_of(settings), excluded


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


def one_thread() -> None:
    """Ask libraries that this process has not loaded yet for one thread; one process a core is enough."""
    for name in _THREADS:
        os.environ.setdefault(name, "1")


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Processes that start in this block have libraries of one thread; they load NumPy before anything of ours runs."""
    unset = [name for name in _THREADS if name not in os.environ]
    one_thread()
    try:
        yield
    finally:
        for name in unset:
            os.environ.pop(name, None)


def _work(unit: tuple, arrow: Path, told: Path) -> None:  # type: ignore[type-arg]
    build_unit(_corpus, unit, _excluded, arrow, told)


def _killed(job: Job, number: int) -> str:
    return (
        f"the process that read {job.named(number)} was killed {LIVES + 1} times, perhaps for want of memory. What "
        "is done is kept; run the same command again with fewer --jobs, a smaller shard, or without these files."
    )


def is_finished(corpus: Corpus, folder: Path) -> bool:
    """Whether the folder holds the finished store of this corpus.

    Raises:
        DataError: it holds that of another one.
    """
    if not (folder / HEADER).exists():
        return False
    if read_header(folder).get("digest") != digest_of(corpus):
        raise DataError(f"{folder} holds the finished store of another corpus; name another folder with --out.")
    shutil.rmtree(folder / WORK, ignore_errors=True)  # there, if the build was killed after its last step
    return True


def _refuse_strangers(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; name a folder with --out.")
    if folder.is_dir() and not (folder / WORK).is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty, and no store that was begun; name a new folder with --out.")
