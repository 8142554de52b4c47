"""What is missing, extra or doubled in an archive; lists are hashed here by the rule itself."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.corpus.catalogue.entry import Entry
from gmssl.corpus.catalogue.verify import verify
from gmssl.errors import DataError

Build = Callable[[Iterable[str]], Path]

SCANS = [f"scans/p{patient}_{scan}.nii.gz" for patient in (1, 2, 3) for scan in "ab"]
WHOLE = [*SCANS, "scans/p1_a_mask.nii.gz", "table.csv"]


def entry_of(settings: dict[str, Any], **changes: Any) -> Entry:
    return Entry.model_validate(settings | changes)


def test_a_whole_archive(settings: dict[str, Any], archive: Build) -> None:
    found = verify(entry_of(settings, patients=3), archive(WHOLE))
    assert found.complete
    assert [each.files for each in found.found] == [1, 6, 1]
    assert (found.files, found.images, found.patients) == (8, 6, 3)
    assert (found.missing, found.extra, found.doubled, found.listed) == ((), (), (), None)


@given(data=st.data())
def test_what_was_taken_away_is_missing_and_what_was_added_is_extra(data: st.DataObject) -> None:
    kept = data.draw(st.sets(st.sampled_from(SCANS), min_size=1), "kept")
    added = data.draw(st.sets(st.sampled_from(["scans/x.txt", "b.md", "deep/er/c.png", "scansp1.nii.gz"])), "added")
    wrap = data.draw(st.sampled_from(["", "ward7/", "a/b/"]), "wrapped")
    layout = [{"pattern": "**/scans/*.nii.gz", "count": 6}]
    split = {"fraction": 0.2, "patient": r"(?P<patient>p\d+)_"}
    entry = Entry.model_validate(BASE | {"layout": layout, "split": split})
    with tempfile.TemporaryDirectory() as folder:
        for name in [*(f"{wrap}{name}" for name in kept), *added]:
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        found = verify(entry, Path(folder))
    assert found.extra == tuple(sorted(added))
    gone = 6 - len(kept)
    assert found.missing == ((f"{gone} of 6 images of **/scans/*.nii.gz",) if gone else ())
    assert found.complete == (gone == 0)
    assert found.patients == len({name[:8] for name in kept})


BASE: dict[str, Any] = {
    "name": "x",
    "title": "x",
    "modality": "ct",
    "organ": "x",
    "dimension": "3D",
    "licence": "unknown",
    "homepage": "https://example.org",
    "access": "open",
    "obtain": "x",
    "reader": "nifti",
}


def test_the_folder_s_own_name_counts(settings: dict[str, Any], archive: Build) -> None:
    assert verify(entry_of(settings), archive(WHOLE) / "scans").images == 6


def test_required_places_and_patients_are_missing(settings: dict[str, Any], archive: Build) -> None:
    found = verify(entry_of(settings, patients=5), archive(SCANS))
    assert found.missing == ("all tables of *.csv", "2 of 5 patients")


def test_patients_are_told_by_paths_before_the_folder_s_own_name(settings: dict[str, Any], archive: Build) -> None:
    root = archive(WHOLE).rename(Path(archive([])).parent / "p9_archive")
    assert verify(entry_of(settings), root).patients == 3
    assert verify(entry_of(settings, split={"fraction": 0.2, "patient": r"(?P<patient>p9)_"}), root).patients == 1


def test_an_archive_without_images_says_what_is_packed(settings: dict[str, Any], archive: Build) -> None:
    root = archive(["table.csv", "scans.zip", ".hidden/scans/p1_a.nii.gz", "__MACOSX/scans/p1_a.nii.gz"])
    found = verify(entry_of(settings), root)
    assert found.missing[0] == "all images: no file fits **/scans/*.nii.gz; 1 packed archives lie there, unpack them"
    assert found.extra == ("scans.zip",)
    assert found.patients is None


def test_one_of_several_forms_is_enough(settings: dict[str, Any], archive: Build) -> None:
    forms = [{"pattern": f"**/*.{end}", "required": False, "count": 6} for end in ("nii.gz", "dcm")]
    assert verify(entry_of(settings, layout=forms), archive(SCANS)).complete


@pytest.mark.parametrize(("count", "gone"), [([4, 8], 0), ([6, 6], 0), ([8, 9], 2), (7, 1), (5, 0), (None, 0)])
def test_a_range_is_satisfied_by_its_least_number(
    settings: dict[str, Any], archive: Build, count: Any, gone: int
) -> None:
    found = verify(entry_of(settings, layout=[{"pattern": "scans/*.nii.gz", "count": count}]), archive(SCANS))
    least = count[0] if isinstance(count, list) else count
    assert found.missing == ((f"{gone} of {least} images of scans/*.nii.gz",) if gone else ())


def test_doubled_names_and_contents(settings: dict[str, Any], archive: Build) -> None:
    root = archive([*WHOLE, "again/scans/p1_a.nii.gz"])
    names = (("again/scans/p1_a.nii.gz", "scans/p1_a.nii.gz"),)
    assert verify(entry_of(settings), root).doubled == names  # their bytes differ
    repeated = [{"pattern": "**/scans/*.nii.gz"}]  # as where each case has a file called imaging.nii.gz
    assert verify(entry_of(settings, layout=repeated), root).doubled == ()
    (root / "scans" / "p2_a.nii.gz").write_bytes((root / "scans" / "p1_b.nii.gz").read_bytes())
    assert verify(entry_of(settings), root).doubled == names
    found = verify(entry_of(settings), root, contents=True)
    assert found.doubled == (*names, ("scans/p1_b.nii.gz", "scans/p2_a.nii.gz"))
    assert not found.complete


def test_long_files_differ_in_their_last_byte(settings: dict[str, Any], archive: Build) -> None:
    root = archive(WHOLE)
    for name, last in zip(SCANS, b"abcadd", strict=True):
        (root / name).write_bytes(bytes(200_000) + bytes([last]))
    found = verify(entry_of(settings), root, contents=True)
    assert found.doubled == ((SCANS[0], SCANS[3]), (SCANS[4], SCANS[5]))


def test_a_circle_of_links_ends(settings: dict[str, Any], archive: Build) -> None:
    root = archive(WHOLE)
    (root / "scans" / "round").symlink_to(root, target_is_directory=True)
    assert verify(entry_of(settings), root).images == 6


def test_a_link_that_leads_nowhere_is_missing(settings: dict[str, Any], archive: Build) -> None:
    root = archive(WHOLE)
    (root / SCANS[0]).unlink()
    (root / SCANS[0]).symlink_to(root / "nothing")
    found = verify(entry_of(settings), root, contents=True)
    assert found.missing == ("1 of 6 images of **/scans/*.nii.gz",)


def published(text: str, **changes: Any) -> dict[str, Any]:
    lines = [line for line in text.splitlines() if line]
    folders = len({line.split("/")[0] for line in lines}) if "/" in text else None
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    facts = {"entries": len(lines), "unique": len(set(lines)), "groups": folders, "first": lines[0], "sha256": digest}
    return {"name": "list"} | facts | changes


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("p1_a.nii.gz\np3_b.nii.gz\n", {}),
        ("p1_a.nii\np3_b", {"compares": "stem"}),
        ("scans/p1_a.nii.gz\nscans/p3_b.nii.gz", {"compares": "path"}),
        ("archive/scans/p1_a.nii.gz\nscans/p3_b.nii.gz", {"compares": "path"}),
        ("CN_p1_a.nii.gz\nAD_p3_b.nii.gz\n", {"adds": "^(?:AD|CN)_"}),
        ("Task\nTask/p1_a.nii.gz\nOther\nTask/p3_b.nii.gz\n", {"only": "^Task/", "own": 2, "adds": "^Task/"}),
    ],
)
def test_a_released_list(settings: dict[str, Any], archive: Build, tmp_path: Path, text: str, how: Any) -> None:
    entry = entry_of(settings, published=[published(text, **how)])
    path = tmp_path / "list.txt"
    path.write_bytes(text.encode())
    found = verify(entry, archive(WHOLE), path)
    assert found.listed is not None
    assert (found.listed.differences, found.listed.names, found.listed.missing) == ((), 2, ())
    assert found.listed.unlisted == 4
    assert found.complete
    (tmp_path / "archive" / "scans" / "p3_b.nii.gz").unlink()
    found = verify(entry, tmp_path / "archive", path)
    assert found.listed is not None
    assert found.listed.missing == (text.split()[-1],)
    assert not found.complete


def test_a_list_of_folders(settings: dict[str, Any], archive: Build, tmp_path: Path) -> None:
    text = "I1_CN.nii\nI3_AD.nii\n"
    layout = [{"pattern": "**/*.nii"}]
    how = published(text, compares="folder", adds=r"_(?:AD|CN)\.nii$")
    (tmp_path / "list.txt").write_text(text)
    root = archive([f"{number}_S_1/I{number}/scan.nii" for number in (1, 2)])
    found = verify(entry_of(settings, layout=layout, published=[how]), root, tmp_path / "list.txt")
    assert found.listed is not None
    assert (found.listed.missing, found.listed.unlisted) == (("I3_AD.nii",), 1)


def test_another_list_differs_in_every_fact(settings: dict[str, Any], archive: Build, tmp_path: Path) -> None:
    entry = entry_of(settings, published=[published("p1_a.nii.gz\np1_b.nii.gz\n")])
    (tmp_path / "list.txt").write_text("x/p2_a.nii.gz\np1_a.nii.gz\np1_a.nii.gz\r\n\n")
    found = verify(entry, archive(WHOLE), tmp_path / "list.txt")
    assert found.listed is not None
    words = ["lines: 3, not 2", "first folders: 2, not None", "beginning of the first line: x/p2_a.nii.gz, not p1_a"]
    for said in words:
        assert any(difference.startswith(said) for difference in found.listed.differences), said
    assert any("SHA-256" in difference for difference in found.listed.differences)
    assert found.listed.missing == ("x/p2_a.nii.gz",)


def test_the_list_of_two_that_has_these_bytes(settings: dict[str, Any], archive: Build, tmp_path: Path) -> None:
    texts = ["p1_a.nii.gz\n", "p1_a.nii.gz\np1_b.nii.gz\n"]
    lists = [published(text, name=f"list {number}") for number, text in enumerate(texts)]
    for number, text in enumerate(texts):
        (tmp_path / "list.txt").write_text(text)
        found = verify(entry_of(settings, published=lists), archive(WHOLE), tmp_path / "list.txt")
        assert found.listed is not None
        assert (found.listed.name, found.listed.differences) == (f"list {number}", ())


def test_what_cannot_be_compared(settings: dict[str, Any], archive: Build, tmp_path: Path) -> None:
    root, path = archive(WHOLE), tmp_path / "list.txt"
    (tmp_path / "empty").mkdir()
    for where, said in ((tmp_path / "none", "does not exist"), (root / "table.csv", "is a file; unpack it")):
        with pytest.raises(DataError, match=said):
            verify(entry_of(settings), where)
    with pytest.raises(DataError, match="holds no files"):
        verify(entry_of(settings), tmp_path / "empty")
    with pytest.raises(DataError, match=r"list\.txt cannot be read as text"):
        verify(entry_of(settings), root, path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read as text"):
        verify(entry_of(settings), root, path)
    path.write_text("\n")
    with pytest.raises(DataError, match="is empty; leave out --list"):
        verify(entry_of(settings), root, path)
    path.write_text("a\n")
    with pytest.raises(DataError, match="there is no published list of Ward-7"):
        verify(entry_of(settings), root, path)
