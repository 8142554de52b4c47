"""Solvers take turns; what they found is put back in the order of the batch."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

import gmssl
from gmssl.benchmarking.solvers import timing
from gmssl.benchmarking.solvers.contestants import Contestant, Stages
from gmssl.benchmarking.solvers.timing import BLOCKS, Round, Trial, race, ratio_of_times
from gmssl.errors import ProblemError
from gmssl.interfaces.solver import Solver
from gmssl.parts.solvers.kernels.threads import one_thread
from gmssl.testing.generators import paired_embeddings

CALLS: list[tuple[str, int]] = []


class Clock:
    """Seconds that pass only where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    CALLS.clear()
    given = Clock()
    monkeypatch.setattr(timing, "perf_counter", given)
    monkeypatch.setattr(timing, "process_time", lambda: 2 * given.now)
    Slow.clock = given
    return given


class Slow(Solver):
    """The linear assignment, which takes so long."""

    kind: ClassVar[str] = "slow"
    uses_edges: ClassVar[bool] = True
    clock: ClassVar[Clock] = Clock()

    seconds: float = 1.0

    def solve(self, problem: gmssl.Problem) -> gmssl.Solution:
        CALLS.append((f"slow {self.seconds:g}", len(problem.costs.vertex)))
        Slow.clock.now += self.seconds
        return gmssl.part("solver", "lap").solve(problem)


class Refusing(Solver):
    """Refuses everything."""

    kind: ClassVar[str] = "refusing"
    uses_edges: ClassVar[bool] = True

    def solve(self, problem: gmssl.Problem) -> gmssl.Solution:
        raise ProblemError("never")


def entrant(seconds: float) -> Contestant:
    return Contestant(f"slow {seconds:g}", Slow(seconds=seconds))


def test_turns_and_times(clock: Clock) -> None:
    problem = paired_embeddings(10, 6, noise=1.0)
    trials, absent = race([entrant(1), entrant(2), Contestant("refusing", Refusing())], problem, 2, lambda line: None)
    assert [(a.kind, a.reason) for a in absent] == [("refusing", "never")]
    warm_up, turns = CALLS[:2], CALLS[2:]
    assert warm_up == [("slow 1", 1), ("slow 2", 1)], "compilation is in no time"
    assert [label for label, _ in turns] == ["slow 1", "slow 2"] * BLOCKS * 2
    assert sum(size for label, size in turns if label == "slow 1") == 2 * 10, "each round solves the whole batch"
    assert trials[0].rounds == [Round(wall=BLOCKS, cpu=2 * BLOCKS)] * 2
    assert trials[1].rounds == [Round(wall=2 * BLOCKS, cpu=4 * BLOCKS)] * 2
    whole = gmssl.part("solver", "lap").solve(problem)
    for trial in trials:
        assert torch.equal(trial.vertex, whole.matching.vertex)
        assert torch.equal(trial.bound, whole.bound)


def test_patience_ends_the_rounds_of_the_slow_only(clock: Clock) -> None:
    long = timing.PATIENCE / BLOCKS
    trials, _ = race([entrant(long), entrant(0.5)], paired_embeddings(4, 6, noise=1.0), 3, lambda line: None)
    assert [len(trial.rounds) for trial in trials] == [1, 3]
    assert trials[0].spent == timing.PATIENCE


def test_a_batch_smaller_than_the_blocks() -> None:
    problem = paired_embeddings(1, 6, noise=1.0)
    (trial,), _ = race([Contestant("lap", gmssl.part("solver", "lap"))], problem, 1, lambda line: None)
    assert trial.vertex.shape == (1, 6, 6)
    assert trial.rounds[0].wall > 0


def test_model_building_is_timed_apart(clock: Clock) -> None:
    def build(problem: gmssl.Problem) -> list[int]:
        clock.now += 3
        return [len(problem.costs.vertex)]

    def run(models: list[int]) -> None:
        clock.now += 5

    staged = Contestant("staged", Slow(seconds=100), Stages(build, run))
    (trial,), _ = race([staged], paired_embeddings(8, 6, noise=1.0), 1, lambda line: None)
    assert trial.rounds == [Round(wall=5 * BLOCKS, cpu=10 * BLOCKS, building=3 * BLOCKS)]
    assert trial.vertex.shape == (8, 6, 6), "matchings come from the solver, whose time is not counted"


def test_ratio_is_a_median_and_the_order_alternates(clock: Clock) -> None:
    order: list[str] = []
    slow_seconds = iter([4.0, 100.0, 6.0])

    def slow() -> None:
        order.append("slow")
        clock.now += next(slow_seconds)

    def fast() -> None:
        order.append("fast")
        clock.now += 2.0

    assert ratio_of_times(slow, fast, 3) == 3.0
    assert order == ["slow", "fast", "fast", "slow", "slow", "fast"]


def test_one_thread_inside_only() -> None:
    before = torch.get_num_threads()
    inside = []

    def work() -> None:
        with one_thread():
            inside.append(torch.get_num_threads())
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert inside == [1]
    assert torch.get_num_threads() == before


def test_a_trial_counts_what_it_took() -> None:
    trial = Trial(entrant(1), [Round(1.0, 9.0, 2.0), Round(3.0, 9.0, 4.0)])
    assert trial.spent == 10.0
