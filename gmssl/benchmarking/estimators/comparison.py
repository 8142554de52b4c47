"""`gmssl bench estimators`: every gradient estimator against the exact gradient of the expected loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import torch

from gmssl.benchmarking.estimators.contestants import PROBLEMS, STAGES, Contestant, chosen, contestants, problems
from gmssl.benchmarking.estimators.expected_loss import Smoothing, expected_loss
from gmssl.benchmarking.estimators.quality import Landscape, Quality, estimates, judge
from gmssl.benchmarking.estimators.statistics import Interval, mean, measures, pooled
from gmssl.benchmarking.solvers.contestants import Absent
from gmssl.errors import ProblemError
from gmssl.system.machine import Machine, this_machine

SIZES = (3, 4, 5)
SMALLEST, LARGEST = 2, 5
"""Vertices of a side; all matchings are enumerated."""
TEMPERATURES = (0.1, 0.3, 1.0)

_EXACT_DRAWS, _QUICK_DRAWS = 4096, 256


@dataclass(frozen=True)
class Row:
    """One estimator under one noise.

    Attributes:
        problem: one of `PROBLEMS`.
        temperature: of the noise of the expected loss, and of the estimator's own.
        estimator: kind.
        strength: λ; None where the estimator has none.
        samples: S; None where the estimator has none.
        measures: by name, see `statistics.py`.
        cosines: the measure `cosine` of each stage of training.
    """

    problem: str
    temperature: float
    estimator: str
    strength: float | None
    samples: int | None
    measures: dict[str, Interval]
    cosines: dict[str, Interval]

    @property
    def name(self) -> str:
        """For readers."""
        strength = "" if self.strength is None else f" λ={self.strength:g}"
        return f"{self.estimator}{strength}" + ("" if self.samples is None else f" S={self.samples}")


@dataclass(frozen=True)
class Reference:
    """The expected loss of all instances of one kind of problem under one noise.

    Attributes:
        problem, temperature: of which.
        loss: mean expected Hamming loss, by stage of training.
        gradient: root mean square of the lengths ‖g‖.
        error: standard error of the enumerated gradient of the batch, relative to its length.
        instances: all.
        steep: of these, how many have a gradient that is not all but 0; only they have cosines.
    """

    problem: str
    temperature: float
    loss: dict[str, float]
    gradient: float
    error: float
    instances: int
    steep: int


@dataclass(frozen=True)
class EstimatorReport:
    """A run of the benchmark.

    Attributes:
        command: that repeats it.
        machine: where it ran.
        noise: kind of the noise.
        sizes: vertices of a side.
        stages: of training, with the noise of the embeddings.
        instances: of each size and stage.
        draws: single estimates of each instance.
        references: what is estimated.
        rows: of the tables.
        absent: kinds that some problems have no place for, and why.
    """

    command: str
    machine: Machine
    noise: str
    sizes: list[int]
    stages: dict[str, float]
    instances: int
    draws: int
    references: list[Reference]
    rows: list[Row]
    absent: list[Absent]


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        sizes: vertices of a side.
        instances: of each size and stage of training.
        draws: single estimates of each instance.
        kinds: of estimators; none takes all.
        noise: kind of the noise.
        seed: of instances and noise.
        quick: enumerate coarsely.

    Raises:
        ProblemError: a size whose matchings are too many, or none; a noise that there is not, or without density.
        RecipeError, PluginError: an estimator that there is not.
    """

    sizes: Sequence[int] = SIZES
    instances: int = 8
    draws: int = 64
    kinds: Sequence[str] = ()
    noise: str = "gumbel"
    seed: int = 0
    quick: bool = False

    def __post_init__(self) -> None:
        for n in self.sizes:
            if not SMALLEST <= n <= LARGEST:
                raise ProblemError(
                    f"n = {n} cannot be measured: sizes are from {SMALLEST} to {LARGEST}, because all matchings are "
                    "enumerated; use one of these, such as 4."
                )
        Smoothing(self.noise, 1.0)
        chosen(self.kinds)


def compare_estimators(
    plan: Plan, command: str = "", tell: Callable[[str], None] = lambda line: None
) -> EstimatorReport:
    """Measure all; see `quality.py` and `statistics.py` for what.

    Args:
        plan: what to measure.
        command: that repeats this run; kept in the report.
        tell: called with a line about what is going on.
    """
    machine, wanted = this_machine(), chosen(plan.kinds)
    rows: list[Row] = []
    references: list[Reference] = []
    absent: list[Absent] = []
    for problem, temperature in product(PROBLEMS, TEMPERATURES):
        smoothing = Smoothing(plan.noise, temperature)
        entrants, left_out = contestants(wanted, smoothing, problem == PROBLEMS[0])
        absent += [one for one in left_out if one not in absent]
        if not entrants:
            continue
        place = f"{problem}, temperature {temperature:g}"
        tell(f"{place}: exact gradients")
        grounds = [_ground(n, plan, smoothing, problem == PROBLEMS[0]) for n in plan.sizes]
        references.append(_reference(problem, temperature, grounds, plan.instances))
        for one in entrants:
            tell(f"{place}: {one.kind}")
            rows.append(_row(problem, temperature, one, [_measured(one, ground, plan) for ground in grounds], plan))
    return EstimatorReport(
        command,
        machine,
        plan.noise,
        list(plan.sizes),
        STAGES,
        plan.instances,
        plan.draws,
        references,
        rows,
        absent,
    )


def _ground(n: int, plan: Plan, smoothing: Smoothing, edges: bool) -> Landscape:
    batch = problems(n, plan.instances, plan.seed, edges)
    draws = _QUICK_DRAWS if plan.quick else _EXACT_DRAWS
    exact = expected_loss(batch, smoothing, draws, torch.Generator().manual_seed(plan.seed))
    return Landscape(batch, exact, smoothing, plan.seed)


def _measured(one: Contestant, ground: Landscape, plan: Plan) -> Quality:
    generator = torch.Generator().manual_seed(plan.seed + 1)
    return judge(estimates(one.estimator, one.solver, ground.problem, plan.draws, generator), ground)


def _by_stage(values: torch.Tensor, instances: int) -> dict[str, torch.Tensor]:
    """Of each stage, from one value for each instance of all sizes, stage by stage within a size."""
    return dict(zip(STAGES, values.view(-1, len(STAGES), instances).transpose(0, 1).flatten(1), strict=True))


def _reference(problem: str, temperature: float, grounds: Sequence[Landscape], instances: int) -> Reference:
    size, error, loss, steep = (
        torch.cat(each)
        for each in zip(*((g.sizes, g.exact.error, g.exact.loss, g.steep) for g in grounds), strict=True)
    )
    return Reference(
        problem,
        temperature,
        {stage: values.mean().item() for stage, values in _by_stage(loss, instances).items()},
        size.mean().clamp(min=0).sqrt().item(),
        (error.square().sum() / size.sum()).sqrt().item(),
        len(size),
        int(steep.sum()),
    )


def _row(problem: str, temperature: float, one: Contestant, found: Sequence[Quality], plan: Plan) -> Row:
    quality = pooled(found)
    cosines = {stage: mean(values) for stage, values in _by_stage(quality.cosine, plan.instances).items()}
    return Row(problem, temperature, one.kind, one.strength, one.samples, measures(quality), cosines)
