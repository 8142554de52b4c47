"""Run a benchmark for some encoders; what was done before, with the same encoder, data and settings, is read."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from gmssl.downstream.cohort import Listed, listed
from gmssl.downstream.encoders import Chosen, choose, fingerprint, joined
from gmssl.downstream.fitting import Fit, Fitted, done, run_fit
from gmssl.downstream.measures import Measured, measure
from gmssl.downstream.published import rows_of
from gmssl.downstream.recipe import Benchmark
from gmssl.downstream.results import ABOUT, Cohort, Result, Subject
from gmssl.downstream.splitting import Fold, folds_of, parts_of, refuse_missing, value_of
from gmssl.errors import DataError
from gmssl.evaluation.backbone import EncoderBackbone
from gmssl.interfaces.task import Opened, Row, Value
from gmssl.system.files import write_whole
from gmssl.system.json_text import json_text

_FORM = 1
"""Raised when fits of equal settings would come out otherwise, so that earlier ones are not taken for them."""


@dataclass(frozen=True)
class Told:
    """What happens while a benchmark runs: which encoder, fold and seed, and which of how many epochs."""

    encoder: str
    fold: str
    seed: int
    epoch: int
    epochs: int
    fit: int
    fits: int


Listener = Callable[[Told], None]


def run_benchmark(
    benchmark: Benchmark, name: str, encoders: Sequence[str], out: Path, listener: Listener = lambda told: None
) -> list[Result]:
    """Judge encoders, those that are asked for first and then those of the benchmark.

    Args:
        benchmark: what to do.
        name: of the benchmark, for results.
        encoders: as `--encoder` takes them.
        out: folder of the fits; equal fits in it are taken from there.
        listener: told of every fit and epoch.

    Raises:
        GmsslError: a fault in the settings, the data or the encoders, before anything is trained; or a loss that is
            not finite.
    """
    names = list(dict.fromkeys([*encoders, *benchmark.encoders]))
    if not names:
        raise DataError("no encoder is named. Give --encoder, such as random or timm:resnet50.")
    size = benchmark.task.image_size
    chosen = [choose(one, size, benchmark.encoder) for one in names]
    published = rows_of(benchmark.published)
    data = _listed(benchmark)
    folds = folds_of(data.cases, benchmark.split, data.images)
    if benchmark.task.learns_labels:
        refuse_missing(data.cases, folds)
    opened: dict[int, Opened] = {}
    runs = [_Run(benchmark, name, one, data, folds, out, opened) for one in chosen]
    for run in runs:
        run.check()
    total = len(runs) * len(folds) * len(benchmark.seeds)
    return [
        run.result(published, listener, number * len(folds) * len(benchmark.seeds), total)
        for number, run in enumerate(runs)
    ]


def _listed(benchmark: Benchmark) -> Listed:
    try:
        return listed(benchmark.cases.cases())
    except DataError as error:
        if benchmark.obtain is None:
            raise
        raise DataError(f"{error} How to get the data: {benchmark.obtain}") from None


class _Run:
    """One encoder on one benchmark."""

    def __init__(
        self,
        benchmark: Benchmark,
        name: str,
        chosen: Chosen,
        data: Listed,
        folds: Sequence[Fold],
        out: Path,
        opened: dict[int, Opened],
    ) -> None:
        self._benchmark, self._name, self._chosen = benchmark, name, chosen
        self._data, self._folds, self._out, self._known = data, folds, out, opened
        self._kept: tuple[int, EncoderBackbone | None] | None = None
        self._whole: dict[int, str] = {}
        self._source = ""

    def check(self) -> None:
        """Build the encoder and open the cases, so that all faults are told before the first training."""
        # Random weights are told apart by those of seed 0, so that fits are known again when other seeds are asked for.
        seeds = self._benchmark.seeds if self._chosen.listed else (0,)
        alone = [self._checked(seed) for seed in seeds]
        self._fingerprint = joined(alone)
        if self._chosen.listed:
            self._source = f"{self._source} for seed {seeds[-1]}, and one for each other seed"

    def _checked(self, seed: int) -> str:
        """Build the encoder of a seed and all that is trained; the fingerprint of the former."""
        backbone = self._backbone(seed)
        channels = 3 if backbone is None else backbone.in_channels
        if channels not in self._known:
            self._known[channels] = self._benchmark.task.open(self._data.cases, channels)
        self._opened = self._known[channels]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            # Of all that is trained, since a task may read weights of its own from files.
            self._whole[seed] = fingerprint(self._opened.network(backbone))  # type: ignore[arg-type]
        self._source = "the task's own network" if backbone is None else backbone.source
        return self._whole[seed] if backbone is None else fingerprint(backbone)

    def _backbone(self, seed: int) -> EncoderBackbone | None:
        """The encoder as it is before training; one that is never changed is built once for each of its weights."""
        frozen, of = self._benchmark.training.frozen, seed if self._chosen.varies else 0
        if not frozen or self._kept is None or self._kept[0] != of:
            self._kept = of, self._chosen.backbone(seed, self._benchmark.task.image_size, frozen)
        return self._kept[1]

    def result(self, published: tuple[dict[str, Value], ...], listener: Listener, before: int, total: int) -> Result:
        """Train and test on every fold for every seed, and measure."""
        benchmark, by_seed, folders = self._benchmark, dict[int, list[Row]](), list[str]()
        number = before
        for seed in benchmark.seeds:
            rows: list[Row] = []
            for fold in self._folds:
                folder, fitted = self._fit(fold, seed, listener, number, total)
                rows += fitted.rows
                folders.append(str(folder))
                number += 1
            by_seed[seed] = rows
        return self._measured(by_seed, tuple(folders), published)

    def _fit(self, fold: Fold, seed: int, listener: Listener, number: int, total: int) -> tuple[Path, Fitted]:
        benchmark = self._benchmark
        folder = self._out / "fits" / self._digest(fold, seed)
        epochs = benchmark.training.epochs

        def told(epoch: int) -> None:
            listener(Told(self._chosen.name, fold.name, seed, epoch, epochs, number, total))

        found = done(folder)
        if found is None:
            parts = parts_of(self._data.cases, fold, benchmark.split, seed)
            told(-1)
            fit = Fit(self._opened, benchmark.training, fold, parts, seed, folder, benchmark.pictures)
            found = run_fit(fit, self._backbone(seed), told)
        if not (folder / ABOUT).is_file():
            tested = [self._data.cases[i] for i in fold.test]
            patients = {case.name: case.patient for case in tested if case.patient is not None}
            about = {"encoder": self._chosen.name, "fold": fold.name, "seed": seed, "benchmark": self._name}
            write_whole(folder / ABOUT, json_text({**about, "patients": patients}, indent=None) + "\n")
        told(epochs - 1)
        return folder, found

    def _digest(self, fold: Fold, seed: int) -> str:
        """Of all that decides what a fit finds."""
        benchmark = self._benchmark
        names = [[self._data.cases[i].name for i in side] for side in (fold.train, fold.test)]
        split = benchmark.split.model_dump(mode="json", include={"validation", "labels"})
        task, training = benchmark.task.model_dump(mode="json"), benchmark.training.settled()
        weights = [self._chosen.varies, self._whole[seed if self._chosen.listed else 0]]
        decisive = [_FORM, task, training, split, names, seed, weights, self._data.digest]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:20]

    def _measured(
        self, by_seed: Mapping[int, list[Row]], folders: tuple[str, ...], published: tuple[dict[str, Value], ...]
    ) -> Result:
        benchmark, cases = self._benchmark, self._data.cases
        unit_of = {case.name: case.unit for case in cases}
        summarise, samples, classes = self._opened.summarise, benchmark.bootstrap, tuple(self._opened.classes)

        def on(names: set[str]) -> dict[str, Measured]:
            kept = {seed: [row for row in rows if row["case"] in names] for seed, rows in by_seed.items()}
            return measure(kept, unit_of, summarise, samples, lambda rows: benchmark.task.resampled(rows, classes))

        tested = {str(row["case"]) for row in by_seed[benchmark.seeds[0]]}
        leaked = self._leaked()
        sites = self._sites(tested)
        subject = Subject(self._chosen.name, self._source, self._fingerprint, benchmark.training.frozen)
        cohort = Cohort(
            len(cases),
            len({case.patient for case in cases if case.patient is not None}),
            sum(len(fold.train) for fold in self._folds) / len(self._folds),
            len(tested),
            {site: len(names) for site, names in sites.items()},
            len(leaked),
            self._data.digest,
            dict(self._opened.facts),
            self._learnt_sites(),
        )
        return Result(
            self._name,
            benchmark.task.model_dump(mode="json"),
            self._opened.metric,
            subject,
            cohort,
            benchmark.seeds,
            on(tested),
            {site: on(names) for site, names in sites.items()},
            on(tested - leaked) if leaked and tested - leaked else None,
            published,
            folders,
            classes,
            self._opened.higher_is_better,
            {"split": benchmark.split.model_dump(mode="json"), "training": benchmark.training.settled()},
        )

    def _leaked(self) -> set[str]:
        """Names of test cases whose image is identical to one that is learnt from in the same fold."""
        found = set()
        for fold in self._folds:
            known = {self._data.images[i] for i in fold.train}
            found |= {self._data.cases[i].name for i in fold.test if self._data.images[i] in known}
        return found

    def _learnt_sites(self) -> dict[str, int]:
        fact = self._benchmark.split.site
        if fact is None:
            return {}
        learnt = {i for fold in self._folds for i in fold.train}
        return dict(sorted(Counter(value_of(self._data.cases[i], fact) or "unknown" for i in learnt).items()))

    def _sites(self, tested: set[str]) -> dict[str, set[str]]:
        fact = self._benchmark.split.site
        if fact is None:
            return {}
        found: dict[str, set[str]] = {}
        for case in self._data.cases:
            if case.name in tested:
                found.setdefault(value_of(case, fact) or "unknown", set()).add(case.name)
        return dict(sorted(found.items()))
