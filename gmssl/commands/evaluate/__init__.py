"""`gmssl evaluate`: a run by simple classifiers, or any encoders by a benchmark."""

from __future__ import annotations

import typer

from gmssl.commands.common.options import Neighbours, Overrides, Workers, examples
from gmssl.commands.evaluate.benchmark import is_benchmark, near, refuse_given
from gmssl.commands.evaluate.options import (
    Encoders,
    Exclude,
    Folds,
    Json,
    Leaks,
    Name,
    Out,
    References,
    Seed,
    Test,
    Train,
    What,
    Where,
    WhereTest,
)

EVALUATE_EXAMPLES = examples(
    "gmssl evaluate RUN  # on the images of the run",
    "gmssl evaluate RUN --train my/train --test my/test",
    "gmssl evaluate brain_tumor_linear --encoder RUN  # a benchmark",
)

_BENCHMARK_ONLY = ("encoder", "json", "out", "overrides")
_RUN_ONLY = (
    *("train", "test", "folds", "where", "where_test", "neighbours", "seed", "name", "workers", "references"),
    *("exclude", "leaks"),
)


def evaluate(
    context: typer.Context,
    what: What,
    encoder: Encoders = None,
    json: Json = None,
    out: Out = None,
    overrides: Overrides = None,
    train: Train = None,
    test: Test = None,
    folds: Folds = None,
    where: Where = None,
    where_test: WhereTest = None,
    neighbours: Neighbours = 20,
    seed: Seed = 0,
    name: Name = None,
    workers: Workers = 0,
    references: References = None,
    exclude: Exclude = None,
    leaks: Leaks = None,
) -> None:
    """Evaluate a run's encoder by kNN and a linear probe, or any encoders by a benchmark."""
    if is_benchmark(what):
        from gmssl.commands.evaluate.benchmark import run

        refuse_given(context, _RUN_ONLY, "is for runs; a benchmark says it in its YAML file, and --set changes that")
        return run(what, encoder or [], json, out, overrides or [])
    from gmssl.commands.evaluate.run import Rows, Shared, judge_run

    refuse_given(context, _BENCHMARK_ONLY, f"is for benchmarks, and {what} is none{near(what)}")
    rows = Rows(train, where, test, where_test, folds)
    judge_run(what, rows, Shared(neighbours, seed, name, workers, references, exclude, leaks))
