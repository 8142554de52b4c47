"""A store holds what its archives hold, byte for byte the same however it is built."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pickle
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gmssl.corpus import build as building
from gmssl.corpus import plan as planning
from gmssl.corpus.build import build_store
from gmssl.corpus.recipe import corpus_of
from gmssl.errors import DataError
from gmssl.parts.data.folder import Folder
from gmssl.parts.data.store import Store
from gmssl.parts.data.union import Union
from gmssl.system.images.stored import pixel_digest
from tests.corpus.archives import draw_archives, draw_volume


def ignored(*_: object) -> None:
    """Nobody is told."""


@pytest.fixture(autouse=True)
def _salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(autouse=True)
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of a few kilobytes, so that small archives have several."""
    monkeypatch.setattr(planning, "SMALL", 4096)
    monkeypatch.setattr(planning, "MANY", 8)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return draw_archives(tmp_path / "archives")


def built(settings: dict[str, Any], folder: Path, jobs: int = 1, **changes: object) -> Path:
    build_store(corpus_of({**settings, **changes}), folder, jobs, ignored, ignored)
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_pictures_have_the_pixels_that_data_kind_folder_reads(settings: dict[str, Any], tmp_path: Path) -> None:
    store = Store(path=built(settings, tmp_path / "store"), where={"dataset": "photos"}).images()
    folder = Folder(root=tmp_path / "archives" / "photos").images()
    assert len(store) == len(folder) == 12
    assert [r.label for r in store.records] == [r.label for r in folder.records]
    for channels in (1, 3):
        for index in range(len(folder)):
            expected = np.asarray(folder.load(index, channels))
            assert np.array_equal(np.asarray(store.load(index, channels)), expected)


