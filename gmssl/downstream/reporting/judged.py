"""Benchmarks with the results of their encoders, from any number of files; what must not be compared is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gmssl.downstream.measures import Measured
from gmssl.downstream.results import Result, read_results
from gmssl.errors import DataError
from gmssl.recipe.statistics import ENCODER

_UNIT = re.compile(r"_(mm|px|um|s)$")
"""Ends the name of a score that is no share; those of tasks are distances, of which less is better."""

TRAINED, IMAGENET, RANDOM = range(3)
"""What an encoder is: the last two are what the first must beat."""


@dataclass(frozen=True)
class Judged:
    """One benchmark.

    Attributes:
        name: of the benchmark.
        metric: the score that is shown.
        higher: whether more of it is better.
        results: one for each encoder; those to be judged first, then ImageNet, then random weights, by name.
    """

    name: str
    metric: str
    higher: bool
    results: tuple[Result, ...]

    @property
    def any(self) -> Result:
        """What all results share (data, task, published rows) is read here."""
        return self.results[0]

    @property
    def share(self) -> bool:
        """Whether the score stands in [0, 1]."""
        return is_share(self.metric)

    def named(self, encoder: str) -> Result | None:
        """The result of an encoder; None if there is none."""
        return next((result for result in self.results if result.encoder.name == encoder), None)

    def on(self, metric: str) -> Judged:
        """The same by another score."""
        main = self.any.higher_is_better if metric == self.any.main else None
        return replace(self, metric=metric, higher=is_share(metric) if main is None else main)


def is_share(metric: str) -> bool:
    """Whether a score stands in [0, 1]: its name has no unit."""
    return _UNIT.search(metric) is None


def role_of(result: Result) -> int:
    """`RANDOM`, `IMAGENET` or `TRAINED`, by the name of the encoder and the source of its weights.

    A run that began with one of the former is trained, whatever it is called.
    """
    name, source = result.encoder.name.lower(), result.encoder.source.lower()
    if source.startswith("random") or name == "random":
        return RANDOM
    return IMAGENET if ENCODER not in source and "imagenet" in f"{name} {source}" else TRAINED


def encoders_of(judged: Sequence[Judged]) -> list[str]:
    """Names of all encoders, in the order of tables."""
    roles: dict[str, int] = {}
    for result in (result for one in judged for result in one.results):
        roles[result.encoder.name] = min(role_of(result), roles.get(result.encoder.name, RANDOM))
    return sorted(roles, key=lambda name: (roles[name], name.lower(), name))


def values_of(measured: Measured | None) -> dict[int, float]:
    """Seed → score, of the seeds that have one."""
    per_seed = {} if measured is None else measured.per_seed
    return {int(seed): value for seed, value in per_seed.items() if value is not None}


def read_all(files: Sequence[Path], metrics: Sequence[str] = ()) -> list[Judged]:
    """Read files of results, in any order.

    Args:
        files: that `gmssl evaluate --json` wrote.
        metrics: `NAME` shows this score of every benchmark, `BENCHMARK=NAME` that of one; default: the main scores.

    Raises:
        DataError: a file holds no results; two files have one benchmark with other data, settings or scores; an
            encoder occurs twice with different weights or scores; a score that a benchmark does not have.
    """
    found: dict[str, list[tuple[Path, Result]]] = {}
    for file in sorted(dict.fromkeys(files)):
        for result in read_results(file):
            found.setdefault(result.benchmark, []).append((file, result))
    judged = [_judged(name, given) for name, given in sorted(found.items())]
    return _by_metric(judged, metrics) if metrics else judged


def _judged(name: str, given: Sequence[tuple[Path, Result]]) -> Judged:
    first_file, first = given[0]
    chosen: dict[str, tuple[Path, Result]] = {}
    for file, result in given:
        for what, one, other in _differences(first, result):
            raise DataError(
                f"{first_file} and {file} both hold results of {name!r}, but with different {what}: {one} and {other}. "
                "They must not be compared; evaluate all encoders with the same benchmark on the same data."
            )
        encoder = result.encoder.name
        if encoder in chosen:
            result = _one_of(chosen[encoder], (file, result))
        chosen[encoder] = (file, result)
    results = sorted((result for _, result in chosen.values()), key=lambda one: _order(one))
    return Judged(name, first.main, True, tuple(results)).on(first.main)


def _order(result: Result) -> tuple[int, str, str]:
    name = result.encoder.name
    return role_of(result), name.lower(), name


def _differences(one: Result, other: Result) -> Iterator[tuple[str, object, object]]:
    """What two results of one benchmark must have in common and have not."""
    pairs: Mapping[str, tuple[object, object]] = {
        "data (digest of names, files, labels and patients)": (one.data.digest, other.data.digest),
        "main scores": (one.main, other.main),
        "states of the encoder (frozen)": (one.encoder.frozen, other.encoder.frozen),
        "numbers of scored cases": (one.data.test, other.data.test),
        "numbers of cases to learn from": (one.data.train, other.data.train),
        "sites": (one.data.sites, other.data.sites),
        "numbers of leaks": (one.data.leaked, other.data.leaked),
    }
    yield from ((what, *both) for what, both in pairs.items() if both[0] != both[1])
    yield from _keys("settings of the task", one.task, other.task)
    if one.protocol and other.protocol:
        for part in sorted({*one.protocol, *other.protocol}):
            yield from _keys(f"settings of {part}", one.protocol.get(part), other.protocol.get(part))


def _keys(what: str, one: object, other: object) -> Iterator[tuple[str, object, object]]:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        if one != other:
            yield what, one, other
        return
    for key in sorted({*one, *other}):
        if one.get(key) != other.get(key):
            yield f"{what} ({key})", one.get(key), other.get(key)


def _one_of(known: tuple[Path, Result], further: tuple[Path, Result]) -> Result:
    """Of the same encoder in two files, the result with more seeds; benchmarks repeat their references."""
    (_, one), (_, other) = known, further
    name, benchmark = one.encoder.name, one.benchmark
    where = f"{known[0]} and {further[0]} both hold {name!r} on {benchmark!r}"
    if one.encoder.fingerprint != other.encoder.fingerprint:
        raise DataError(
            f"{where}, with different weights ({one.encoder.fingerprint} and {other.encoder.fingerprint}). Give one of "
            f"them another name when evaluating, as in --encoder OTHER={name}."
        )
    if _shared(one, other) != _shared(other, one):
        raise DataError(f"{where}, with the same weights and seeds but different scores. Leave one of the files out.")
    return max(one, other, key=lambda result: (len(result.seeds), result.fits))


def _shared(one: Result, other: Result) -> dict[str, dict[int, float]]:
    """The scores of one on the seeds of both."""
    seeds = {*one.seeds} & {*other.seeds}
    return {
        metric: {seed: value for seed, value in values_of(measured).items() if seed in seeds}
        for metric, measured in one.scores.items()
    }


def _by_metric(judged: Sequence[Judged], metrics: Sequence[str]) -> list[Judged]:
    names = [one.name for one in judged]
    wanted: dict[str, str] = {}
    for given in sorted(metrics, key=lambda text: "=" in text):  # those of one benchmark win
        benchmark, equals, metric = given.partition("=")
        if equals and benchmark not in names:
            raise DataError(f"--metric {given}: there is no benchmark {benchmark!r}; there are {', '.join(names)}.")
        wanted |= {benchmark: metric} if equals else dict.fromkeys(names, given)
    for one in judged:
        metric = wanted.get(one.name, one.metric)
        known = [name for name in one.any.scores if all(name in result.scores for result in one.results)]
        if metric not in known:
            raise DataError(
                f"--metric {metric}: {one.name} has no such score; it has {', '.join(known)}. "
                f"Choose one of these, by {one.name}=NAME if other benchmarks have others."
            )
    return [one.on(wanted.get(one.name, one.metric)) for one in judged]
