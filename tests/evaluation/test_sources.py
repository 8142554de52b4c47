import numpy as np
import pytest
from PIL import Image

from gmssl.errors import DataError
from gmssl.evaluation.selection import open_source


@pytest.fixture
def folder(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i in range(2):
            Image.fromarray(np.full((4, 4), i, dtype=np.uint8)).save(tmp_path / label / f"{i}.png")
    rows = [f"{label}/{i}.png,{label},{split}" for label in ("cat", "dog") for i, split in enumerate(("train", "test"))]
    (tmp_path / "index.csv").write_text("\n".join(["path,label,split", *rows]))
    return tmp_path


def test_class_folders_are_labels(folder):
    assert [record.label for record in open_source(folder).records] == ["cat", "cat", "dog", "dog"]


def test_rows_of_a_manifest_are_chosen(folder):
    found = open_source(folder / "index.csv", {"split": "test"})
    assert [(r.name, r.label) for r in found.records] == [("cat/1.png", "cat"), ("dog/1.png", "dog")]


def test_what_cannot_be_judged_is_refused(folder):
    with pytest.raises(DataError, match="all labelled images are 'cat'"):
        open_source(folder / "index.csv", {"label": "cat"})
    with pytest.raises(DataError, match="no image bears a label"):
        open_source(folder / "cat")
    with pytest.raises(DataError, match="selects rows"):
        open_source(folder, {"split": "test"})
    with pytest.raises(DataError, match="neither a folder nor"):
        open_source(folder / "cat" / "0.png")
    with pytest.raises(DataError, match=r"^there is no folder"):
        open_source(folder / "absent")
    with pytest.raises(DataError, match=r"^there is no file"):
        open_source(folder / "absent.csv")
