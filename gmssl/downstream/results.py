"""Results of benchmarks: one JSON schema for all tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gmssl.downstream.measures import Measured
from gmssl.errors import DataError
from gmssl.interfaces.task import Value
from gmssl.system.json_text import json_text

SCHEMA = 1
"""Number of the form of result files; a change that readers must know raises it."""

ROWS, ABOUT = "rows.json", "fit.json"
"""Files in the folder of a fit: its rows; its encoder, fold and seed, and whose the cases are."""


@dataclass(frozen=True)
class Subject:
    """The encoder.

    Attributes:
        name: for tables.
        source: where its weights came from, in words.
        fingerprint: of its weights; of those of seed 0 where they are random.
        frozen: whether it was left as it was.
    """

    name: str
    source: str
    fingerprint: str
    frozen: bool


@dataclass(frozen=True)
class Cohort:
    """The cases.

    Attributes:
        cases: all of them.
        patients: known patients among them.
        train: cases learnt from, those that choose the epoch included; the mean over folds.
        test: cases scored.
        sites: scored cases by site.
        leaked: test cases whose image is identical to one that is learnt from.
        digest: of the names, files, labels and patients.
        facts: what the task found in them.
        learnt_sites: cases learnt from by site; of all folds together.
    """

    cases: int
    patients: int
    train: float
    test: int
    sites: dict[str, int]
    leaked: int
    digest: str
    facts: dict[str, Value]
    learnt_sites: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """One encoder on one benchmark.

    Attributes:
        scores: metric → over all test cases.
        per_site: site → metric → over its cases.
        clean: metric → over the test cases without leaks; None where there are none.
        published: rows of the paper's tables, each with `method`, `mean` and `sd`.
        fits: folders of the fits, which hold a row for each case; all folds of the first seed, then those of the next.
        classes: names of the classes that are scored.
        higher_is_better: of the main score; None where it is not known.
        protocol: the settings of split and training, without those that only concern the machine.

    Files that were written before the last three were known have none of them.
    """

    benchmark: str
    task: dict[str, Value]
    main: str
    encoder: Subject
    data: Cohort
    seeds: tuple[int, ...]
    scores: dict[str, Measured]
    per_site: dict[str, dict[str, Measured]] = field(default_factory=dict)
    clean: dict[str, Measured] | None = None
    published: tuple[dict[str, Value], ...] = ()
    fits: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    higher_is_better: bool | None = None
    protocol: dict[str, Value] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Mappings, lists, texts and numbers; the scores of a site stand within those of their metric."""
        whole = {"schema": SCHEMA, **asdict(self)}
        per_site = whole.pop("per_site")
        for metric, measured in whole["scores"].items():
            measured["per_site"] = {site: metrics[metric] for site, metrics in per_site.items() if metric in metrics}
        return whole


def to_json(results: Sequence[Result]) -> str:
    """The first encoder, with the others in `beside`."""
    first, *others = (result.as_json() for result in results)
    return json_text({**first, "beside": others}) + "\n"


def read_results(path: Path) -> list[Result]:
    """The results in a file that `gmssl evaluate --json` wrote.

    Raises:
        DataError: there is no such file, or it holds no results, or those of another version.
    """
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
        found = [loaded, *loaded["beside"]]
        if any(one["schema"] != SCHEMA for one in found):
            raise DataError(f"{path} has schema {loaded['schema']}, and this gmssl reads {SCHEMA}. Evaluate anew.")
        return [_result(one) for one in found]
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). Give a file of `gmssl evaluate --json`.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} holds no results ({type(error).__name__}: {error}). Give a file of `gmssl evaluate --json`."
        ) from None


def _result(given: Mapping[str, Any]) -> Result:
    per_site: dict[str, dict[str, Measured]] = {}
    for metric, measured in given["scores"].items():
        for site, one in measured["per_site"].items():
            per_site.setdefault(site, {})[metric] = _measured(one)
    clean = given["clean"]
    return Result(
        given["benchmark"],
        given["task"],
        given["main"],
        Subject(**given["encoder"]),
        Cohort(**given["data"]),
        tuple(given["seeds"]),
        {metric: _measured(one) for metric, one in given["scores"].items()},
        per_site,
        None if clean is None else {metric: _measured(one) for metric, one in clean.items()},
        tuple(given["published"]),
        tuple(given["fits"]),
        tuple(given.get("classes", ())),
        given.get("higher_is_better"),
        dict(given.get("protocol", {})),
    )


def _measured(given: Mapping[str, Any]) -> Measured:
    low, high = (None, None) if given["interval"] is None else given["interval"]
    numbers = (given["mean"], given["deviation"], low, high, *given["per_seed"].values())
    strange = [number for number in numbers if not (number is None or isinstance(number, int | float))]
    if strange:
        raise ValueError(f"{strange[0]!r} is no number")
    interval = None if low is None or high is None else (low, high)
    return Measured(given["mean"], given["deviation"], interval, dict(given["per_seed"]))
