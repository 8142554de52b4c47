"""The folder of an audit: numbers as JSON, all pairs as CSV, a list of exclusions, and a page to look at."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from gmssl.corpus.audit.findings import EXACT, NEAR, Audit, Comparison, exclusions
from gmssl.corpus.audit.page.rendering import page_of
from gmssl.errors import DataError
from gmssl.system.files import write_whole
from gmssl.system.json_text import json_text

PAIRS, EXCLUDE, NUMBERS, PAGE = "pairs.csv", "exclude.csv", "audit.json", "audit.html"


def make_folder(folder: Path) -> None:
    """Make the folder, or find that it can be written to.

    Raises:
        DataError: it is a file, or holds something else than an audit.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; name a folder with --out.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / NUMBERS).is_file():
        raise DataError(f"{folder} holds something else than an audit; name a new folder with --out.")
    folder.mkdir(parents=True, exist_ok=True)


def write_audit(audit: Audit, folder: Path, shown: int, patients: bool, command: str) -> None:
    """Write all files of an audit.

    Args:
        audit: what was found.
        folder: an existing one.
        shown: how many pairs of each kind and test set the page shows.
        patients: whether images of patients of the test sets are on the list of exclusions, too.
        command: what the page says it was made by.
    """
    write_whole(folder / PAIRS, _table(_PAIR, _pairs(audit)))
    listed = exclusions(audit, patients)
    store = audit.store
    rows = [
        (one.pixels, one.reason, store.row(one.image), store.images.records[one.image].name, round(one.score, 4))
        for one in listed
    ]
    write_whole(folder / EXCLUDE, _table(("pixels", "reason", "row", "name", "score"), rows))
    write_whole(folder / PAGE, page_of(audit, shown, len(listed), command))
    write_whole(folder / NUMBERS, json_text(_numbers(audit, len(listed))) + "\n")


_PAIR = (
    *("kind", "score", "row", "stored", "dataset", "copies", "pixels"),
    *("test_set", "test_row", "test", "test_dataset", "test_pixels"),
)


def _pairs(audit: Audit) -> Iterable[Sequence[object]]:
    stored = audit.store
    for comparison in audit.comparisons:
        test = comparison.test
        for pair in comparison.pairs:
            yield (
                pair.kind,
                round(pair.score, 4),
                stored.row(pair.stored),
                stored.images.records[pair.stored].name,
                stored.dataset.of(pair.stored),
                pair.copies,
                pair.digest,
                test.name,
                test.row(pair.test),
                test.images.records[pair.test].name,
                test.dataset.of(pair.test),
                pair.test_digest,
            )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "replace").decode()


def _numbers(audit: Audit, excluded: int) -> dict[str, object]:
    return {
        "store": audit.store.name,
        "images": len(audit.store),
        "unreadable": audit.unreadable,
        "threshold": audit.threshold,
        "excluded": excluded,
        "tests": [_of_test(comparison) for comparison in audit.comparisons],
        "overlaps": [{**vars(overlap), "share": overlap.share} for overlap in audit.overlaps],
    }


def _of_test(comparison: Comparison) -> dict[str, object]:
    exact, near = comparison.images(EXACT), comparison.images(NEAR)
    return {
        "name": comparison.test.name,
        "within": comparison.within,
        "images": len(comparison.test),
        "unreadable": comparison.unreadable,
        "blank": comparison.blank,
        "exact": len(exact),
        "near": len(near - exact),
        "left": len(comparison.test) - len(exact | near),
        "pairs": len(comparison.pairs),
        "ids_compared": comparison.ids,
        "shared": [vars(shared) for shared in comparison.shared],
    }
