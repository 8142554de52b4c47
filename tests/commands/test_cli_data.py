"""`gmssl data`: the catalogue listed and shown, and archives compared with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gmssl.corpus.catalogue.loading import load_catalogue

Run = Callable[..., Any]
Refusal = Callable[[Any, str], None]

OWN = """\
name: Ward-7
title: Knees of ward 7
modality: mri
organ: Knee
dimension: 3D
licence: unknown
homepage: https://example.org
access: request
obtain: Ask ward 7.
reader: {kind: nifti, settings: {axis: 2}}
layout: [{pattern: '*.nii', count: 2}]
split: {fraction: 0.2, patient: '(?P<patient>p\\d)'}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder with an entry, beside an archive of it that lacks a file."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "ward.yaml").write_text(OWN)
    (tmp_path / "knees").mkdir()
    (tmp_path / "knees" / "p1.nii").touch()
    return tmp_path / "mine"


def test_list_has_a_row_for_each_dataset(run: Run, mine: Path) -> None:
    lines = run("data", "list", "--catalogue", mine).stdout.splitlines()
    names = [*load_catalogue(), "Ward-7"]
    for row, name in zip(lines[1:], names, strict=False):
        assert f" {name} " in f" {row} "
    assert lines[56].split() == ["Ward-7", "mri", "Knee", "3D", "request", "unknown", "nifti", "axis=2"]
    assert lines[-1].startswith("56 datasets;")


def test_list_of_a_modality_as_json(run: Run) -> None:
    entries = json.loads(run("data", "list", "--modality", "mri", "--json").stdout)
    assert [entry["number"] for entry in entries] == [3, 4, 6, 17, 18, 21, 22, 23, 24, 38, 39, 45, 53]
    assert all("mri" in entry["modality"] for entry in entries)


def test_show_has_every_fact(run: Run) -> None:
    for name, entry in load_catalogue().items():
        done = run("data", "show", name.upper())
        assert done.exit_code == 0, done.output
        text = " ".join(done.stdout.split())
        facts = [entry.title, entry.homepage, entry.licence, entry.obtain, entry.split.patient, entry.odd, entry.notes]
        facts += [place.pattern for place in entry.layout] + [published.name for published in entry.published]
        for fact in filter(None, facts):
            assert " ".join(fact.split()) in text


def test_show_as_json_and_as_the_file(run: Run, tmp_path: Path) -> None:
    entry = load_catalogue()["MSD-Liver"]
    assert json.loads(run("data", "show", "msd-liver", "--json").stdout) == entry.model_dump(mode="json")
    text = run("data", "show", "msd-liver", "--yaml").stdout
    (tmp_path / "own").mkdir()
    own = yaml.safe_load(text) | {"name": "Liver-2", "number": None, "as_printed": None}
    (tmp_path / "own" / "liver.yaml").write_text(yaml.safe_dump(own))
    assert run("data", "show", "Liver-2", "--catalogue", "own").exit_code == 0


def test_verify_says_what_is_missing(run: Run, mine: Path) -> None:
    command = ("data", "verify", "ward-7", "knees", "--catalogue", mine)
    done = run(*command)
    assert done.exit_code == 1
    assert "1 of 2 images of *.nii" in done.stdout
    assert "Ward-7 is not as it should be." in done.stdout
    (mine.parent / "knees" / "p2.nii").touch()
    (mine.parent / "knees" / "read.me").touch()
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert "2 images of 2 patients in 3 files." in done.stdout
    assert "read.me" in done.stdout
    assert done.stdout.rstrip().endswith("Ward-7 is complete.")
    document = json.loads(run(*command, "--json", "--contents").stdout)
    assert document["doubled"] == [["p1.nii", "p2.nii"]]  # both are empty
    assert (document["complete"], document["extra"], document["patients"]) == (False, ["read.me"], 2)
    assert document["found"][0]["files"] == 2


def test_verify_compares_with_a_list(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pcam").mkdir()
    (tmp_path / "pcam" / "camelyonpatch_level_2_split_train_x.h5").touch()
    listed = tmp_path / "file_list.txt"
    listed.write_text("camelyonpatch_level_2_split_train_x.h5\n")
    done = run("data", "verify", "PatchCamelyon", "pcam", "--list", listed)
    assert done.exit_code == 0, done.output
    assert "1 of its 1 names are on disk" in done.stdout
    listed.write_text("camelyonpatch_level_2_split_test_x.h5\n")
    done = run("data", "verify", "PatchCamelyon", "pcam", "--list", listed)
    assert done.exit_code == 1
    assert "differences from the released list 0_SSL_PatchCamelyon_Color_Cells: 2" in done.stdout
    listed.write_text("Default split")
    (tmp_path / "pcam" / "train" / "CNV").mkdir(parents=True)
    (tmp_path / "pcam" / "train" / "CNV" / "CNV-1-1.jpeg").touch()
    done = run("data", "verify", "heidelberg-oct", "pcam", "--list", listed)
    assert "The list is Heidelberg_OCT_Eye, as released.\nIt names no files." in done.stdout


def test_many_names_are_counted(run: Run, mine: Path) -> None:
    for number in range(30):
        (mine.parent / "knees" / f"{number}.txt").touch()
    assert "extra: 30\n" in (text := run("data", "verify", "ward-7", "knees", "--catalogue", mine).stdout)
    assert "  and 20 more; --json prints all\n" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--modality", "mrt"), "no modality 'mrt' (did you mean 'mri'?); modalities are ct, mri, pet"),
        (("list", "--catalogue", "nowhere"), "the folder of entries nowhere does not exist"),
        (("show", "bcd"), "the catalogue has no dataset 'bcd' (did you mean 'BCCD'?)"),
        (("verify", "bccd", "nowhere"), "the archive nowhere does not exist"),
        (("verify", "nothing_like_it", "."), "the catalogue has no dataset 'nothing_like_it'"),
        (("verify", "hnscc", "mine", "--list", "mine/ward.yaml"), "there is no published list of HNSCC"),
        (("verify", "bccd", "mine", "--list", "nowhere"), "the list nowhere cannot be read as text"),
    ],
)
def test_wrong_input(run: Run, mine: Path, refusal: Refusal, arguments: tuple[str, ...], said: str) -> None:
    refusal(run("data", *arguments), said)


def test_a_wrong_entry_is_named_with_its_key(run: Run, mine: Path, refusal: Refusal) -> None:
    (mine / "ward.yaml").write_text(OWN.replace("access: request", "access: free"))
    refusal(run("data", "list", "--catalogue", "mine"), "mine/ward.yaml:\naccess: ")
