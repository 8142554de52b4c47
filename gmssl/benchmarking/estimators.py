"""`gmssl bench estimators`: every gradient estimator against the exact gradient of the expected loss."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from scipy.stats import t as student

from gmssl.benchmarking.estimator_quality import FLAT, MEASURES, Landscape, estimates, judge
from gmssl.benchmarking.expected_loss import expected_loss
from gmssl.benchmarking.machine import Machine, this_machine
from gmssl.errors import ProblemError
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem
from gmssl.registry import kinds, part
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.variants import edgeless

SIZES = (4,)
LEAST, MOST = 2, 5
"""Vertices of a side; all matchings are enumerated."""
STAGES = {"untrained": 6.0, "early": 2.0, "late": 0.7}
"""Noise of the views (`paired_embeddings`): cosines of true pairs near 0, 0.2 and 0.7."""
TEMPERATURES = (0.1, 0.3, 1.0)
STRENGTHS = (1.0, 5.0, 20.0, 80.0)
SAMPLES = (1, 8)
PROBLEMS = ("second order", "vertices only")

_EXACT_DRAWS, _QUICK_DRAWS = 8192, 1024


@dataclass(frozen=True)
class Interval:
    """Mean over instances, with its 95 % t-interval; None where an instance, or one only, has no number."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Row:
    """One estimator under one noise.

    Attributes:
        problem: one of `PROBLEMS`.
        temperature: of the Gumbel noise of the expected loss, and of the estimator's own.
        estimator: kind.
        strength: λ; None where the estimator has none.
        samples: S; None where the estimator has none.
        measures: by name, see `estimator_quality`.
    """

    problem: str
    temperature: float
    estimator: str
    strength: float | None
    samples: int | None
    measures: dict[str, Interval]

    @property
    def name(self) -> str:
        """For readers."""
        strength = "" if self.strength is None else f" λ={self.strength:g}"
        return f"{self.estimator}{strength}" + ("" if self.samples in (None, 1) else f" S={self.samples}")


@dataclass(frozen=True)
class EstimatorReport:
    """A run of the benchmark.

    Attributes:
        command: that repeats it.
        machine: where it ran.
        sizes: vertices of a side.
        instances: of each size and stage.
        draws: single estimates of each instance.
        exact_error: mean relative standard error of the enumerated gradients.
        rows: of the tables.
    """

    command: str
    machine: Machine
    sizes: list[int]
    instances: int
    draws: int
    exact_error: float
    rows: list[Row]


@dataclass(frozen=True)
class Contestant:
    """An estimator with settings, and the solver that it differentiates."""

    kind: str
    estimator: GradientEstimator
    solver: Solver
    strength: float | None = None
    samples: int | None = None


def chosen(wanted: Sequence[str]) -> tuple[str, ...]:
    """Kinds to measure, all by default.

    Raises:
        ProblemError: an estimator that there is not.
    """
    there = kinds("estimator")
    for kind in wanted:
        if kind not in there:
            raise ProblemError(f"--estimator {kind}: there is no such estimator; there are {', '.join(there)}.")
    return tuple(dict.fromkeys(wanted)) or tuple(there)


def contestants(wanted: Sequence[str], temperature: float, edges: bool) -> Iterator[Contestant]:
    """Every kind at every strength and number of samples that it has a setting for, under this noise.

    An estimator that differentiates its solver gets `sinkhorn`, which knows no edges.
    """
    for kind in wanted:
        fields = type(part("estimator", kind)).model_fields
        noise = {"noise": {"kind": "gumbel", "temperature": temperature}} if "noise" in fields else {}
        relaxed = part("estimator", kind).differentiates_solver
        if relaxed and edges:
            continue
        solver = part("solver", "sinkhorn", temperature=temperature) if relaxed else part("solver", "exhaustive")
        strengths = STRENGTHS if "strength" in fields else (None,)
        counts = SAMPLES if "samples" in fields else (None,)
        least = fields["samples"].metadata[0].ge if counts != (None,) else 1  # type: ignore[attr-defined]
        for strength, count in product(strengths, counts):
            settings = {"strength": strength, "samples": count and max(count, least)}
            given = {name: value for name, value in settings.items() if value is not None}
            yield Contestant(
                kind,
                part("estimator", kind, **given, **noise),
                solver,
                strength,
                given.get("samples"),  # type: ignore[arg-type]
            )


def problems(n: int, instances: int, seed: int, edges: bool) -> Problem:
    """`instances` of each stage, as training makes them: negated cosines, kNN graphs with n / 2 neighbours."""
    batches = [
        paired_embeddings(instances, n, noise, neighbours=max(1, n // 2), seed=1000 * seed + n)
        for noise in STAGES.values()
    ]
    costs = [b.costs for b in batches]
    made = Problem.build(
        torch.cat([c.vertex for c in costs]),
        torch.cat([b.topology.left for b in batches]),
        torch.cat([b.topology.right for b in batches]),
        torch.cat([c.edge for c in costs]),
        target=torch.cat([b.target for b in batches if b.target is not None]),
    )
    return made if edges else edgeless(made)


def compare_estimators(
    sizes: Sequence[int],
    instances: int,
    draws: int,
    wanted: Sequence[str],
    seed: int,
    quick: bool,
    command: str,
    tell: Callable[[str], None],
) -> EstimatorReport:
    """Measure all; see `estimator_quality` for what."""
    rows: list[Row] = []
    errors: list[float] = []
    kept = chosen(wanted)
    enumerated = _QUICK_DRAWS if quick else _EXACT_DRAWS
    for problem, temperature in product(PROBLEMS, TEMPERATURES):
        edges = problem == PROBLEMS[0]
        found: dict[int, dict[str, list[float]]] = {}
        settings: list[Contestant] = []
        for n in sizes:
            tell(f"{problem}, temperature {temperature:g}, n = {n}: exact gradients")
            batch = problems(n, instances, seed, edges)
            exact = expected_loss(batch, temperature, enumerated, torch.Generator().manual_seed(seed))
            sizes_of = exact.gradient.norm(dim=1)
            errors += (exact.error / sizes_of)[sizes_of > FLAT].tolist()
            landscape = Landscape(batch, exact, temperature, enumerated, seed)
            settings = list(contestants(kept, temperature, edges))
            for number, one in enumerate(settings):
                tell(f"{problem}, temperature {temperature:g}, n = {n}: {one.kind}")
                generator = torch.Generator().manual_seed(seed + 1)
                quality = judge(estimates(one.estimator, one.solver, batch, draws, generator), landscape)
                measured = found.setdefault(number, {name: [] for name in MEASURES})
                for name in MEASURES:
                    measured[name] += getattr(quality, name).tolist()
        rows += [
            Row(problem, temperature, one.kind, one.strength, one.samples, _intervals(found[number]))
            for number, one in enumerate(settings)
        ]
    return EstimatorReport(
        command, this_machine(), list(sizes), instances, draws, statistics.fmean(filter(math.isfinite, errors)), rows
    )


def _intervals(measured: dict[str, list[float]]) -> dict[str, Interval]:
    return {name: interval([v for v in values if math.isfinite(v)]) for name, values in measured.items()}


def interval(values: Sequence[float]) -> Interval:
    """Of the mean; without values NaN would be no JSON, so the mean is 0 and there is no interval."""
    if len(values) < 2:
        return Interval(values[0] if values else 0.0, None, None)
    mean = statistics.fmean(values)
    half = float(student.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)
