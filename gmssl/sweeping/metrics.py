"""The numbers that a finished run is judged by."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gmssl.errors import TrainingError
from gmssl.sweeping.labelled import LabelledSet
from gmssl.sweeping.reports import Evaluation
from gmssl.system.table import Table


@dataclass(frozen=True)
class Metric:
    """A number of a run.

    Attributes:
        name: in CSV files.
        title: for readers.
        share: a number in 0..1, shown in per cent.
        beside: name of the metric that this is a reference for: what the untrained encoder or raw pixels reach.
        features: of a reference, "untrained" or "pixels".
        classifier: of an evaluation, "knn" or "linear".
    """

    name: str
    title: str
    share: bool
    beside: str = ""
    features: str = ""
    classifier: str = ""

    @property
    def reference(self) -> bool:
        """Whether it says nothing of the run, and is shown beside another metric."""
        return bool(self.beside)

    def show(self, value: float, signed: bool = False) -> str:
        """Four significant digits, or a tenth of a per cent."""
        sign = "+" if signed else ""
        return f"{100 * value:{sign}.1f}" if self.share else f"{value:{sign}.4g}"

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title}, %" if self.share else self.title


_OF_TRAINING = (
    Metric("loss", "loss", share=False),
    Metric("match_accuracy", "match accuracy with noise", share=True),
    Metric("match_accuracy_noiseless", "match accuracy without noise", share=True),
)
PROBE = Metric("probe_knn", "kNN probe of the training", share=True)
_PROBE_UNTRAINED = Metric("probe_knn_untrained", "kNN probe, untrained", True, "probe_knn", "untrained")
_CLASSIFIERS = {"knn": "kNN", "linear": "linear"}
_SCORES = {"accuracy": "", "de-leaked": "without leaks"}


def _of_evaluation(data: LabelledSet, classifier: str, features: str, score: str) -> Metric:
    words = (data.name, classifier, "test" if data.test else "", "clean" if _SCORES[score] else "")
    own = "_".join(filter(None, words))
    title = f"{_CLASSIFIERS[classifier]} {f'on {data.name}' if data.name else 'evaluation'}"
    title += (", test set" if data.test else "") + (f" {_SCORES[score]}" if _SCORES[score] else "")
    if features == "trained":
        return Metric(own, title, share=True, classifier=classifier)
    return Metric(f"{own}_{features}", f"{title}, {features}", True, own, features)


METRICS = (*_OF_TRAINING, PROBE, _PROBE_UNTRAINED)
"""Metrics of trainings, in the order of tables."""


def metrics_of(sets: Sequence[LabelledSet]) -> tuple[Metric, ...]:
    """All metrics of a sweep whose runs are judged on these labelled sets, in the order of its tables."""
    kinds = itertools.product(sets, _CLASSIFIERS, _SCORES, ("trained", "untrained", "pixels"))
    return (*METRICS, *(_of_evaluation(data, c, f, s) for data, c, s, f in kinds if data.test or not _SCORES[s]))


def names_of(sets: Sequence[LabelledSet], classifiers: Sequence[str], probe: bool) -> dict[str, frozenset[str]]:
    """What results can be chosen by: the name of a metric or a classifier, with the names of the metrics it chooses.

    Args:
        sets: that runs are judged on.
        classifiers: that judge them; none where runs are not evaluated.
        probe: whether trainings have a kNN probe.
    """
    found: dict[str, frozenset[str]] = {}
    for metric in metrics_of(sets):
        judged = metric.classifier in classifiers if metric.classifier else metric is not PROBE or probe
        if not metric.reference and judged:
            for name in filter(None, (metric.name, metric.classifier)):
                found[name] = found.get(name, frozenset()) | {metric.name}
    return found


def of_training(run: Path) -> dict[str, float]:
    """Final metrics by name: means over the logged steps of the last epoch, and the last kNN probe.

    A single step is one batch, and its loss mostly noise. Numbers that a run does not have are left out.

    Raises:
        TrainingError: not one step was logged.
    """
    rows = Table(run / "metrics.csv").rows()
    if not rows:
        raise TrainingError(f"{run} has no rows in metrics.csv, so its last loss is not known. Train it anew.")
    last = [row for row in rows if row["epoch"] == rows[-1]["epoch"]]
    found = {}
    for metric in _OF_TRAINING:
        values = [float(row[metric.name]) for row in last if row.get(metric.name)]
        if values:
            found[metric.name] = statistics.fmean(values)
    probed = Table(run / "probe.csv").numbers("knn_accuracy")
    if probed:
        found |= {PROBE.name: probed[-1], _PROBE_UNTRAINED.name: probed[0]}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def of_evaluation(evaluation: Evaluation, data: LabelledSet, classifiers: Sequence[str]) -> dict[str, float]:
    """Accuracies by metric name, of the chosen classifiers, on the labelled set that the evaluation is of."""
    return {
        _of_evaluation(data, classifier, features, score).name: value
        for (features, classifier, score), value in evaluation.scores.items()
        if classifier in classifiers
    }
