import os
import pickle

import pytest
from PIL import Image

from gmssl.errors import DataError
from gmssl.parts.data.folder import Folder


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2), len(name)).save(path)


def test_sub_folders_are_labels_and_names_are_sorted(tmp_path):
    put(tmp_path, "b/2.png", "b/deep/er/1.TIF", "a/x.JPEG", "top.bmp", "a/.hidden.png", ".cache/y.png", "a/x.tiff")
    (tmp_path / "a" / "notes.txt").touch()
    images = Folder(root=tmp_path).images()
    assert [(r.name, r.label) for r in images.records] == [
        ("a/x.JPEG", "a"),
        ("a/x.tiff", "a"),
        ("b/2.png", "b"),
        ("b/deep/er/1.TIF", "b"),
        ("top.bmp", None),
    ]
    assert len(images) == 5
    again = pickle.loads(pickle.dumps(images))
    assert again.records == images.records
    assert again.load(4, 1).getpixel((0, 0)) == len("top.bmp")


def test_links_are_followed_even_in_a_circle(tmp_path):
    put(tmp_path, "data/a/1.png", "elsewhere/2.png")
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "b")
    os.symlink(tmp_path / "data", tmp_path / "data" / "a" / "loop")
    images = Folder(root=tmp_path / "data").images()
    assert [r.name for r in images.records] == ["a/1.png", "b/2.png"]
    assert images.load(1, 3).mode == "RGB"


def test_one_image_is_a_folder(tmp_path):
    put(tmp_path, "1.png")
    assert len(Folder(root=tmp_path).images()) == 1


def test_a_missing_folder_names_its_neighbours(tmp_path):
    put(tmp_path, "train/1.png")
    with pytest.raises(DataError, match=r"no folder .*trian; in .* there are train"):
        Folder(root=tmp_path / "trian").images()
    with pytest.raises(DataError, match=r"no folder .*, nor "):
        Folder(root=tmp_path / "no" / "where").images()


def test_a_folder_without_images_says_what_it_looked_for(tmp_path):
    (tmp_path / "scan.dcm").touch()
    with pytest.raises(
        DataError, match=r"no image in .*ending in \.dcm\. .*\.png, \.jpg, \.jpeg, \.tif, \.tiff, \.bmp"
    ):
        Folder(root=tmp_path).images()
    (tmp_path / "scan.dcm").unlink()
    with pytest.raises(DataError, match="it holds no files"):
        Folder(root=tmp_path).images()


def test_a_file_is_no_folder(tmp_path):
    put(tmp_path, "1.png")
    with pytest.raises(DataError, match="is a file, not a folder"):
        Folder(root=tmp_path / "1.png").images()
