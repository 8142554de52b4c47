"""Tasks of a cluster build what the pool builds, whatever becomes of them on the way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from gmssl.commands.program import app
from gmssl.corpus import launching as launched
from gmssl.corpus import plan as planning
from gmssl.corpus.build import Job, begun, build_store
from gmssl.corpus.launching import Task, launching
from gmssl.corpus.recipe import corpus_of
from gmssl.errors import DataError
from gmssl.system.cluster.parameters import cluster_with
from gmssl.system.cluster.tasks import Cluster
from tests.corpus.archives import draw_archives
from tests.system.slurm import single_node

pytest.importorskip("submitit")

Bytes = dict[str, bytes]


def ignored(*_: object) -> None:
    """Nobody is told."""


def bytes_of(folder: Path) -> Bytes:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(autouse=True)
def _small_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(planning, "SMALL", 2048)
    monkeypatch.setattr(planning, "MANY", 8)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return draw_archives(tmp_path / "archives")


@pytest.fixture
def expected(settings: dict[str, Any], tmp_path: Path) -> Bytes:
    build_store(corpus_of(settings), tmp_path / "expected", 1, ignored, ignored)
    return bytes_of(tmp_path / "expected")


@dataclass(frozen=True)
class Dangerous(Cluster):
    """Tasks of this machine that are killed as soon as they are seen, until some have died."""

    victims: int = 1
    seen: list[str] = field(default_factory=list)

    def alive(self, tasks: Iterable[Any]) -> set[str]:
        tasks = list(tasks)
        self.seen.extend(task.job_id for task in tasks if task.job_id not in self.seen)
        for task in tasks:
            if task.job_id in self.seen[: self.victims] and not task.done():
                os.kill(int(task.job_id), signal.SIGTERM)  # which submitit hands to the task
        return super().alive(tasks)


def local(victims: int = 0) -> Dangerous:
    return Dangerous("local", {"timeout_min": 2}, victims)


def built(
    settings: dict[str, Any], folder: Path, cluster: Cluster, advance: Callable[[int, int], None] = ignored
) -> Path:
    build_store(corpus_of(settings), folder, 2, ignored, advance, launching(cluster))
    return folder


def test_tasks_build_the_same_bytes_though_one_is_killed(
    settings: dict[str, Any], tmp_path: Path, expected: Bytes
) -> None:
    assert sum(name.endswith(".arrow") for name in expected) > 4
    told: list[tuple[int, int]] = []
    cluster = local(victims=1)
    assert bytes_of(built(settings, tmp_path / "store", cluster, lambda *done: told.append(done))) == expected
    assert len(cluster.seen) == 3
    total = told[0][1]
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert told == sorted(told)


def test_a_task_whose_time_is_nearly_up_goes_on(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """submitit would raise an error while a file is read, and a reader would call the file broken."""

    def warned(job: Job, number: int) -> None:
        os.kill(os.getpid(), signal.SIGUSR2)
        original(job, number)

    with begun(corpus_of(settings), tmp_path / "store", ignored) as job:
        count = len(job.open())
    original = Job.build
    monkeypatch.setattr(Job, "build", warned)
    monkeypatch.setattr(launched, "one_thread", ignored)  # it is for this process and not only for the test
    before = {number: signal.signal(number, _submitit_s) for number in (signal.SIGUSR2, signal.SIGTERM)}
    try:
        assert Task(settings, tmp_path / "store", frozenset(), (0, 2))() is None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert job.open() == [1, *range(3, count)]


def _submitit_s(*_: object) -> None:
    raise RuntimeError("not requeued")


@pytest.mark.slow
def test_tasks_that_die_again_and_again_are_told(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"the task that read photos: .* was killed 3 times(.|\n)* What is done is kept"
    ):
        built(settings, tmp_path / "store", local(victims=100))


def test_an_interrupted_build_stops_its_tasks_and_goes_on(
    settings: dict[str, Any], tmp_path: Path, expected: Bytes
) -> None:
    def interrupt(done: int, total: int) -> None:
        if cluster.seen:
            raise KeyboardInterrupt

    cluster = local()
    with pytest.raises(KeyboardInterrupt):
        built(settings, tmp_path / "store", cluster, interrupt)
    for number in cluster.seen:
        with pytest.raises(ProcessLookupError):
            os.kill(int(number), 0)
    build_store(corpus_of(settings), tmp_path / "store", 1, ignored, ignored)
    assert bytes_of(tmp_path / "store") == expected


@pytest.mark.slow
def test_faults_of_a_task_are_told_and_what_is_done_is_kept(
    settings: dict[str, Any], tmp_path: Path, expected: Bytes
) -> None:
    hindrance = next(tmp_path / "store" / name for name in expected if name.startswith("data-00002"))

    def hinder(done: int, total: int) -> None:
        hindrance.mkdir(exist_ok=True)

    with pytest.raises(DataError, match=r"store: Is a directory\. What is done is kept"):
        built(settings, tmp_path / "store", local(), hinder)
    hindrance.rmdir()
    assert (tmp_path / "store" / ".build" / "unit-00000.json").exists()
    assert bytes_of(built(settings, tmp_path / "store", local())) == expected


def test_wrong_parameters_are_told_before_anything_is_read() -> None:
    with pytest.raises(DataError, match=r"--launch hours: submitit knows no such parameter\..* timeout_min, mem_gb"):
        cluster_with("local", ["hours=3"])
    with pytest.raises(DataError, match=r"--launch slurm_queue: .* Those of SLURM are: account, .*partition"):
        cluster_with("local", ["slurm_queue=cpu"])
    with pytest.raises(DataError, match=r"--launch timeout_min=long: .*int"):
        cluster_with("local", ["timeout_min=long"])
    with pytest.raises(DataError, match=r"--launch mem_gb is not of the form KEY=VALUE"):
        cluster_with("local", ["mem_gb"])
    with pytest.raises(DataError, match=r"--launch nodes=2 is no choice: a task is one process"):
        cluster_with("local", ["nodes=2"])
    assert cluster_with("local", ["mem_gb=0.5", "slurm_partition=cpu"]).parameters == {
        "mem_gb": 0.5,
        "slurm_partition": "cpu",
    }


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        done = CliRunner().invoke(app, ["data", "build", "lvm_med", "--out", "store", "--launcher", "slurm"])
        assert done.exit_code == 2
        with pytest.raises(DataError, match="needs the programs of SLURM, and there is no sbatch"):
            cluster_with("slurm", [])
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(DataError, match=r'needs submitit; run `pip install "gmssl\[med\]"`'):
        cluster_with("local", [])


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with single_node(tmp_path_factory.mktemp("slurm")) as settings:
        yield settings


@pytest.fixture
def on_slurm(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("SLURM_CONF", str(slurm))
    yield cluster_with("slurm", ["slurm_partition=cpu", "timeout_min=5"])
    assert not in_queue()


def in_queue() -> set[str]:
    """Tasks of this user that wait or run."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def wait_for_tasks(count: int = 2) -> set[str]:
    while len(found := in_queue()) < count:
        time.sleep(0.05)
    return found


