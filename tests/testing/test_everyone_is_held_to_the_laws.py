"""Every first-party part of a slot with laws, and every solver of a plugin, inherits its contract in some test."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from gmssl.interfaces.registry import GROUPS, find
from gmssl.testing.report_card import CONTRACTS

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT, *sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))]


def offered(slot: str) -> list[tuple[Path, str]]:
    """Package and kind."""
    found = []
    for package in PACKAGES:
        project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        found += [(package, kind) for kind in project.get("entry-points", {}).get(GROUPS[slot], {})]
    return found


def held(package: Path, slot: str) -> set[str]:
    """Kinds that a class of the package's tests names as the part of its contract."""
    pattern = rf'\({CONTRACTS[slot].__name__}\):\n(?:    .*\n)*?    {slot} = gmssl\.part\(\s*"{slot}", "(\w+)"'
    texts = (path.read_text(encoding="utf-8") for path in (package / "tests").rglob("*.py"))
    return {kind for text in texts for kind in re.findall(pattern, text)}


@pytest.mark.parametrize("slot", CONTRACTS)
def test_everyone_is_held_to_the_laws(slot: str) -> None:
    parts = offered(slot)
    assert len(parts) > 2
    for package, kind in parts:
        if slot == "solver" and (find(slot, kind).constant or not find(slot, kind).constrained):
            continue  # no matchings that the laws could be about; see tests/parts/solvers/test_relaxed.py
        assert kind in held(package, slot), f"no test of {package.name} inherits {CONTRACTS[slot].__name__} for {kind}"
