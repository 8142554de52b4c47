"""The audit finds copies however they were made, and does not cry wolf."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gmssl.corpus.audit.encoded import Encoded
from gmssl.corpus.audit.findings import EXACT, NEAR, Audit, exclusions
from gmssl.corpus.audit.search import audit
from gmssl.corpus.audit.sides import open_side
from gmssl.corpus.audit.writing import write_audit
from gmssl.corpus.build import build_store
from gmssl.corpus.recipe import corpus_of
from gmssl.errors import DataError
from gmssl.evaluation.encoders import timm_encoder
from gmssl.evaluation.progress import Stages
from gmssl.parts.data.folder import Folder
from gmssl.parts.data.store import Store
from tests.corpus.audit.copies import BRAIN, BREAST, CHANGES, drawn


@pytest.fixture(autouse=True)
def _salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    for seed in range(60):
        drawn(seed).save(folder / f"{seed:03d}.png")
    return folder


def audited(store: Path, *tests: Path, **options: Any) -> Audit:
    return audit(open_side(store), [open_side(test) for test in tests], store.parent, **options)


def found(done: Audit, kind: str | None = None) -> list[tuple[str, str]]:
    comparison = done.comparisons[0]
    return [
        (done.store.images.records[p.stored].name, comparison.test.images.records[p.test].name)
        for p in comparison.pairs
        if kind in (None, p.kind)
    ]


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("name", CHANGES)
def test_copies_are_found(name: str, originals: Path, tmp_path: Path) -> None:
    """Twelve copies among twelve strangers: all copies, and nothing but them."""
    generator = np.random.default_rng(0)
    (tmp_path / "test").mkdir()
    for seed in range(12):
        copy = CHANGES[name](drawn(seed), generator)
        copy.save(tmp_path / "test" / f"{seed:03d}.png")
        drawn(1000 + seed).save(tmp_path / "test" / f"{1000 + seed}.png")
    pairs = found(audited(originals, tmp_path / "test"))
    assert all(stored == test for stored, test in pairs), "a false alarm"
    assert len(pairs) >= FEWEST.get(name, 12)


FEWEST = {"crop of 80 %": 11, "window 0–40 %": 4}
"""Copies of twelve that are found where much of the image is gone."""


def test_a_crop_in_the_store_is_found_by_its_whole(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    for folder in ("store", "test"):
        (tmp_path / folder).mkdir()
    for seed in range(20):
        CHANGES["crop of 90 %"](drawn(seed), generator).save(tmp_path / "store" / f"{seed}.png")
        CHANGES["mirrored"](drawn(seed), generator).save(tmp_path / "test" / f"{seed}.png")
    pairs = found(audited(tmp_path / "store", tmp_path / "test"))
    assert len(pairs) >= 19
    assert all(stored == test for stored, test in pairs)


def test_an_encoder_adds_its_neighbours(originals: Path, tmp_path: Path) -> None:
    """Features of random weights know an image again if it is turned back."""
    (tmp_path / "test").mkdir()
    for seed in range(5):
        CHANGES["mirrored"](drawn(seed), np.random.default_rng(0)).save(tmp_path / "test" / f"{seed}.png")
    encoder = timm_encoder("resnet18", size=64, channels=1)
    stored, test = (open_side(folder).images for folder in (originals, tmp_path / "test"))
    with Encoded(encoder, stored, np.arange(60), Stages()) as encoded:
        groups = np.arange(5), np.arange(5, 65)
        nearest = encoded.nearest(test, np.arange(5), groups, 3)
        assert nearest.rows[:, 0].tolist() == [0, 1, 2, 3, 4]
        assert nearest.ways[:, 0].tolist() == [1] * 5
        none = encoded.nearest(test, np.arange(5), (groups[0], np.arange(60)), 3)
        assert all(i not in none.rows[i] for i in range(5))
    done = audited(originals, tmp_path / "test", encoder=encoder)
    assert len(found(done)) == 5


def test_equal_pixels_are_exact_under_any_name(originals: Path, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for seed in (3, 4):
        drawn(seed).save(tmp_path / "test" / f"other{seed}.tif")
    done = audited(originals, tmp_path / "test")
    assert found(done, EXACT) == [("003.png", "other3.tif"), ("004.png", "other4.tif")]
    assert found(done, NEAR) == []
    assert [one.share for one in done.overlaps] == [1.0]


def test_images_of_one_grey_are_copies_of_nothing(tmp_path: Path) -> None:
    for folder in ("store", "test"):
        (tmp_path / folder).mkdir()
        for grey in (0, 90):
            Image.new("L", (40, 40), grey).save(tmp_path / folder / f"{grey}.png")
        (tmp_path / folder / "broken.png").write_bytes(b"no picture")
    comparison = audited(tmp_path / "store", tmp_path / "test").comparisons[0]
    assert (comparison.pairs, comparison.blank, comparison.unreadable) == ((), 2, 1)


def test_the_answer_is_the_same_every_time(originals: Path, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for seed in range(6):
        CHANGES["JPEG 30"](drawn(seed), np.random.default_rng(0)).save(tmp_path / "test" / f"{seed}.png")
    one, two = (audited(originals, tmp_path / "test").comparisons[0].pairs for _ in range(2))
    assert one == two


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """A store of two patients' volumes; the slices of each look alike, and one volume is there under two names."""
    nibabel = pytest.importorskip("nibabel")
    for patient, scan, seed in (("p1", "a", 0), ("p2", "a", 1), ("p2", "b", 1)):
        base = np.asarray(drawn(seed, 48)).astype(np.int16)
        noise = np.random.default_rng(seed if scan == "a" else 7).normal(0, 3, (48, 48, 3))
        path = tmp_path / ("one" if scan == "a" else "two") / patient / f"{scan}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(base[..., None] + noise.astype(np.int16), np.diag([-1, -1, 2, 1.0])), path)
    source = {"reader": "nifti", "modality": "mri", "fields": "(?P<patient>[^/]+)/"}
    sources = [{**source, "name": name, "path": str(tmp_path / name)} for name in ("one", "two")]
    build_store(corpus_of({"sources": sources}), tmp_path / "store", 1, lambda *_: None, lambda *_: None)
    return tmp_path / "store"


