"""Entries of a lab beside the shipped ones, and what is wrong with a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gmssl.corpus.catalogue.entry import Entry, Published, Split
from gmssl.corpus.catalogue.loading import SHIPPED, load_catalogue, read_entry
from gmssl.errors import DataError

Write = Callable[..., Path]


def test_a_lab_adds_a_folder(settings: dict[str, Any], write: Write) -> None:
    path = write(settings)
    catalogue = load_catalogue([path.parent])
    assert len(catalogue) == 56
    assert list(catalogue)[-1] == "Ward-7"  # after those that have numbers
    assert catalogue.find("WARD-7") == catalogue["Ward-7"]
    assert catalogue.places["Ward-7"] == path
    assert list(load_catalogue([path.parent], shipped=False)) == ["Ward-7"]
    assert list(load_catalogue([path.parent, path.parent], shipped=False)) == ["Ward-7"]


def test_the_environment_names_folders(settings: dict[str, Any], write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [write(settings).parent, write(settings | {"name": "Ward-8"}, "more/deeper").parent.parent]
    monkeypatch.setenv("GMSSL_CATALOGUE", ":".join(map(str, folders)))
    assert list(load_catalogue(shipped=False)) == ["Ward-7", "Ward-8"]


def test_short_forms_mean_the_long_ones(settings: dict[str, Any]) -> None:
    long = settings | {"modality": ["mri"], "reader": [{"kind": "nifti"}]}
    long["layout"] = [place | {"count": [6, 6]} if "count" in place else place for place in settings["layout"]]
    assert Entry.model_validate(settings) == Entry.model_validate(long)


def test_an_entry_survives_a_dump(settings: dict[str, Any]) -> None:
    for entry in [Entry.model_validate(settings), *load_catalogue().values()]:
        assert Entry.model_validate(entry.model_dump(mode="json")) == entry


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"modality": "MRT"}, "modality.0: "),
        ({"modality": []}, "modality: at least 1 item"),
        ({"colour": 1}, "colour: unknown key"),
        ({"name": "two words"}, "name: "),
        ({"number": 0}, "number: "),
        ({"homepage": "example"}, "homepage: "),
        ({"access": "free"}, "access: "),
        ({"reader": "NIfTI"}, "reader.0.kind: "),
        ({"layout": []}, "layout: at least 1 item"),
        ({"layout": [{"pattern": "*.csv", "holds": "tables"}]}, "layout has no place that holds images; add one"),
        ({"layout": [{"pattern": "../*.png"}]}, "layout.0.pattern: '../*.png' leads out of the archive"),
        ({"layout": [{"pattern": "a**/*.png"}]}, "layout.0.pattern: 'a**/*.png': ** stands for whole folders"),
        ({"layout": [{"pattern": "*.png", "count": [3, 2]}]}, "layout.0.count: [3, 2] is no range"),
        ({"layout": [{"pattern": "*.png", "count": True}]}, "layout.0.count: "),
        ({"split": {}}, "split: give one of official"),
        ({"split": {"official": "a", "fraction": 0.2}}, "not official and fraction"),
        ({"split": {"fraction": 1.5}}, "split.fraction: "),
        ({"split": {"fraction": float("nan")}}, "split.fraction: "),
        ({"split": {"fraction": 0.2, "patient": r"p\d+"}}, "split.patient: 'p\\\\d+' needs a group (?P<patient>...)"),
        ({"split": {"fraction": 0.2, "patient": "(p"}}, "split.patient: '(p' is no regular expression"),
        ({"patients": 0}, "patients: "),
    ],
)
def test_a_wrong_entry_is_one_message_with_file_and_key(
    settings: dict[str, Any], write: Write, change: dict[str, Any], said: str
) -> None:
    path = write(settings | change)
    with pytest.raises(DataError) as error:
        read_entry(path)
    assert str(error.value).startswith(f"{path}:\n")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", "holds no mapping"),
        ("name: a\nname: b\n", "line 1, column 1: key 'name' stands twice"),
        ("name: [", "is no valid YAML: line "),
        ("", "holds no mapping"),
    ],
)
def test_a_file_that_is_no_entry(write: Write, text: str, said: str) -> None:
    path = write(text)
    with pytest.raises(DataError, match=r"entry\.yaml") as error:
        read_entry(path)
    assert said in str(error.value)


def test_a_list_that_contradicts_itself() -> None:
    facts: dict[str, Any] = {"name": "x", "entries": 2, "unique": 2, "first": "a", "sha256": "0" * 16}
    Published.model_validate(facts)
    for wrong in ({"unique": 3}, {"only": "^a"}, {"sha256": "0" * 15}, {"adds": "("}):
        with pytest.raises(ValueError, match=r"."):
            Published.model_validate(facts | wrong)


@pytest.mark.parametrize("name", ["ward-7", "bccd", "Heidelberg OCT"])
def test_doubled_names_are_refused_with_both_places(settings: dict[str, Any], write: Write, name: str) -> None:
    first = write(settings)
    second = write(settings | {"name": name.replace(" ", "-"), "number": None}, "other", "twice")
    with pytest.raises(DataError, match=f"a dataset called {name.replace(' ', '-')} is in two files") as error:
        load_catalogue([first.parent, second.parent])
    assert str(second) in str(error.value)
    assert str(first if name == "ward-7" else SHIPPED) in str(error.value)


def test_doubled_numbers_are_refused(settings: dict[str, Any], write: Write) -> None:
    with pytest.raises(DataError, match="number 28 is in two files"):
        load_catalogue([write(settings | {"number": 28}).parent])


def test_folders_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for name, said in (("nothing", "does not exist"), ("file", "is a file"), ("empty", "holds no entries")):
        with pytest.raises(DataError, match=said):
            load_catalogue([tmp_path / name])


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(DataError, match=r"no dataset 'msd-livr' \(did you mean 'MSD-Liver'\?\); .* all 55"):
        load_catalogue().find("msd-livr")
    with pytest.raises(DataError, match="no dataset 'zzz'; `gmssl data list`"):
        load_catalogue().find("zzz")


def test_what_a_split_says() -> None:
    assert Split(fraction=0.2).sentence == "20% of the patients, by seed"
    assert Split(official="train/*").sentence == "the official train part, train/*"
    assert Split(listed="train.txt").sentence == "the official train part, as train.txt lists it"
    assert Split(fraction=0.2).patient_of("p1_a.png") is None
