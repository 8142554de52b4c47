from __future__ import annotations

from pathlib import Path

import pytest

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.registry import part


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    write(tmp_path, "a/1.png", "a/2.png", "m/1.png", "m/2.png")
    (tmp_path / "index.csv").write_text(
        "path,case,mask,label,patient,split\na/1.png,one,m/1.png,benign,p1,train\na/2.png,two,,,p2,test\n"
    )
    return tmp_path / "index.csv"


class TestTable:
    def test_rows_are_cases(self, table: Path) -> None:
        files = {"image": "{path}", "mask": "{mask}"}
        first, second = part(
            "cases", "table", path=table, files=files, name="{case}", label="label", patient="patient"
        ).cases()
        assert (first.name, first.label, first.patient, first.facts["split"]) == ("one", "benign", "p1", "train")
        assert first.files == {"image": table.parent / "a/1.png", "mask": table.parent / "m/1.png"}
        assert second.label is None
        assert set(second.files) == {"image"}
        assert second.unit == "patient p2"

    def test_paths_are_made_of_columns_and_names_default_to_them(self, table: Path) -> None:
        (case,) = part("cases", "table", path=table, files={"image": "a/2.png"}, where={"split": "test"}).cases()
        assert case == Case("a/2.png", {"image": table.parent / "a/2.png"}, facts=case.facts)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"label": "grade"}, r"no column 'grade'; it has path, case"),
            ({"where": {"split": "validation"}}, r"not one of 2 rows.*split = \['test', 'train'\].*cases.where"),
            ({"files": {"image": "{path}", "mask": "x/{case}.png"}}, r"no file .*x/one.png \(mask of a/1.png\); there"),
            ({"files": {"image": "a/1.png"}}, r"two cases are named 'a/1.png'"),
            ({"root": "elsewhere"}, r"no file elsewhere/a/1.png"),
            ({"path": "lost.csv"}, r"no file lost.csv"),
            ({"files": {"image": "{mask}"}}, r"has no image"),
        ],
    )
    def test_faults_are_told_with_their_remedy(self, table: Path, change: dict[str, object], message: str) -> None:
        with pytest.raises(DataError, match=message):
            part("cases", "table", **{"path": table} | change).cases()

    def test_an_image_must_be_named(self, table: Path) -> None:
        with pytest.raises(RecipeError, match="no role 'image'"):
            part("cases", "table", path=table, files={"mask": "{mask}"})


class TestPaired:
    files = {"image": "images/*.jpg", "mask": "masks/{stem}_mask.png"}  # noqa: RUF012

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        write(tmp_path, "images/p1_a.jpg", "images/p1_b.jpg", "images/p2_a.jpg", "masks/p1_a_mask.png")
        return tmp_path

    def test_files_of_one_stem_are_a_case(self, root: Path) -> None:
        cases = part("cases", "paired", root=root, files=self.files, fields=r"(?P<patient>p\d)_(?P<eye>\w)").cases()
        assert [case.name for case in cases] == ["images/p1_a.jpg", "images/p1_b.jpg", "images/p2_a.jpg"]
        assert [case.patient for case in cases] == ["p1", "p1", "p2"]
        assert cases[1].facts["eye"] == "b"
        assert [sorted(case.files) for case in cases] == [["image", "mask"], ["image"], ["image"]]

    def test_files_are_named_by_groups_of_the_image_s_path(self, tmp_path: Path) -> None:
        write(tmp_path, "HGG/p1/p1_flair.nii.gz", "HGG/p1/p1_seg.nii.gz", "LGG/p2/p2_flair.nii.gz")
        files = {"image": "*/*/*_flair.nii.gz", "mask": "{folder}/{patient}_seg.nii.gz"}
        fields = r"^(?P<folder>(?P<grade>\w+)/\w+)/(?P<patient>\w+)_flair"
        cases = part("cases", "paired", root=tmp_path, files=files, fields=fields).cases()
        assert [(case.patient, case.facts["grade"]) for case in cases] == [("p1", "HGG"), ("p2", "LGG")]
        assert [sorted(case.files) for case in cases] == [["image", "mask"], ["image"]]
        assert cases[0].files["mask"] == tmp_path / "HGG/p1/p1_seg.nii.gz"
        with pytest.raises(RecipeError, match=r"files\.mask: there is no \{patient\}; there is \{stem\}"):
            part("cases", "paired", root=tmp_path, files=files | {"mask": "{patient}.nii.gz"})

    def test_lists_say_the_split_and_choose(self, root: Path) -> None:
        (root / "train.txt").write_text("p1_b\n\np2_a\n")
        cases = part("cases", "paired", root=root, files=self.files, lists={"train": "train.txt"}).cases()
        assert [(case.image.stem, case.facts["split"]) for case in cases] == [("p1_b", "train"), ("p2_a", "train")]

    @pytest.mark.parametrize(
        ("lists", "message"),
        [
            ({"train": "lost.txt"}, "no file .*lost.txt"),
            ({"train": "a.txt"}, "'p9', and 0 more, of which there is no image"),
            ({"train": "b.txt", "test": "c.txt"}, "'p1_a' is in test and in train"),
        ],
    )
    def test_faulty_lists_are_told(self, root: Path, lists: dict[str, str], message: str) -> None:
        for name, stem in (("a", "p9"), ("b", "p1_a"), ("c", "p1_a")):
            (root / f"{name}.txt").write_text(stem)
        with pytest.raises(DataError, match=message):
            part("cases", "paired", root=root, files=self.files, lists=lists).cases()

    def test_a_missing_folder_and_a_pattern_without_images_are_told(self, root: Path) -> None:
        with pytest.raises(DataError, match=r"no folder .*lost"):
            part("cases", "paired", root=root / "lost", files=self.files).cases()
        with pytest.raises(DataError, match=r"no file below .* fits '\*.tif'"):
            part("cases", "paired", root=root, files={"image": "*.tif"}).cases()
        with pytest.raises(RecipeError, match="no regular expression"):
            part("cases", "paired", root=root, files=self.files, fields="(")
