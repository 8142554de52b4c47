from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gmssl.errors import FormatError
from gmssl.problem.formats import read

DATA = Path("/work/shared/data")

DD = "c über\np 3 2 1 0\na 0 2 1 -4\n"
QAPLIB = "1\n5\n5\n"


@pytest.mark.parametrize("suffix", [".dd", ".txt", ".dat", ""])
@pytest.mark.parametrize(
    ("text", "n"), [("p 3 2 0 0\n", 3), ("c x\n\np 3 2 0 0\n", 3), ("gm 0 1\np 3 2 0 0\n", 3), ("\n1\n5\n5\n", 1)]
)
def test_the_first_line_tells_the_format(tmp_path, suffix, text, n):
    path = tmp_path / f"x{suffix}"
    path.write_text(text)
    (instance,) = read(str(path))
    assert instance.problem.costs.vertex.shape[1] == n


@contextmanager
def pipe(content: bytes) -> Iterator[str]:
    """The path of a pipe that holds some bytes, as a shell makes it of `<(...)`: they are gone once they are read."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    try:
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="pipes have no paths here")
@pytest.mark.parametrize(("text", "n"), [(DD, 3), (QAPLIB, 1)])
def test_a_pipe_is_read_once(text, n):
    with pipe(text.encode()) as path:
        (instance,) = read(path)
        assert instance.name == Path(path).name
    assert instance.problem.costs.vertex.shape[1] == n


def test_standard_input_that_is_closed_is_refused(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(FormatError, match="/dev/stdin cannot be read: it is closed"):
        read("-")


@pytest.mark.parametrize(("text", "n"), [(DD, 3), (QAPLIB, 1)])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_of_the_byte_order_and_all_line_ends_are_read(tmp_path, text, n, encoding, end):
    path = tmp_path / "x"
    path.write_bytes(text.replace("\n", end).encode(encoding))
    (instance,) = read(path)
    assert instance.problem.costs.vertex.shape[1] == n


def test_a_fault_after_a_mark_is_told_by_its_line(tmp_path):
    path = tmp_path / "x.dd"
    path.write_bytes(DD.replace("-4", "four").replace("\n", "\r\n").encode("utf-8-sig"))
    with pytest.raises(FormatError, match=r"line 3: expected `a id i j cost` .* not 'a 0 2 1 four'"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.dd", b"", "x.dd is empty; expected the dd format"),
        ("x.dat", b"\xef\xbb\xbf\n# 3\n", "x.dat is empty; expected the dd format"),
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