def test_volumes_are_cut_into_slices_in_the_order_of_space(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["sources"][1]["window"] = {"kind": "given", "lower": 0, "upper": 1000}
    store = Store(path=built(settings, tmp_path / "store"), where={"dataset": "mr"}).images()
    assert len(store) == 18
    values = np.stack([draw_volume(tmp_path / "again.nii", seed=number) for number in range(3)])
    # The affine says −x and −y: to the patient's left and back in LPS, as rows and columns of a picture run.
    expected = np.rint(values.transpose(0, 3, 2, 1).reshape(18, 10, 12) * (255 / 1000)).astype(np.uint8)
    assert np.array_equal(np.stack([np.asarray(store.load(i, 1)) for i in range(18)]), expected)
    assert store.column("slice").to_pylist() == list(range(6)) * 3
    digests = [pixel_digest(store.load(i, 1)) for i in range(len(store))]
    assert store.column("pixels").to_pylist() == digests
    patients = store.column("patient").to_pylist()
    assert patients == [patients[0]] * 12 + [patients[12]] * 6
    assert None not in patients
    assert len(set(patients)) == 2


def test_the_bytes_do_not_depend_on_workers(settings: dict[str, Any], tmp_path: Path) -> None:
    one = bytes_of(built(settings, tmp_path / "one"))
    assert sum(name.endswith(".arrow") for name in one) > 4
    assert bytes_of(built(settings, tmp_path / "two", jobs=2)) == one


def test_a_build_that_is_killed_goes_on_to_the_same_bytes(settings: dict[str, Any], tmp_path: Path) -> None:
    expected = bytes_of(built(settings, tmp_path / "whole"))
    context = multiprocessing.get_context("fork")
    for stop in (1, 0, 2):
        child = context.Process(target=_build_until, args=(settings, tmp_path / "store", stop))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        with pytest.raises(DataError, match="not finished; run the command that builds it again"):
            Store(path=tmp_path / "store").images()
    assert bytes_of(built(settings, tmp_path / "store")) == expected


def _build_until(settings: dict[str, Any], folder: Path, stop: int) -> None:
    """Build until so many units are done in this process, and die as a machine does."""
    calls = []

    def advance(*_: object) -> None:
        calls.append(0)
        if len(calls) > stop:
            os.kill(os.getpid(), signal.SIGKILL)

    build_store(corpus_of(settings), folder, 1, ignored, advance)


def test_a_worker_that_is_killed_costs_nothing(settings: dict[str, Any], tmp_path: Path) -> None:
    expected = bytes_of(built(settings, tmp_path / "whole"))
    killed = []

    def advance(done: int, total: int) -> None:
        children = multiprocessing.active_children()
        if children and not killed:
            killed.append(children[0].pid)
            os.kill(children[0].pid or 0, signal.SIGKILL)

    build_store(corpus_of(settings), tmp_path / "store", 2, ignored, advance)
    assert killed
    assert bytes_of(tmp_path / "store") == expected


def test_a_full_disk_is_told_and_nothing_is_lost(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = bytes_of(built(settings, tmp_path / "whole"))
    calls = []

    def full(*arguments: Any) -> None:
        calls.append(0)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(*arguments)

    original = building.build_unit
    monkeypatch.setattr(building, "build_unit", full)
    with pytest.raises(DataError, match=r"No space left on device. What is done is kept; make room"):
        built(settings, tmp_path / "store")
    monkeypatch.setattr(building, "build_unit", original)
    assert bytes_of(built(settings, tmp_path / "store")) == expected


def test_a_store_can_be_pickled_selected_and_joined(settings: dict[str, Any], tmp_path: Path) -> None:
    folder = built(settings, tmp_path / "store")
    images = Store(path=folder, where={"dataset": ("mr", "photos"), "label": "good"}).images()
    assert {r.label for r in images.records} == {"good"}
    assert [images.records[i] for i in range(len(images))] == list(images.records) == images.records[:]
    again = pickle.loads(pickle.dumps(images))
    assert again.load(3, 1).tobytes() == images.load(3, 1).tobytes()
    both = Union(of=(Store(path=folder), Folder(root=tmp_path / "archives" / "photos"))).images()
    assert len(both) == 42
    assert [both.records[i] for i in range(42)] == list(both.records)
    assert both.records[-1].dataset


def test_labs_open_it_with_datasets(settings: dict[str, Any], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    opened = datasets.load_from_disk(str(built(settings, tmp_path / "store")))
    images = Store(path=tmp_path / "store").images()
    assert len(opened) == len(images)
    for index in (0, 5, 20):
        assert np.array_equal(np.asarray(opened[index]["image"].convert("L")), np.asarray(images.load(index, 1)))
        assert opened[index]["modality"] == images.records[index].modality


def test_names_of_patients_stay_at_home(settings: dict[str, Any], tmp_path: Path) -> None:
    for content in bytes_of(built(settings, tmp_path / "store")).values():
        assert b"Smith" not in content
    kept = built(settings, tmp_path / "kept", names="kept")
    assert any(b"Smith" in content for content in bytes_of(kept).values())


def test_the_salt_decides_the_names(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "salt").write_bytes(bytes(range(32)))
    one, two = built(settings, tmp_path / "one"), built(settings, tmp_path / "two", salt=str(tmp_path / "salt"))
    marks = {json.loads((folder / "store.json").read_text())["salt"] for folder in (one, two)}
    assert len(marks) == 2
    patients = [set(Store(path=folder).images().table["patient"].to_pylist()) for folder in (one, two)]
    assert patients[0] & patients[1] == {None}


def test_16_bits_keep_the_scale_of_the_window(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["sources"][1]["window"] = {"kind": "given", "lower": 0, "upper": 1000}
    eight = Store(path=built(settings, tmp_path / "eight")).images()
    deep = Store(path=built(settings, tmp_path / "deep", bits=16)).images()
    for index in range(len(eight)):
        pair = [np.asarray(images.load(index, 1)).astype(int) for images in (eight, deep)]
        assert abs(pair[0] - pair[1]).max() <= 1


def test_what_is_broken_is_counted_up_to_the_limit(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "archives" / "photos" / "bad" / "0.jpg").write_bytes(b"no picture")
    damaged = tmp_path / "archives" / "mr" / "Smith^0" / "scan0.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(DataError, match=r"2 of 15 acquisitions are broken, more than max_unreadable 0\.01 allows"):
        built(settings, tmp_path / "store")
    outcomes = build_store(corpus_of({**settings, "max_unreadable": 0.2}), tmp_path / "store", 1, ignored, ignored)
    assert [len(o["faults"]) for o in outcomes] == [1, 1]
    assert sorted((o["images"], o["volumes"]) for o in outcomes) == [(11, 0), (12, 2)]  # pictures are no volumes
    assert len(Store(path=tmp_path / "store").images()) == 11 + 12


def test_what_is_cut_into_pieces_is_one_fault(settings: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    """As many pieces of one volume cannot be read, and the first reason stands for all."""
    monkeypatch.setattr(planning, "LONG", 2)
    damaged = tmp_path / "archives" / "mr" / "Smith^0" / "scan0.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"1 of 15 acquisitions are broken"):
        built(settings, tmp_path / "store", max_unreadable=0)


def test_names_that_are_no_text_are_told(settings: dict[str, Any], tmp_path: Path) -> None:
    strange = os.fsencode(tmp_path / "archives" / "photos" / "good") + b"/\xff.png"
    try:
        with open(strange, "wb") as file:
            file.write(b"no picture")
    except OSError:
        pytest.skip("this file system has no such names")
    outcomes = build_store(corpus_of({**settings, "max_unreadable": 0.2}), tmp_path / "store", 1, ignored, ignored)
    assert [fault["name"] for fault in outcomes[0]["faults"]] == ["good/\udcff.png"]
    assert json.loads((tmp_path / "store" / "report.json").read_text(encoding="utf-8")) == outcomes


def test_two_sources_do_not_take_the_same_file(settings: dict[str, Any], tmp_path: Path) -> None:
    again = {**settings["sources"][0], "name": "again", "include": "good/*"}
    changed = {**settings, "sources": [*settings["sources"], again]}
    with pytest.raises(DataError, match="source photos has the same file"):
        built(changed, tmp_path / "store")


def test_a_share_of_the_patients_is_taken(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["sources"][1]["take"] = {"share": 0.5, "seed": 1}
    patients = Store(path=built(settings, tmp_path / "store"), where={"dataset": "mr"}).images().column("patient")
    assert len(set(patients.to_pylist()) - {None}) == 1


def test_missing_archives_are_passed_over_where_they_are_optional(settings: dict[str, Any], tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "archives" / "mr")
    with pytest.raises(DataError, match=r"source mr: path .* does not exist; correct it, or set optional: true"):
        built(settings, tmp_path / "store")
    settings["sources"][1]["optional"] = True
    built(settings, tmp_path / "other")
    assert json.loads((tmp_path / "other" / "report.json").read_text())[1]["missing"]


def test_the_command_may_be_repeated(settings: dict[str, Any], tmp_path: Path) -> None:
    corpus = corpus_of(settings)
    once = build_store(corpus, tmp_path / "store", 1, ignored, ignored)
    (tmp_path / "store" / ".build").mkdir()  # as if it had been killed after its last step
    before = bytes_of(tmp_path / "store")
    assert build_store(corpus, tmp_path / "store", 1, ignored, ignored) == once
    assert bytes_of(tmp_path / "store") == before
    assert not (tmp_path / "store" / ".build").exists()


def test_strange_folders_are_left_alone(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not empty, and no store that was begun"):
        built(settings, tmp_path / "archives")
    built(settings, tmp_path / "store")
    with pytest.raises(DataError, match="holds the finished store of another corpus"):
        built(settings, tmp_path / "store", bits=16)
    child = multiprocessing.get_context("fork").Process(target=_build_until, args=(settings, tmp_path / "begun", 1))
    child.start()
    child.join()
    with pytest.raises(DataError, match=r"unfinished store of another corpus"):
        built(settings, tmp_path / "begun", bits=16)


def test_processes_have_libraries_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [*building._THREADS]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(names[0], "3")  # the user's own
    with building._single_threaded():
        assert [os.environ[name] for name in names] == ["3", *["1"] * (len(names) - 1)]
    assert [os.environ.get(name) for name in names] == ["3", *[None] * (len(names) - 1)]