@pytest.mark.slow
def test_the_command_builds_with_slurm(
    settings: dict[str, Any], tmp_path: Path, expected: Bytes, on_slurm: Cluster
) -> None:
    corpus, out = tmp_path / "corpus.yaml", tmp_path / "store"
    corpus.write_text(yaml.safe_dump(settings))
    words = ["data", "build", str(corpus), "--out", str(out), "--launcher", "slurm", "--jobs", "3"]
    refused = CliRunner().invoke(app, [*words, "--launch", "slurm_partition=moon"])
    assert refused.exit_code == 2
    done = CliRunner().invoke(app, [*words, "--launch", "slurm_partition=cpu", "--launch", "timeout_min=5"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == str(out)
    assert bytes_of(out) == expected


@pytest.mark.slow
def test_slurm_may_kill_a_task(settings: dict[str, Any], tmp_path: Path, expected: Bytes, on_slurm: Cluster) -> None:
    seen: set[str] = set()

    def kill(done: int, total: int) -> None:
        tasks = in_queue()
        if tasks and not seen:
            subprocess.run(["scancel", "--signal=KILL", "--full", min(tasks)], check=True)
        seen.update(tasks)

    assert bytes_of(built(settings, tmp_path / "store", on_slurm, kill)) == expected
    assert len({task.partition("_")[0] for task in seen}) == 2  # a second array


@pytest.mark.slow
def test_an_interrupted_build_cancels_its_array(settings: dict[str, Any], tmp_path: Path, on_slurm: Cluster) -> None:
    seen: set[str] = set()

    def interrupt(done: int, total: int) -> None:
        seen.update(in_queue())
        if seen:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(settings, tmp_path / "store", on_slurm, interrupt)
    assert len(seen) == 2


@pytest.mark.slow
def test_tasks_outlive_the_process_that_sent_them(
    settings: dict[str, Any], tmp_path: Path, expected: Bytes, on_slurm: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = multiprocessing.get_context("fork").Process(target=built, args=(settings, tmp_path / "store", on_slurm))
    child.start()
    tasks = wait_for_tasks()
    while not list((tmp_path / "store" / ".build" / "jobs" / "slurm").glob("*_1_submitted.pkl")):
        time.sleep(0.05)
    child.kill()
    child.join()
    sent_before = [task.job_id for task in on_slurm.sent_before(tmp_path / "store" / ".build" / "jobs" / "slurm")]
    assert set(sent_before) == tasks
    assert bytes_of(built(settings, tmp_path / "store", on_slurm)) == expected
