"""Several passes over the same graphs, each with fresh views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from gmssl.explaining.rows import Place, Rows, join, judge_of, tabulate
from gmssl.explaining.run import TrainedRun
from gmssl.explaining.sample import Sample
from gmssl.explaining.watching import watch
from gmssl.interfaces.solver import Solver
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.matcher import Step
from gmssl.parts.data.dataset import ViewDataset, collate
from gmssl.training.model import reseed


class FreshViews:
    """Views that no step of the training has seen: their randomness has a seed of its own.

    Args:
        run: whose views are drawn.
        sample: of which images.
        seed: of the report.
    """

    def __init__(self, run: TrainedRun, sample: Sample, seed: int) -> None:
        recipe = run.recipe
        self.seed = int(np.random.SeedSequence((recipe.seed, seed)).generate_state(1, np.uint64)[0] >> np.uint64(1))
        self._views, self._sample = recipe.views, sample
        self._dataset = ViewDataset(sample.images, recipe.views, recipe.encoder.in_channels, self.seed)

    def of(self, images: range, pass_: int) -> ViewBatch:
        """Finished views of images of the sample in one pass, the same whenever they are asked for."""
        return self._views.finish(self._cut(images, pass_))

    def ahead(self, asked: Iterable[tuple[int, range]]) -> Iterator[ViewBatch]:
        """The views of each (pass, images); while a batch is looked at, the next one is read and cut."""
        with ThreadPoolExecutor(1, "views") as thread:
            waiting: Future[ViewBatch] | None = None
            for pass_, images in asked:
                following = thread.submit(self._cut, images, pass_)
                if waiting is not None:
                    yield self._views.finish(waiting.result())
                waiting = following
            if waiting is not None:
                yield self._views.finish(waiting.result())

    def _cut(self, images: range, pass_: int) -> ViewBatch:
        """Drawn from generators of their own, in whatever order and thread."""
        keys = (pass_ * len(self._sample.images) + image for image in images)
        return collate([self._dataset[key] for key in keys])


@dataclass(frozen=True, eq=False)
class Passes:
    """What was seen.

    Attributes:
        rows: all matches.
        steps: of the first pass, until they hold the graphs that were asked for.
        judge: what solved the problems.
        first: views and step of the first batch, for a picture.
    """

    rows: Rows
    steps: tuple[Step, ...]
    judge: Solver
    first: tuple[ViewBatch, Step]


def run_passes(
    run: TrainedRun, sample: Sample, views: FreshViews, passes: int, kept: int, tell: Callable[[int], None]
) -> Passes:
    """Match the sample several times.

    Args:
        run: whose weights and parts match.
        sample: in its batches.
        views: of the sample.
        passes: how often.
        kept: graphs of the first pass whose steps are kept.
        tell: called after each batch with the number of batches that are done.
    """
    recipe = run.recipe
    judge = judge_of(recipe.solver, bool(recipe.affinity.edge))
    tables: list[Rows] = []
    steps: list[Step] = []
    first: tuple[ViewBatch, Step] | None = None
    order = [(pass_, number) for pass_ in range(passes) for number in range(len(sample.batches))]
    images = [range(start, start + sample.batch) for start in sample.batches]
    batches = views.ahead((pass_, images[number]) for pass_, number in order)
    for (pass_, number), batch in zip(order, batches, strict=True):
        watched = watch(run.objective, batch, reseed(views.seed, pass_, number, 0, torch.device("cpu")))
        place = Place(pass_, number, len(sample.batches), sample.batch, recipe.views.pairs)
        tables.append(tabulate(watched, watched.step.without_margin(), judge, place))
        first = first or (batch, watched.step)
        if pass_ == 0 and sum(len(step.problem.costs.vertex) for step in steps) < kept:
            steps.append(watched.step)
        tell(len(tables))
    assert first is not None, "there is one pass, and a sample holds one batch"
    return Passes(join(tables), tuple(steps), judge, first)
