"""Which tasks are sent, waited for, sent again, given up and cancelled; their work is played by the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gmssl.errors import GmsslError, TrainingError
from gmssl.sweeping.folder import SweepFolder, write_definition
from gmssl.sweeping.launching import launch as launching_module
from gmssl.sweeping.launching.claim import alone
from gmssl.sweeping.launching.launch import LIVES, launching
from gmssl.sweeping.run import Plan, plan_sweep, run_sweep
from gmssl.system.cluster import tasks as cluster_tasks
from gmssl.system.cluster.tasks import Cluster

pytest.importorskip("submitit")

DONE, DIES, LOST, WITHDRAWN, CANCELLED, MEMORY = "done", "dies", "lost", "withdrawn", "cancelled", "memory"
STATES = {DONE: "COMPLETED", DIES: "FAILED", CANCELLED: "CANCELLED", MEMORY: "OUT_OF_MEMORY"}


@dataclass(eq=False)
class Played:
    """A task of a cluster that ends as it is told, one look later than it began."""

    job_id: str
    call: Any
    end: str
    looks: int = 0

    @property
    def paths(self) -> SimpleNamespace:
        result = SimpleNamespace(exists=lambda: self.end == DONE)
        pickle = SimpleNamespace(unlink=lambda missing_ok: None)
        log = SimpleNamespace(exists=lambda: self.end != WITHDRAWN)
        return SimpleNamespace(result_pickle=result, submitted_pickle=pickle, stdout=log, stderr=f"{self.job_id}.err")

    def exception(self) -> None:
        return None

    def result(self) -> tuple[str, str | None]:
        return "trained", None

    def submission(self) -> SimpleNamespace:
        return SimpleNamespace(function=self.call)


@dataclass(frozen=True)
class Stage(Cluster):
    """A cluster on which the k-th task of a run ends as the k-th word of its part says; then, and else, well."""

    part: dict[str, list[str]] = field(default_factory=dict)
    sent: list[list[str]] = field(default_factory=list)
    before: list[Played] = field(default_factory=list)
    most: list[int] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    train: Callable[[Path], None] = lambda run: None

    def executor(self, folder: Path) -> Any:
        return None

    def send(self, executor: Any, calls: Sequence[Any], parallel: int | None = None) -> list[Any]:
        if calls:
            self.sent.append([call.work.name for call in calls])
        found = []
        for at, call in enumerate(calls):
            words = self.part.setdefault(call.work.name, [])
            found.append(Played(f"{len(self.sent)}_{at}", call, words.pop(0) if words else DONE))
        return found

    def states(self, tasks: Iterable[Any]) -> dict[str, str]:
        tasks = list(tasks)
        self.most.append(len(tasks))
        found = {}
        for task in tasks:
            task.looks += 1
            if task.looks < 2:
                found[task.job_id] = "RUNNING"
                continue
            if task.end == DONE:
                self.train(task.call.work.folder.run(task.call.work.name))
            if task.end in STATES:
                found[task.job_id] = STATES[task.end]
        return found

    def cancel(self, tasks: Iterable[Any], patience: float) -> None:
        self.cancelled.extend(sorted(task.job_id for task in tasks))

    def sent_before(self, folder: Path) -> list[Any]:
        return self.before


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching_module.time, "sleep", lambda seconds: None)


@pytest.fixture(scope="module")
def plan_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Plan]:
    """A sweep of two cells and two seeds, each time in a new folder."""
    import yaml

    from tests.sweeping.conftest import QUICK

    recipe = tmp_path_factory.mktemp("recipe") / "quick.yaml"
    recipe.write_text(yaml.safe_dump(QUICK), encoding="utf-8")

    plan = plan_sweep([recipe], ["optimiser.learning_rate=0.25,0.5"], 2, out=tmp_path_factory.mktemp("sweep"))

    def make() -> Plan:
        return replace(plan, folder=SweepFolder(tmp_path_factory.mktemp("sweep")))

    return make


NAMES = [f"learning_rate={rate}_seed={seed}" for seed in (0, 1) for rate in (0.25, 0.5)]


def staged(a_run: Callable[..., None], name: str = "slurm", **part: Any) -> Stage:
    from tests.sweeping.conftest import QUICK

    return Stage(name, {}, train=lambda run: a_run(run, str(QUICK)), **part)


def outcome_of(plan: Plan, stage: Stage, jobs: int = 4) -> Any:
    return run_sweep(plan, Console(file=StringIO()), jobs, (), launching(stage))


deaths = st.lists(st.sampled_from([DIES, LOST]), max_size=4)


@given(
    deaths=st.lists(deaths, min_size=4, max_size=4), jobs=st.integers(1, 5), name=st.sampled_from(["slurm", "local"])
)
def test_a_run_is_given_up_after_so_many_deaths_and_no_sooner(
    plan_in: Callable[[], Plan], deaths: list[list[str]], jobs: int, name: str
) -> None:
    from tests.sweeping.conftest import write_run

    stage = staged(write_run, name, part={run: list(words) for run, words in zip(NAMES, deaths, strict=True)})
    plan, begun = plan_in(), []
    endings = {NAMES[at]: fault for at, (_, fault) in launching(stage)(plan, jobs, (), begun.append)}
    assert sorted(begun) == sorted(endings) == sorted(NAMES)
    for run, words in zip(NAMES, deaths, strict=True):
        fault = endings[run]
        assert (fault is not None) == (len(words) >= LIVES)
        assert fault is None or f"{LIVES} of its tasks died" in fault
    sent = [run for array in stage.sent for run in array]
    for run, words in zip(NAMES, deaths, strict=True):
        assert sent.count(run) == min(len(words) + 1, LIVES)
    if name == "slurm":
        assert stage.sent[0] == NAMES, "all at once, to wait in the queue; it lets `jobs` of them run at a time"
    else:
        assert max(stage.most) <= jobs
    assert stage.cancelled == []


def test_deaths_of_a_run_that_comes_further_do_not_count(plan_in: Callable[[], Plan], a_run) -> None:
    """A run of weeks may die as often as it likes."""
    plan = plan_in()
    checkpoint = plan.folder.run(NAMES[0]) / "last.ckpt"
    times = iter(range(1, 100))

    class Further(Stage):
        def states(self, tasks: Iterable[Any]) -> dict[str, str]:
            import os

            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            checkpoint.touch()
            os.utime(checkpoint, (next(times), 1))
            os.utime(checkpoint, ns=(1, next(times)))
            return super().states(tasks)

    from tests.sweeping.conftest import QUICK

    stage = Further("slurm", {}, part={NAMES[0]: [DIES] * 7}, train=lambda run: a_run(run, str(QUICK)))
    assert outcome_of(plan, stage).failures == {}
    assert sum(array.count(NAMES[0]) for array in stage.sent) == 8


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (CANCELLED, "was cancelled"),
        (WITHDRAWN, "was cancelled"),  # while it waited: SLURM knows it no more, and it has no log
        (MEMORY, "want of memory; give more, as --launch"),
    ],
)
def test_what_another_task_would_not_mend_is_told(plan_in: Callable[[], Plan], a_run, end: str, words: str) -> None:
    stage = staged(a_run, part={NAMES[1]: [end]})
    outcome = outcome_of(plan_in(), stage)
    assert outcome.failures.keys() == {NAMES[1]}
    assert words in outcome.failures[NAMES[1]]
    assert "1_1.err" in outcome.failures[NAMES[1]]
    assert stage.sent == [NAMES]


def test_tasks_of_a_killed_sweep_are_waited_for(plan_in: Callable[[], Plan], a_run) -> None:
    from gmssl.sweeping.launching.task import Task

    plan = plan_in()
    others = [Played("9_0", Task(plan.works[2], ()), DONE), Played("9_1", Task(plan.works[0], ()), DIES)]
    stage = staged(a_run, before=others)
    assert outcome_of(plan, stage).failures == {}
    sent = [run for array in stage.sent for run in array]
    assert sorted(sent) == sorted([NAMES[0], NAMES[1], NAMES[3]]), "only what nobody did, or did to the end"
    assert stage.sent[0] == [NAMES[1], NAMES[3]]


def test_a_stopped_sweep_cancels_what_it_sent_and_what_it_found(
    plan_in: Callable[[], Plan], a_run, monkeypatch
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    stage = staged(a_run)
    monkeypatch.setattr(launching_module.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        outcome_of(plan_in(), stage)
    assert stage.cancelled == ["1_0", "1_1", "1_2", "1_3"]


def test_processes_do_not_train_where_tasks_do(plan_in: Callable[[], Plan], program, monkeypatch) -> None:
    plan = plan_in()
    write_definition(plan.folder, plan.definition)
    place = plan.folder.tasks("slurm")
    place.mkdir(parents=True)
    (place / "7_0_submitted.pkl").touch()
    for states, told in (({"7_0": "PENDING"}, "tasks of SLURM wait or work: 7_0"), (None, "squeue does not answer")):
        monkeypatch.setattr(cluster_tasks, "_states", lambda states=states: states)
        with pytest.raises(GmsslError, match=told):
            run_sweep(plan, Console(file=StringIO()))
    monkeypatch.setattr(cluster_tasks, "_states", lambda: {"7_0": "COMPLETED", "8_0": "RUNNING"})
    assert run_sweep(plan, Console(file=StringIO())).failures == {}


def test_two_tasks_never_hold_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = tmp_path / "claims" / "run"
    monkeypatch.setattr("gmssl.sweeping.launching.claim.PATIENCE", 0)
    fault = pytest.raises(TrainingError, match="another process works on run")
    with alone(claim, "3_1"), fault, alone(claim, "3_2"):
        pass
    assert claim.read_text() == ""
    claim.write_text("3_1")  # it was killed
    alive = {"3_1"}
    monkeypatch.setattr("gmssl.sweeping.launching.claim.is_alive", lambda number: number in alive)
    with pytest.raises(TrainingError, match="task 3_1 of SLURM works on run"), alone(claim, "3_2"):
        pass
    with alone(claim, "3_1"):  # SLURM has begun it again
        assert claim.read_text() == "3_1"
    claim.write_text("3_1")
    alive.clear()
    with alone(claim, "4_0"):
        assert claim.read_text() == "4_0"
