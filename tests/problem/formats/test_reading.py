from __future__ import annotations

import time
from pathlib import Path

import pytest

from gmssl.errors import FormatError
from gmssl.problem.formats import read

DATA = Path("/work/shared/data")


@pytest.mark.parametrize("suffix", [".dd", ".txt", ".dat", ""])
@pytest.mark.parametrize(
    ("text", "n"), [("p 3 2 0 0\n", 3), ("c x\n\np 3 2 0 0\n", 3), ("gm 0 1\np 3 2 0 0\n", 3), ("\n1\n5\n5\n", 1)]
)
def test_the_first_line_tells_the_format(tmp_path, suffix, text, n):
    path = tmp_path / f"x{suffix}"
    path.write_text(text)
    (instance,) = read(str(path))
    assert instance.problem.costs.vertex.shape[1] == n


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.dd", b"", "is no file of matching problems: it starts with ''"),
        ("x.txt", b"hello\n", "it starts with 'hello'"),
        ("x.dat", b"paper 1 1 0 0\n", "it starts with 'paper 1 1 0 0'"),
        ("x.png", bytes(range(128, 256)), "is no file of matching problems"),
        ("x.sln", b"1 5\n1\n", "holds a solution; give the problem, x.dat"),
        ("no.dd", None, "cannot be read: No such file or directory"),
        (".", None, "is a folder"),
        ("x" * 300, None, "cannot be read: File name too long"),
    ],
)
def test_what_is_no_file_of_problems(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path / name)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.skipif(not DATA.is_dir(), reason="no data here")
def test_large_files_are_quick():
    def seconds() -> float:
        start = time.process_time()
        read(DATA / "dd" / "qap_000.dd")
        return time.process_time() - start

    assert min(seconds() for _ in range(5)) < 0.5
