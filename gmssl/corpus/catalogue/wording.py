"""Entries and verifications as tables for readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gmssl.corpus.catalogue.entry import AsPrinted, Entry, Place, Published
from gmssl.corpus.catalogue.released import Listed
from gmssl.corpus.catalogue.verify import Verification
from gmssl.system.grid import Grid

SHOWN = 10
"""Names that a report prints of each kind; the rest is counted."""


def catalogue_grid(entries: Sequence[Entry]) -> Grid:
    """One row for each dataset."""
    headings = ("no.", "name", "modality", "organ", "", "access", "licence", "reader")
    note = f"\n{len(entries)} datasets; `gmssl data show NAME` prints all that is known of one."
    return Grid("", headings, [_row(entry) for entry in entries], note, left=len(headings))


def entry_grids(entry: Entry) -> list[Grid]:
    """All facts of a dataset, then its layout."""
    printed = entry.as_printed
    rows = [
        ("name", entry.name if entry.number is None else f"{entry.name}, number {entry.number} in Table 13 of LVM-Med"),
        ("modality", ", ".join(entry.modality)),
        ("organ", entry.organ),
        ("dimension", entry.dimension),
        ("licence", entry.licence),
        ("homepage", entry.homepage),
        ("access", entry.access),
        ("how to get it", entry.obtain),
        ("reader", _readers(entry)),
        ("for training", entry.split.sentence),
        ("patient", entry.split.patient or "paths do not tell"),
        ("patients", "" if entry.patients is None else str(entry.patients)),
        ("known by", ", ".join(entry.known_by)),
        *(("published list", _published(published)) for published in entry.published),
        ("as printed", "" if printed is None else _printed(printed)),
        ("odd", entry.odd or ""),
        ("notes", entry.notes or ""),
    ]
    layout = [(place.holds, place.pattern, _count(place), _conditions(place)) for place in entry.layout]
    return [
        Grid(entry.title, ("", ""), [row for row in rows if row[1]]),
        Grid("Layout", ("holds", "pattern", "files", ""), layout, left=4),
    ]


def verification_grid(found: Verification) -> Grid:
    """Places with their numbers of files; what is missing, extra or doubled stands in the note."""
    rows = [(each.place.holds, each.place.pattern, str(each.files), _count(each.place)) for each in found.found]
    patients = "" if found.patients is None else f" of {found.patients} patients"
    lines = [f"\n{found.images} images{patients} in {found.files} files."]
    lines += _some("missing", found.missing)
    lines += _some("extra", found.extra)
    lines += _some("doubled", [" = ".join(group) for group in found.doubled])
    if found.listed is not None:
        lines += _listed(found.listed)
    lines.append(f"{found.entry} is complete." if found.complete else f"{found.entry} is not as it should be.")
    return Grid("", ("holds", "pattern", "files", "expected"), rows, "\n".join(lines))


def _row(entry: Entry) -> tuple[str, ...]:
    number = "" if entry.number is None else str(entry.number)
    modality = ", ".join(entry.modality)
    return number, entry.name, modality, entry.organ, entry.dimension, entry.access, entry.licence, _readers(entry)


def _readers(entry: Entry) -> str:
    return " or ".join(
        reader.kind + "".join(f" {name}={value}" for name, value in reader.settings.items()) for reader in entry.reader
    )


def _published(published: Published) -> str:
    part = "" if published.own is None else f", {published.own} of them of this dataset"
    adds = "" if published.adds is None else f", with {published.adds} added to names"
    return f"{published.name}: {published.entries} lines, {published.unique} different{part}{adds}"


def _printed(printed: AsPrinted) -> str:
    split = "official split" if printed.official_split else "no official split"
    return f"{printed.name}, {printed.organ}, {printed.modality}, {printed.dimension}, {split}, {printed.total}"


def _count(place: Place) -> str:
    if place.count is None:
        return ""
    least, most = place.count
    return str(least) if least == most else f"{least} to {most}"


def _conditions(place: Place) -> str:
    return ", ".join(["required"] * place.required + ["names are unique"] * place.unique)


def _some(what: str, names: Sequence[str]) -> Iterable[str]:
    if names:
        yield f"{what}: {len(names)}"
        yield from (f"  {name}" for name in names[:SHOWN])
        if len(names) > SHOWN:
            yield f"  and {len(names) - SHOWN} more; --json prints all"


def _listed(listed: Listed) -> Iterable[str]:
    yield from _some(f"differences from the released list {listed.name}", listed.differences)
    if not listed.differences:
        yield f"The list is {listed.name}, as released."
    if listed.names:
        there = listed.names - len(listed.missing)
        yield f"{there} of its {listed.names} names are on disk; it does not name {listed.unlisted} images that are."
        yield from _some("missing names of the list", listed.missing)
    else:
        yield "It names no files."
