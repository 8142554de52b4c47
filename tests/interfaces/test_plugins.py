"""What every package in plugins/ keeps."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from gmssl.interfaces.registry import GROUPS

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
COPYLEFT = {"pylibmgm", "gmssl-libmgm"}


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}


def test_there_are_plugins() -> None:
    assert len(PLUGINS) >= 2


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: p.name)
def test_plugins_use_the_public_door(folder: Path) -> None:
    """Entry points, and nothing of gmssl that begins with an underscore."""
    points = project(folder)["entry-points"]
    assert points
    assert set(points) <= set(GROUPS.values())
    for path in folder.rglob("*.py"):
        assert not re.search(r"(import|from) gmssl[\w.]*(\.| import )_", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: p.name)
def test_every_solver_of_a_plugin_has_its_contract(folder: Path) -> None:
    tests = "\n".join(p.read_text(encoding="utf-8") for p in (folder / "tests").glob("test_*.py"))
    for kind in project(folder)["entry-points"].get("gmssl.solvers", {}):
        assert re.search(rf'\(SolverContract\):\n    solver = gmssl\.part\("solver", "{kind}"', tests), kind


def test_gmssl_needs_no_copyleft() -> None:
    """pylibmgm is GPL-3.0: a plugin of its own may need it, gmssl and its extras may not."""
    core = project(ROOT)
    needed = names(core["dependencies"]).union(*map(names, core["optional-dependencies"].values()))
    assert needed
    assert not needed & COPYLEFT
    for folder in PLUGINS:
        given = project(folder)
        if names(given["dependencies"]) & COPYLEFT:
            assert given["license"] == "GPL-3.0-or-later"
            assert "GNU GENERAL PUBLIC LICENSE" in (folder / "LICENSE").read_text(encoding="utf-8")
