import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gmssl.errors import DataError
from gmssl.interfaces.data import Record
from gmssl.parts.data.manifest import Manifest


@pytest.fixture
def folder(tmp_path):
    for name in ("1.png", "2.png", "three, four.png"):
        Image.new("L", (2, 2), 9).save(tmp_path / name)
    return tmp_path


def manifest(folder, text, **settings):
    path = folder / "index.csv"
    path.write_text(text, encoding="utf-8")
    return Manifest(path=path, **settings)


def test_columns_become_records(folder):
    images = manifest(
        folder,
        "\ufeffsplit, path,label,patient,dataset,modality\n"
        "train,1.png,glioma,p1,brain,mri\n"
        "\n"
        'test,"three, four.png",,,,\n',
    ).images()
    assert images.records == [Record("1.png", "glioma", "p1", "brain", "mri"), Record("three, four.png")]
    assert pickle.loads(pickle.dumps(images)).load(1, 3).size == (2, 2)


def test_only_the_path_is_needed_and_rows_may_repeat(folder):
    images = manifest(folder, f"path\n{folder / '2.png'}\n1.png\n1.png\n").images()
    assert [r.name for r in images.records] == [str(folder / "2.png"), "1.png", "1.png"]
    assert all(images.load(i, 1).mode == "L" for i in range(3))


def test_where_keeps_rows_and_root_moves_them(folder, tmp_path_factory):
    away = tmp_path_factory.mktemp("away")
    text = "path,split,label\n1.png,train,a\n2.png,test,a\nmissing.png,train,b\n"
    images = manifest(away, text, root=folder, where={"split": "train", "label": "a"}).images()
    assert [r.name for r in images.records] == ["1.png"]
    assert images.load(0, 1).size == (2, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty. Its first line names the columns"),
        ("file,label\n1.png,a\n", r"line 1: no column 'path'; there are file, label"),
        ("path,path\n1.png,1.png\n", "line 1: column 'path' stands twice"),
        ("path,label\n", "a header and no rows"),
        ("path,label\n1.png,a\n,b\n", "line 3: the cell `path` is empty"),
        ("path,label\n1.png,a\n2.png\n", "line 3: 1 cells under 2 columns"),
        ("path,label\nthree, four.png,a\n", "line 2: 3 cells under 2 columns"),
        ('path,label\n1.png,a\n"2.png,a\n', "line 3: unexpected end of data"),
        ("path\nno/1.png\nno/2.png\n", r"none of the images .* data\.root"),
    ],
)
def test_faults_name_their_line(folder, text, message):
    with pytest.raises(DataError, match=message):
        manifest(folder, text).images()


def test_faults_of_where(folder):
    text = "path,split\n1.png,train\n2.png,val\n"
    with pytest.raises(DataError, match=r"no column 'spilt'; there are path, split"):
        manifest(folder, text, where={"spilt": "train"}).images()
    with pytest.raises(DataError, match=r"no row has .* split is one of train, val"):
        manifest(folder, text, where={"split": "Train"}).images()


def test_faults_of_the_file(folder):
    with pytest.raises(DataError, match="there is no file"):
        Manifest(path=folder / "none.csv").images()
    with pytest.raises(DataError, match="is a folder; use data kind folder"):
        Manifest(path=folder).images()
    with pytest.raises(DataError, match="no text in UTF-8"):
        Manifest(path=folder / "1.png").images()


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.text(), st.text(alphabet='path,"\n\r x\0')))
def test_any_text_is_a_table_or_a_data_error(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    (folder / "index.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        outcome = " ".join(Manifest(path=folder / "index.csv").images().paths)
    except DataError as error:
        outcome = str(error)
    assert str(folder) in outcome
