"""Paired differences between encoders: over seeds by Student's t, over patients by a bootstrap of paired rows.

Over seeds: both encoders were trained with the same seeds, and the interval is that of the differences
(`gmssl.system.statistics`): how much of a difference is luck of the training. Over patients: patients (cases where
these are not known) are drawn with replacement, the same ones for both encoders and all seeds: how much is luck of the
test set. Neither contains the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gmssl.downstream.reporting.drawn import Drawn
from gmssl.downstream.reporting.judged import Judged, values_of
from gmssl.system.statistics import Summary, difference

Interval = tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """The score of one encoder minus that of another, on one benchmark.

    Attributes:
        benchmark, metric: what is compared.
        higher: whether more of it is better.
        one, other: encoders.
        seeds: of the differences on the seeds that both have; None where they share none.
        patients: 95 % bootstrap interval of the mean over these seeds; None where the rows are not at hand.
    """

    benchmark: str
    metric: str
    higher: bool
    one: str
    other: str
    seeds: Summary | None
    patients: Interval | None

    @property
    def verdict(self) -> int:
        """1 if `one` is better, −1 if it is worse, 0 if they are not told apart.

        They are told apart where there is an interval, and none that there is holds 0.
        """
        over_seeds = None if self.seeds is None else self.seeds.interval
        known = [interval for interval in (over_seeds, self.patients) if interval is not None]
        signs = {(low > 0) - (high < 0) for low, high in known}
        sign = signs.pop() if len(signs) == 1 else 0
        return sign if self.higher else -sign

    def turned(self) -> Pair:
        """Other minus one."""
        seeds, patients = self.seeds, self.patients
        if seeds is not None:
            interval = None if seeds.interval is None else (-seeds.interval[1], -seeds.interval[0])
            seeds = Summary(seeds.n, -seeds.mean, seeds.deviation, interval)
        return Pair(
            *(self.benchmark, self.metric, self.higher, self.other, self.one, seeds),
            None if patients is None else (-patients[1], -patients[0]),
        )


def pairs_of(judged: Judged, drawn: Drawn | None = None) -> list[Pair]:
    """All pairs of encoders of a benchmark, each once, in the order of tables.

    Args:
        judged: the benchmark.
        drawn: bootstrap samples of the encoders; None if there are none.
    """
    found = []
    for one, other in combinations(judged.results, 2):
        values, reference = (values_of(result.scores.get(judged.metric)) for result in (one, other))
        names = one.encoder.name, other.encoder.name
        over = difference(values, reference)
        patients = None if drawn is None else between(drawn, *names, sorted({*values} & {*reference}))
        found.append(Pair(judged.name, judged.metric, judged.higher, *names, over, patients))
    return found


def between(drawn: Drawn, one: str, other: str, seeds: Sequence[int]) -> Interval | None:
    """2.5 and 97.5 per cent of the difference of means over seeds, in samples that both have a score in."""
    if one not in drawn.scores or other not in drawn.scores or not seeds:
        return None
    differences = np.mean([drawn.scores[one][seed] - drawn.scores[other][seed] for seed in seeds], axis=0)
    known = differences[np.isfinite(differences)]
    if len(known) <= 0.9 * len(differences):  # a class that is rarely drawn has no interval to speak of
        return None
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def pair_of(pairs: Sequence[Pair], one: str, other: str) -> Pair | None:
    """One minus other; None if it was not compared."""
    for pair in pairs:
        if (pair.one, pair.other) == (one, other):
            return pair
        if (pair.one, pair.other) == (other, one):
            return pair.turned()
    return None


def marks(ranked: Sequence[str], pairs: Sequence[Pair]) -> tuple[str | None, str | None]:
    """The encoders to print in bold and underlined; None for either that nothing proves.

    The best is marked if it is told apart from every other, the second if it is told apart from every one below.

    Args:
        ranked: encoders of a benchmark from best to worst.
        pairs: of the benchmark.
    """

    def beats_all_below(place: int) -> bool:
        below = ranked[place + 1 :]
        found = [pair_of(pairs, ranked[place], other) for other in below]
        return bool(below) and all(pair is not None and pair.verdict > 0 for pair in found)

    best = ranked[0] if ranked and beats_all_below(0) else None
    return best, ranked[1] if len(ranked) > 1 and beats_all_below(1) else None