def test_slices_of_a_volume_are_no_copies_of_each_other(volumes: Path) -> None:
    done = audited(volumes)
    volume = done.store.volume.numbers
    pairs = done.comparisons[0].pairs
    assert pairs
    assert all(volume[p.stored] != volume[p.test] for p in pairs)
    assert {(one.dataset, one.test_dataset) for one in done.overlaps} == {("one", "two")}


def test_patients_are_compared_by_their_hashes(volumes: Path, tmp_path: Path) -> None:
    drawn(99).save(tmp_path / "x.png")
    (tmp_path / "test.csv").write_text("path,patient\nx.png,p2\n")
    done = audited(volumes, tmp_path / "test.csv")
    comparison = done.comparisons[0]
    assert comparison.ids
    assert [(s.what, s.dataset, s.images, s.test_images) for s in comparison.shared] == [
        ("patient", "one", 3, 1),
        ("patient", "two", 3, 1),
    ]
    assert exclusions(done) == []
    assert [one.reason for one in exclusions(done, patients=True)] == ["patient"] * 6
    (tmp_path / "salt").write_bytes(bytes(range(32)))
    other = open_side(tmp_path / "test.csv", salt=tmp_path / "salt")
    assert not audit(open_side(volumes), [other], tmp_path).comparisons[0].ids


def test_the_list_is_what_builds_and_data_take(originals: Path, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for seed in (3, 4):
        CHANGES["mirrored"](drawn(seed), np.random.default_rng(0)).save(tmp_path / "test" / f"{seed}.png")
    done = audited(originals, tmp_path / "test")
    write_audit(done, tmp_path, 10, False, "gmssl data audit")
    kept = Folder(root=originals, exclude=tmp_path / "exclude.csv").images()
    assert {r.name for r in Folder(root=originals).images().records} - {r.name for r in kept.records} == {
        "003.png",
        "004.png",
    }
    settings = {"sources": [{"name": "drawn", "path": str(originals), "reader": "pictures"}]}
    build_store(corpus_of(settings), tmp_path / "store", 1, lambda *_: None, lambda *_: None)
    built = Store(path=tmp_path / "store", exclude=tmp_path / "exclude.csv").images()
    assert len(built) == 58
    excluded = {row["pixels"] for row in rows_of(tmp_path / "exclude.csv")}
    assert len(excluded) == 2
    assert not excluded & set(built.column("pixels").to_pylist())
    settings["exclude"] = str(tmp_path / "exclude.csv")  # type: ignore[assignment]
    build_store(corpus_of(settings), tmp_path / "clean", 1, lambda *_: None, lambda *_: None)
    assert len(Store(path=tmp_path / "clean").images()) == 58
    with pytest.raises(DataError, match="names no image of"):
        Folder(root=tmp_path / "test", exclude=tmp_path / "exclude.csv").images()


def test_the_page_shows_the_pairs(originals: Path, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    drawn(3).save(tmp_path / "test" / "<b>.png")
    CHANGES["JPEG 30"](drawn(4), np.random.default_rng(0)).save(tmp_path / "test" / "near.png")
    write_audit(audited(originals, tmp_path / "test"), tmp_path, 10, False, "gmssl data audit")
    page = (tmp_path / "audit.html").read_text()
    assert page.count('<img src="data:image/jpeg;base64,') == 4
    assert "&lt;b&gt;.png" in page
    assert "<b>.png" not in page
    told = json.loads((tmp_path / "audit.json").read_text())
    assert [(one["images"], one["exact"], one["near"], one["left"]) for one in told["tests"]] == [(2, 1, 1, 0)]


@pytest.mark.slow
@pytest.mark.skipif(not BRAIN.is_file(), reason="the shared images are not there")
def test_the_brain_set_leaks_as_is_known(tmp_path: Path) -> None:
    train, test = (open_side(BRAIN, {"split": split}) for split in ("train", "test"))
    done = audit(train, [test], tmp_path)
    comparison = done.comparisons[0]
    rows = rows_of(BRAIN)
    known = {row["path"] for row in rows if row["split"] == "test" and row["duplicate_of"].startswith("train")}
    exact = {test.images.records[i].name for i in comparison.images(EXACT)}
    assert len(exact) == 251
    assert known <= exact
    assert len(comparison.images(NEAR) - comparison.images(EXACT)) >= 20


@pytest.mark.skipif(not BREAST.is_file(), reason="the shared images are not there")
def test_the_doubled_breast_is_found(tmp_path: Path) -> None:
    done = audit(open_side(BREAST), [], tmp_path)
    twice = [row["path"] for row in rows_of(BREAST) if row["duplicate_of"]]
    assert [test for _, test in found(done, EXACT)] == twice
