"""Images in groups, by what their records say."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.interfaces.data import Record
from gmssl.parts.data.groups import grouped
from gmssl.parts.data.manifest import FileImages
from gmssl.parts.data.phantoms import Phantoms
from gmssl.parts.data.store import StoreImages
from gmssl.parts.data.union import Union, UnionImages

MODALITIES = st.lists(st.none() | st.sampled_from(["ct", "mri", "unknown"]), min_size=1, max_size=12)


def listed(modalities: list[str | None], dataset: str | None = None) -> FileImages:
    records = [Record(f"{n}.png", dataset=dataset, modality=modality) for n, modality in enumerate(modalities)]
    return FileImages([record.name for record in records], records)


def stored(modalities: list[str | None], rows: np.ndarray | None = None) -> StoreImages:
    """A store of two chunks, whose table is made here."""
    images = StoreImages(Path("nowhere"), (), rows)
    middle = len(modalities) // 2
    columns = {
        "image": [{"path": f"{n}.png", "bytes": b""} for n in range(len(modalities))],
        "modality": modalities,
        **{fact: [None] * len(modalities) for fact in ("label", "patient", "dataset")},
    }
    types = {"image": pyarrow.struct([("path", pyarrow.string()), ("bytes", pyarrow.binary())])}
    table = pyarrow.table({name: pyarrow.array(v, types.get(name, pyarrow.string())) for name, v in columns.items()})
    images._table = pyarrow.concat_tables([table.slice(0, middle), table.slice(middle)])
    return images


@given(MODALITIES)
def test_groups_are_those_of_the_records(modalities: list[str | None]) -> None:
    if not any(modalities):
        with pytest.raises(DataError, match=r"balance\.by: the modality is not known of any image\. Name another"):
            grouped(listed(modalities), "modality")
        return
    groups = grouped(listed(modalities), "modality")
    assert [groups.names[of] for of in groups.of.tolist()] == [name or "unknown" for name in modalities]
    assert list(groups.names) == sorted(set(groups.names))
    assert groups.sizes.tolist() == [[n or "unknown" for n in modalities].count(name) for name in groups.names]


@given(MODALITIES, st.data())
def test_a_store_tells_what_its_records_say(modalities: list[str | None], data: st.DataObject) -> None:
    every = range(len(modalities))
    rows = data.draw(st.none() | st.lists(st.sampled_from(every), min_size=1, unique=True).map(sorted).map(np.array))
    images = stored(modalities, rows)
    assert images.facts("modality") == [record.modality for record in images.records]
    assert images.facts("label") == [None] * len(images)


@given(st.lists(MODALITIES, min_size=1, max_size=3), st.sampled_from(["modality", "dataset", "label"]))
def test_a_union_tells_what_its_records_say(sources: list[list[str | None]], fact: str) -> None:
    parts = [stored(m) if n % 2 else listed(m, dataset="brain" if n else None) for n, m in enumerate(sources)]
    images = UnionImages(parts, [f"source {n}" for n in range(len(sources))])
    assert images.facts(fact) == [getattr(record, fact) for record in images.records]


def test_groups_without_a_fact_are_one() -> None:
    groups = grouped(listed([None, "ct"]), None)
    assert (groups.names, groups.of.tolist(), groups.sizes.tolist()) == (("all",), [0, 0], [2])


def test_sources_of_a_union_are_groups() -> None:
    images = Union(of=(Phantoms(number=3), Phantoms(number=4))).images()
    assert grouped(images, "dataset").names == ("phantoms",)
    assert grouped(images, "modality").sizes.tolist() == [7]


def test_a_million_images_of_a_store_are_grouped_within_two_seconds() -> None:
    number = 1_300_000
    names = np.array(["ct", "mri", "x-ray", "ultrasound"])
    column = pyarrow.array(names[np.arange(number) % 4])
    chunks = pyarrow.chunked_array([column.slice(first, 4096) for first in range(0, number, 4096)])
    images = StoreImages(Path("nowhere"), ())
    images._table = pyarrow.table({"modality": chunks})
    start = process_time()
    groups = grouped(images, "modality")
    assert process_time() - start < 2
    assert groups.sizes.tolist() == [number // 4] * 4
