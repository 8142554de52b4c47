"""Who is measured by `gmssl bench estimators`: every kind at every setting of the grid, and on which problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch

from gmssl.benchmarking.estimators.expected_loss import Smoothing
from gmssl.benchmarking.solvers.contestants import Absent
from gmssl.errors import RecipeError
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.registry import find, kinds, part
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.variants import edgeless

STAGES = {"untrained": 6.0, "early": 2.0, "late": 0.7}
"""Noise of the views (`paired_embeddings`): cosines of true pairs near 0.03, 0.2 and 0.67."""
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 80.0)
SAMPLES = (1, 4, 16)
PROBLEMS = ("second order", "vertices only")


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
        RecipeError, PluginError: an estimator that there is not, or that is broken.
    """
    for kind in wanted:
        find("estimator", kind)
    return tuple(dict.fromkeys(wanted)) or tuple(kinds("estimator"))


def contestants(wanted: Sequence[str], smoothing: Smoothing, edges: bool) -> tuple[list[Contestant], list[Absent]]:
    """Every kind at every strength and number of samples that it has a setting for, and kinds without a place.

    Estimators with a `noise` draw the noise of the expected loss, and a `temperature` is that of this noise. An
    estimator that differentiates its solver gets `sinkhorn` at this temperature, which knows no edges; all others the
    exact `exhaustive`.
    """
    found: list[Contestant] = []
    absent: list[Absent] = []
    for kind in wanted:
        fields = type(part("estimator", kind)).model_fields
        relaxed = part("estimator", kind).differentiates_solver
        if relaxed and edges:
            absent.append(Absent(kind, f"{PROBLEMS[0]}: it differentiates its solver, and sinkhorn knows no edges"))
            continue
        solver = part("solver", "sinkhorn", temperature=smoothing.temperature) if relaxed else None
        common: dict[str, object] = {"noise": smoothing.noise, "temperature": smoothing.temperature}
        given = {name: value for name, value in common.items() if name in fields}
        strengths = STRENGTHS if "strength" in fields else (None,)
        counts = tuple(_accepted(kind, given)) if "samples" in fields else (None,)
        for strength, count in product(strengths, counts):
            more = {name: x for name, x in (("strength", strength), ("samples", count)) if x is not None}
            estimator = part("estimator", kind, **given, **more)
            found.append(Contestant(kind, estimator, solver or part("solver", "exhaustive"), strength, count))
    return found, absent


def _accepted(kind: str, given: dict[str, object]) -> Iterator[int]:
    """Numbers of samples that a kind takes: a covariance needs two."""
    for count in SAMPLES:
        try:
            part("estimator", kind, **given, samples=count)
        except RecipeError:
            continue
        yield count


def problems(n: int, instances: int, seed: int, edges: bool) -> Problem:
    """`instances` of each stage, stage by stage, as training makes them: negated cosines, graphs of ⌊n/2⌋ neighbours.

    Args:
        n: vertices of both sides.
        instances: of each of `STAGES`.
        seed: of the embeddings.
        edges: with edges; the vertex costs are the same without.
    """
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
