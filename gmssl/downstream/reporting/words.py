"""What stands below tables: what was measured, and what the numbers do not show."""

from __future__ import annotations

from collections.abc import Iterator

from gmssl.downstream.reporting.judged import IMAGENET, RANDOM, TRAINED, Judged, role_of
from gmssl.downstream.reporting.numbers import NONE, between, counted, scale, shown, signed
from gmssl.downstream.reporting.pairs import Pair, pair_of
from gmssl.downstream.reporting.report import Report

RULE = (
    "Bold: the best, where it is told apart from every other encoder; underlined: the second, where it is told apart "
    "from every encoder below it. Two are told apart where each 95 % interval of their paired difference that is at "
    "hand (over seeds, over patients or cases) excludes 0. Nothing is corrected for the number of comparisons."
)
SHARES = "Mean ± standard deviation over seeds; shares in per cent, other scores in the unit that ends their name."


def about(judged: Judged) -> str:
    """How many cases, seeds and leaks a benchmark has."""
    data = judged.any.data
    seeds = sorted({len(result.seeds) for result in judged.results})
    many = counted(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    patients = f" of {counted(data.patients, 'patient')}" if data.patients else ", patients not known"
    text = f"{judged.name}: {judged.metric}; {counted(data.cases, 'case')}{patients}, {data.test} scored, {many}"
    states = {result.encoder.frozen for result in judged.results}
    text += ", frozen encoders" if states == {True} else ", fine-tuned encoders"
    if not data.leaked:
        return f"{text}; no scored image is pixel-identical to one that is learnt from."
    rest = "" if judged.any.clean is None else "; the column without leaks scores the others"
    return f"{text}; {data.leaked} scored images are pixel-identical to images that are learnt from{rest}."


def patients(report: Report) -> Iterator[str]:
    """Where intervals over patients are left out, and why."""
    for name, reason in report.missing.items():
        yield f"{name}: no intervals over patients or cases, because {reason}."


def verdicts(report: Report) -> Iterator[str]:
    """For each encoder and each of ImageNet and random weights: above, below, or not told apart."""
    for encoder in report.encoders:
        found: dict[str, dict[int, list[str]]] = {}
        for one in report.judged:
            result = one.named(encoder)
            if result is None or role_of(result) == RANDOM:
                continue
            for other in one.results:
                if role_of(other) <= role_of(result):  # ImageNet is itself only asked whether it beats random weights
                    continue
                pair = pair_of(report.pairs[one.name], encoder, other.encoder.name)
                if pair is not None and pair.seeds is not None:
                    places = found.setdefault(other.encoder.name, {})
                    places.setdefault(pair.verdict, []).append(f"{one.name} ({in_words(pair)})")
        for other_name, places in found.items():
            yield (
                f"{encoder} against {other_name}: "
                + "; ".join(
                    f"{words} {', '.join(places[verdict])}"
                    for verdict, words in ((-1, "WORSE on"), (0, "not told apart on"), (1, "better on"))
                    if verdict in places
                )
                + "."
            )


def lacking(report: Report) -> Iterator[str]:
    """Benchmarks that lack what a score must beat, and encoders whose weights are not the same everywhere."""
    for one in report.judged:
        roles = {role_of(result) for result in one.results}
        absent = [words for role, words in ((IMAGENET, "ImageNet"), (RANDOM, "random weights")) if role not in roles]
        if absent:
            yield f"{one.name}: {' and '.join(absent)} not evaluated, so whether encoders beat them is not known."
    for encoder in report.encoders:
        results = [(one.name, one.named(encoder)) for one in report.judged]
        prints = {name: result.encoder.fingerprint for name, result in results if result and role_of(result) == TRAINED}
        if len(set(prints.values())) > 1:
            listed = ", ".join(f"{name} {value}" for name, value in prints.items())
            yield f"{encoder} has different weights in different benchmarks (fingerprints: {listed})."


def in_words(pair: Pair) -> str:
    """`+1.20, seeds [0.10, 2.30], patients [−0.40, 2.80]`."""
    by = scale(pair.metric)
    if pair.seeds is None:
        return NONE
    over = [
        f"{what} {between(interval, by)}"
        for what, interval in (("seeds", pair.seeds.interval), ("patients", pair.patients))
        if interval is not None
    ]
    return ", ".join([f"{shown(pair.metric, pair.higher)} {signed(by * pair.seeds.mean)}", *over])
