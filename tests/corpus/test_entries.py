"""The entries that gmssl ships, against the tables of the paper and of the published lists."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path

import pytest

from gmssl.corpus.catalogue.entry import MODALITIES, Entry
from gmssl.corpus.catalogue.loading import SHIPPED, Catalogue, load_catalogue
from gmssl.corpus.catalogue.released import differences_of
from gmssl.corpus.catalogue.verify import verify

SHARED = Path(__file__).parents[3] / "shared"
TABLE = SHARED / "datasets.csv"
LISTS = SHARED / "data" / "lvm_med_lists.json"
BCCD = SHARED / "data" / "bccd"

READERS = {"pictures", "dicom", "nifti", "itk", "hdf5", "tiff_pages", "slides"}
NAMES = sorted(path.stem for path in SHIPPED.rglob("*.yaml"))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def test_there_are_55_and_each_number_once(catalogue: Catalogue) -> None:
    assert [entry.number for entry in catalogue.values()] == list(range(1, 56))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_called_as_its_dataset_and_lies_with_its_modality(catalogue: Catalogue, name: str) -> None:
    folder = catalogue.places[name].parent.name
    assert folder == "_and_".join(catalogue[name].modality) or folder == catalogue[name].modality[0]
    assert set(catalogue[name].modality) <= set(MODALITIES)


@pytest.mark.parametrize("name", NAMES)
def test_readers_are_those_of_the_slot(catalogue: Catalogue, name: str) -> None:
    assert {reader.kind for reader in catalogue[name].reader} <= READERS


@pytest.mark.parametrize("name", NAMES)
def test_the_printed_row_is_that_of_the_table(catalogue: Catalogue, name: str) -> None:
    if not TABLE.is_file():
        pytest.skip("the table of the paper is not here")
    with TABLE.open(encoding="utf-8") as file:
        rows = {int(row.pop("number")): row for row in csv.DictReader(file)}
    entry = catalogue[name]
    printed = entry.as_printed
    assert printed is not None
    assert entry.number is not None
    assert rows[entry.number] == {
        "name": printed.name,
        "organ": printed.organ,
        "task": printed.task,
        "modality_as_printed": printed.modality,
        "dimension": printed.dimension,
        "official_split": "Yes" if printed.official_split else "No",
        "total_as_printed": str(printed.total),
    }


def published_lists(catalogue: Catalogue) -> dict[str, list[Entry]]:
    lists: dict[str, list[Entry]] = {}
    for entry in catalogue.values():
        for published in entry.published:
            lists.setdefault(published.name, []).append(entry)
    return lists


def test_48_lists_belong_to_54_datasets(catalogue: Catalogue) -> None:
    lists = published_lists(catalogue)
    assert len(lists) == 48
    assert {name: len(entries) for name, entries in lists.items() if len(entries) > 1} == {"MSD": 7}
    assert [entry.name for entry in catalogue.values() if not entry.published] == ["HNSCC"]


def test_the_lists_are_those_that_were_published(catalogue: Catalogue) -> None:
    if not LISTS.is_file():
        pytest.skip("the facts of the lists are not here")
    keys = ("entries", "unique", "groups", "first", "sha256")
    known = {row["list"]: {key: row[key] for key in keys} for row in json.loads(LISTS.read_text(encoding="utf-8"))}
    ours = published_lists(catalogue)
    assert set(ours) == set(known)
    for name, entries in ours.items():
        for entry in entries:
            (published,) = (each for each in entry.published if each.name == name)
            assert published.model_dump(include=set(keys)) == known[name], entry.name


def test_the_lines_of_the_decathlon_are_shared_among_its_tasks(catalogue: Catalogue) -> None:
    parts = [entry.published[0] for entry in published_lists(catalogue)["MSD"]]
    assert sum(part.own or 0 for part in parts) + len(parts) == parts[0].entries  # a line above each task


@pytest.mark.parametrize("name", NAMES)
def test_what_is_odd_is_explained(catalogue: Catalogue, name: str) -> None:
    """Where what is printed is wrong, and where a list has not one in five of the printed total or repeats names."""
    entry = catalogue[name]
    printed = entry.as_printed
    assert printed is not None
    words = {"ct": "CT", "mri": "MRI", "x-ray": "X-ray", "oct": "OCT", "ultrasound": "Ultrasound"}
    true = {words.get(modality, "Color images") for modality in entry.modality}
    wrong = printed.modality.replace("Images", "images") not in true or printed.dimension != entry.dimension
    strange = any(p.entries != p.unique or abs(p.entries / printed.total - 0.2) > 0.01 for p in entry.published)
    if wrong or strange or not entry.published:
        assert entry.odd, "say in odd what is odd"
    if wrong:
        assert re.search(r"prints|list is the one line", entry.odd or "")


@pytest.mark.parametrize("name", NAMES)
def test_patients_are_found_in_listed_paths(catalogue: Catalogue, name: str) -> None:
    entry = catalogue[name]
    for published in entry.published:
        told = published.compares in ("path", "folder") and published.only is None and not published.adds
        if told and entry.split.patient is not None and entry.name != "CBIS-DDSM":  # whose folders are series
            line = published.first if published.compares == "path" else f"{published.first}/file"
            assert entry.split.patient_of(f"archive/{line}") is not None


def test_the_hash_is_of_the_bytes_of_the_released_file(catalogue: Catalogue) -> None:
    """Some lists have one line, some are the ranges that `odd` tells, and that of BCCD follows from its repository."""
    (cells,), (eye,) = (
        published_lists(catalogue)[n] for n in ("0_SSL_PatchCamelyon_Color_Cells", "Heidelberg_OCT_Eye")
    )
    assert not list(differences_of(cells.published[0], b"camelyonpatch_level_2_split_train_x.h5\n"))
    assert not list(differences_of(eye.published[0], b"Default split"))
    if not BCCD.is_dir():
        pytest.skip("the images of BCCD are not here")
    assert hashlib.sha256(bccd_list()).hexdigest()[:16] == catalogue["BCCD"].published[0].sha256


def bccd_list() -> bytes:
    names = [n for split in ("train", "val") for n in (BCCD / "splits" / f"{split}.txt").read_text().split()]
    return "".join(f"{name}.jpg\n" for name in names).encode()


def test_an_archive_that_is_here_is_complete(catalogue: Catalogue, tmp_path: Path) -> None:
    if not BCCD.is_dir():
        pytest.skip("the images of BCCD are not here")
    listed = tmp_path / "file_list.txt"
    listed.write_bytes(bccd_list())
    found = verify(catalogue["BCCD"], BCCD, listed, contents=True)
    assert found.complete
    assert (found.images, found.patients) == (364, None)
    assert found.listed is not None
    assert (found.listed.names, found.listed.missing, found.listed.unlisted) == (292, (), 364 - 292)
