"""All that a report says, before it is drawn or written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gmssl.downstream.reporting.drawn import Rows, RowsError, draw, rows_of
from gmssl.downstream.reporting.judged import Judged, encoders_of, read_all
from gmssl.downstream.reporting.pairs import Pair, pairs_of

Told = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """Benchmarks, encoders, and how they differ.

    Attributes:
        judged: benchmarks by name.
        encoders: in the order of tables.
        pairs: benchmark → all pairs of its encoders.
        rows: benchmark → encoder → the rows of its fits, where these are at hand.
        missing: benchmark → why there are no intervals over patients.
        samples: of the bootstrap.
    """

    judged: tuple[Judged, ...]
    encoders: tuple[str, ...]
    pairs: dict[str, list[Pair]]
    rows: dict[str, dict[str, Rows]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    samples: int = 0


def compare(
    files: Sequence[Path], metrics: Sequence[str] = (), samples: int = 1000, told: Told | None = None
) -> Report:
    """Read files of results and compare their encoders.

    Args:
        files: that `gmssl evaluate --json` wrote, in any order.
        metrics: see `gmssl.downstream.reporting.judged.read_all`.
        samples: bootstrap samples of patients for paired differences; 0 for none.
        told: told what is being done.

    Raises:
        DataError: files that hold no results, or that must not be compared.
    """
    judged = read_all(files, metrics)
    pairs, rows, missing = dict[str, list[Pair]](), dict[str, dict[str, Rows]](), dict[str, str]()
    for one in judged:
        drawn = None
        try:
            rows[one.name] = {result.encoder.name: rows_of(result) for result in one.results}
            if samples and len(one.results) > 1:
                drawn = draw(one, rows[one.name], samples, told or (lambda words: None))
        except RowsError as reason:
            missing[one.name] = str(reason)
        pairs[one.name] = pairs_of(one, drawn)
    return Report(tuple(judged), tuple(encoders_of(judged)), pairs, rows, missing, samples)
