"""The guide "Write a solver plugin": its blocks are the files of the example, and the package they make works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "write_a_solver.md"
EXAMPLE = ROOT / "plugins" / "gmssl-example-solver"


def files() -> dict[str, str]:
    """Text of each file that the guide shows, its blocks joined as they are in the file."""
    blocks = defaultdict(list)
    for title, text in re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        blocks[title].append(text)
    return {title: "\n\n".join(texts) for title, texts in blocks.items()}


def plain(language: str) -> list[str]:
    """Blocks without a title: what the reader types."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def test_blocks_are_the_files_of_the_example() -> None:
    shown = files()
    for path in sorted(p for p in EXAMPLE.rglob("*") if p.suffix in (".py", ".toml")):
        assert shown.pop(str(path.relative_to(EXAMPLE))) == path.read_text(encoding="utf-8")
    assert list(shown) == ["triangle.dat"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the guide, written from its blocks and installed as a wheel would be: code and metadata."""
    folder = tmp_path_factory.mktemp("guide")
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    project = tomllib.loads(files()["pyproject.toml"])["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head, encoding="utf-8")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{kind} = {place}" for kind, place in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_its_package_works(package: Path) -> None:
    """Contract, commands but the training, and the example in Python, in one interpreter: imports take longest."""
    (example,) = plain("python")
    lines = [line for block in plain("bash") for line in block.splitlines() if line.startswith("gmssl ")]
    commands = [line.replace("recipes/", f"{ROOT}/recipes/").split()[1:] for line in lines if " train " not in line]
    assert [words[0] for words in commands] == ["parts", "check", "solve"]
    pytest_words = ["-c", f"{ROOT}/pyproject.toml", "--rootdir", str(package), "-p", "no:cacheprovider"]
    few = "from gmssl.testing.laws import Contract\nContract.examples = 4  # pytest plugins tries all\n"
    (package / "conftest.py").write_text(few, encoding="utf-8")
    code = f"""
import pytest, sys
assert pytest.main({[*pytest_words, "-o", "addopts=--import-mode=importlib", "tests"]!r}) == 0
import gmssl_example_solver
assert gmssl_example_solver.__file__.startswith({str(package)!r})
from gmssl.commands.program import main
for words in {commands!r}:
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
{example}
"""
    environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{ROOT}", "CI": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=package, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gmssl_example_solver.TwoSwap" in done.stdout
    assert re.search(r"triangle +3×3 +32", done.stdout), done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) > 12, done.stdout
