"""All numbers of a report on a finished run."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import torch

from gmssl.evaluation.progress import Stages
from gmssl.explaining.accuracy import GroupAccuracy, accuracies
from gmssl.explaining.counting import Blame, Confusion, between_groups, blame, confusions
from gmssl.explaining.passes import FreshViews, Passes, run_passes
from gmssl.explaining.run import TrainedRun
from gmssl.explaining.sample import Sample
from gmssl.explaining.solver import Gap, Times, TrainingShare, measure_gap, measure_times, training_share
from gmssl.explaining.watching import names


@dataclass(frozen=True)
class Effort:
    """How much is looked at.

    Attributes:
        passes: how often the sample is matched, each time with fresh views.
        pairs: confused pairs that are shown.
        bounds: graphs whose matching is held against a proven bound.
        seed: of sample, views, relabelling and noise.
    """

    passes: int = 6
    pairs: int = 12
    bounds: int = 24
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Report:
    """What is shown.

    Attributes:
        run: the run.
        sample: the images that were looked at.
        effort: how much of it.
        views: the views of the sample.
        passes: the matches.
        accuracies: of all images, and of each group.
        confused: pairs of images, the most confused first.
        groups, flows: names of the groups, and the shares of their matches that are wrong and lead to each other one.
        blame: what wrong matches are due to.
        terms: names of the terms of the affinity.
        edge_terms: which of them score edges, `[T]` bool.
        gap, times, training: of the solver; None where there is nothing to measure.
        seconds: that this took.
    """

    run: TrainedRun
    sample: Sample
    effort: Effort
    views: FreshViews
    passes: Passes
    accuracies: list[GroupAccuracy]
    confused: list[Confusion]
    groups: list[str]
    flows: torch.Tensor
    blame: Blame
    terms: tuple[str, ...]
    edge_terms: torch.Tensor
    gap: Gap | None
    times: Times | None
    training: TrainingShare | None
    seconds: float

    @property
    def images_known(self) -> bool:
        """Whether left nodes are images."""
        return bool((self.passes.rows.image >= 0).all())

    @property
    def partners_known(self) -> bool:
        """Whether wrong partners are images of the sample, too."""
        rows = self.passes.rows
        return self.images_known and bool((rows.partner[~rows.right] >= 0).all())

    @property
    def learnt_truth(self) -> bool:
        """Whether the target is itself learnt, so that a match can agree with it and not be true."""
        return bool(self.run.recipe.vertices.truth in ("learnt", "remembered"))

    @property
    def relaxed(self) -> bool:
        """Whether rows choose their partners without regard to each other."""
        return bool(self.passes.judge.differentiable)

    @property
    def has_edges(self) -> bool:
        """Whether the problem is of second order."""
        return bool(self.edge_terms.any())

    @property
    def has_noise(self) -> bool:
        """Whether the estimator's solution differs from the noiseless one."""
        return not self.relaxed and not self.run.recipe.solver.constant


def measure(run: TrainedRun, sample: Sample, effort: Effort, stages: Stages) -> Report:
    """Match the sample, and count.

    Args:
        run: read by `open_run`.
        sample: chosen by `choose`.
        effort: how much.
        stages: told of every batch, and of the solver's measurement.
    """
    start = perf_counter()
    recipe = run.recipe
    views = FreshViews(run, sample, effort.seed)
    total = effort.passes * len(sample.batches)
    with stages.stage("matching", total, "batches") as advance:
        passes = run_passes(run, sample, views, effort.passes, max(1, effort.bounds), lambda _: advance(1))
    edge_terms = torch.tensor([term.scores == "edge" for term in (*recipe.affinity.vertex, *recipe.affinity.edge)])
    groups, flows = between_groups(passes.rows, sample.groups)
    with stages.stage("measuring the solver", 1, "batch"):
        gap = None if recipe.solver.constant else measure_gap(passes.steps, passes.judge, effort.bounds)
        times = measure_times(passes.steps[0], recipe)
    return Report(
        run=run,
        sample=sample,
        effort=effort,
        views=views,
        passes=passes,
        accuracies=accuracies(passes.rows, sample.groups, not passes.judge.differentiable),
        confused=confusions(passes.rows, edge_terms, len(sample.images)),
        groups=groups,
        flows=flows,
        blame=blame(passes.rows),
        terms=names(recipe.affinity),
        edge_terms=edge_terms,
        gap=gap,
        times=times,
        training=training_share(run.folder),
        seconds=perf_counter() - start,
    )
