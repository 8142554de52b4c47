"""The end of a build: what became of everything, the header of the store, and its report."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmssl.corpus.page import to_html
from gmssl.corpus.plan import Found, Plan
from gmssl.corpus.recipe import Corpus, Source
from gmssl.corpus.schema import info, state
from gmssl.corpus.unit import GREYS, Tally
from gmssl.errors import DataError
from gmssl.parts.data.store import HEADER, VERSION
from gmssl.system.files import write_whole
from gmssl.system.json_text import json_text

REPORT, PAGE = "report.json", "report.html"

Report = dict[str, Any]
"""What became of a source."""


@dataclass
class Content:
    """What a store holds of a modality of a source: images, and the names of patients and volumes.

    An image that is by itself is the only slice of its file, number 0, and no volume.
    """

    images: int = 0
    patients: set[str] = field(default_factory=set)
    volumes: set[str] = field(default_factory=set)

    def as_json(self) -> Report:
        """The numbers of each."""
        return {"images": self.images, "patients": len(self.patients), "volumes": len(self.volumes)}


@dataclass
class Outcome:
    """What became of a source.

    Attributes:
        found: what was listed.
        tally: what became of its acquisitions.
        sizes: how many images there are of each (height, width).
        modalities: what the store holds of each.
    """

    found: Found
    source: Source
    tally: Tally = field(default_factory=Tally)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    modalities: dict[str, Content] = field(default_factory=dict)

    @property
    def faults(self) -> list[tuple[str, str]]:
        """What is broken: names with their reasons, of those that are cut into several pieces the first one."""
        named: dict[str, str] = {}
        for name, reason in self.tally.faults:
            named.setdefault(name, reason)
        return [(left.name, left.reason) for left in self.found.left_out if left.fault] + list(named.items())

    def as_json(self) -> Report:
        """For the report."""
        held = self.modalities.values()
        other = Counter(left.reason for left in self.found.left_out if not left.fault)
        return {
            "dataset": self.source.name,
            "missing": self.found.missing,
            "files": self.found.files,
            "acquisitions": self.found.acquisitions,
            "patients": len(set().union(*(content.patients for content in held))),
            "volumes": len(set().union(*(content.volumes for content in held))),
            "images": self.tally.slices,
            "empty": self.tally.empty,
            "excluded": self.tally.excluded,
            "modalities": {name: content.as_json() for name, content in sorted(self.modalities.items())},
            "left_out": dict(sorted(other.items())),
            "faults": [{"name": name, "reason": reason} for name, reason in self.faults],
            "sizes": [{"height": h, "width": w, "images": n} for (h, w), n in sorted(self.sizes.items())],
            "greys": self.tally.greys,
        }


def finish(corpus: Corpus, plan: Plan, folder: Path, files: Sequence[str], told: Sequence[Path]) -> list[Report]:
    """Make a store of the files of all units: its header is written last, and makes it one.

    Raises:
        DataError: more acquisitions are broken than the corpus allows, or there is no image.
        OSError: the machine is at fault.
    """
    outcomes = [Outcome(found, source) for found, source in zip(plan.found, corpus.sources, strict=True)]
    digests: dict[str, str] = {}
    for name, path in zip(files, told, strict=True):
        unit = json.loads(path.read_text(encoding="utf-8"))
        digests[name] = unit["sha256"]
        for number, tally in unit["tallies"].items():
            _add(outcomes[int(number)].tally, Tally(**tally))
    report = folder / REPORT
    _count_rows(outcomes, folder, files)
    facts = [outcome.as_json() for outcome in outcomes]
    _write(report, facts)
    _refuse_faults(outcomes, corpus, report)
    fingerprint = hashlib.sha256("".join(digests.values()).encode()).hexdigest()[:16]
    write_whole(folder / PAGE, to_html(facts, folder, files, corpus.bits))
    for path in folder.glob(".*.arrow.*"):
        path.unlink()  # what killed workers were writing
    _write(folder / "state.json", state(files, fingerprint))
    _write(folder / "dataset_info.json", info())
    header = {
        "version": VERSION,
        "images": sum(outcome.tally.slices for outcome in outcomes),
        "files": list(files),
        "sha256": digests,
        "digest": plan.digest,
        "salt": plan.mark,
        "corpus": corpus.model_dump(mode="json", exclude={"salt"}),
    }
    _write(folder / HEADER, header)
    shutil.rmtree(folder / ".build", ignore_errors=True)  # a task of a killed build may still be writing into it
    return facts


def _write(path: Path, document: object) -> None:
    """JSON; bytes of file names that are no UTF-8 become escapes."""
    write_whole(path, json_text(document).encode("utf-8", "backslashreplace").decode("utf-8") + "\n")


def read_report(folder: Path) -> list[Report]:
    """What became of each source of a finished store.

    Raises:
        DataError: the report is missing or damaged.
    """
    try:
        found: list[Report] = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder / REPORT} cannot be read ({error}). Copy the store again, or build it again."
        ) from None
    return found


def _add(total: Tally, part: Tally) -> None:
    total.slices += part.slices
    total.empty += part.empty
    total.excluded += part.excluded
    total.faults += [(name, reason) for name, reason in part.faults]
    total.greys = [total.greys[i] + part.greys[i] for i in range(GREYS)]


def _count_rows(outcomes: Sequence[Outcome], folder: Path, files: Sequence[str]) -> None:
    """Patients, volumes, sizes and modalities, from the columns of the store."""
    import pyarrow

    named = {outcome.source.name: outcome for outcome in outcomes}
    columns = ["dataset", "modality", "patient", "volume", "slice", "height", "width"]
    for name in files:
        with pyarrow.memory_map(str(folder / name)) as mapped:
            table = pyarrow.ipc.open_stream(mapped).read_all().select(columns)
            for dataset, modality, patient, volume, number, height, width in zip(
                *(column.to_pylist() for column in table.columns), strict=True
            ):
                outcome = named[dataset]
                outcome.sizes[height, width] += 1
                content = outcome.modalities.setdefault(modality or "unknown", Content())
                content.images += 1
                if number:
                    content.volumes.add(volume)
                if patient is not None:
                    content.patients.add(patient)


def _refuse_faults(outcomes: Sequence[Outcome], corpus: Corpus, report: Path) -> None:
    faults = [(o.source.name, *fault) for o in outcomes for fault in o.faults]
    listed = sum(o.found.acquisitions + sum(left.fault for left in o.found.left_out) for o in outcomes)
    if faults and len(faults) > corpus.max_unreadable * listed:
        source, name, reason = faults[0]
        raise DataError(
            f"{len(faults)} of {listed} acquisitions are broken, more than max_unreadable {corpus.max_unreadable:g} "
            f"allows; the first is {source}: {name}: {reason} "
            f"All stand in {report}. What could be read is kept: mend the files and build anew, or raise "
            "max_unreadable and run the same command again."
        )
    if not any(outcome.tally.slices for outcome in outcomes):
        raise DataError(
            f"no source has an image that is neither empty nor excluded; see {report}. Correct the sources."
        )
