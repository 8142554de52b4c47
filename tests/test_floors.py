"""The house stands: imports go downward, budgets are kept. Read from the source, so imports in functions count too."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gmssl"

FLOORS = [
    {"errors", "lazy"},
    {"system"},
    {"problem"},
    {"interfaces"},
    {"parts"},
    {"objective"},
    {"recipe"},
    {"evaluation"},
    {"training"},
    {"explaining", "benchmarking", "sweeping", "corpus", "downstream"},
    {"commands"},
    {"__main__"},
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
TESTING_MAY_IMPORT = FLOOR["parts"]
MACHINERY = {"interfaces.part", "interfaces.registry"}
"""What a part is and how it is found: they take the settings of any part, and are no interface."""

MAY_IMPORT_TESTING = {"benchmarking", "commands"}
"""Those that show users how well parts do: on the instances and by the laws that plugin authors test with."""


def modules() -> dict[str, Path]:
    """Dotted name below gmssl → file; the public door `gmssl/__init__.py` is no floor of its own."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


def imports(path: Path) -> set[str]:
    """Dotted names below gmssl that a file imports anywhere: in functions and for the type checker, too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("gmssl.") for name in found if name.startswith("gmssl.")}


def top(name: str) -> str:
    return name.partition(".")[0]


def test_every_module_has_a_floor() -> None:
    homeless = {top(name) for name in modules()} - set(FLOOR) - {"testing"}
    assert not homeless, f"say in tests/test_floors.py which floor {homeless} is on"


@pytest.mark.parametrize("name", modules())
def test_imports_go_downward_only(name: str) -> None:
    own = top(name)
    for imported in imports(modules()[name]):
        other = top(imported)
        if other == own or (other not in FLOOR and other != "testing"):
            continue  # the same room, or a public name of the door: gmssl.Problem
        if own == "testing":
            assert FLOOR[other] <= TESTING_MAY_IMPORT, f"testing imports {imported}"
        elif other == "testing":
            assert own in MAY_IMPORT_TESTING, f"{name} imports {imported}: testing stands beside the house"
        else:
            assert FLOOR[other] < FLOOR[own], f"{name} (floor {FLOOR[own]}) imports {imported} (floor {FLOOR[other]})"


@pytest.mark.parametrize("name", [n for n in modules() if n.startswith("parts.")])
def test_slots_know_only_interfaces(name: str) -> None:
    for imported in imports(modules()[name]):
        if top(imported) == "parts":
            assert slot(imported) == slot(name), f"{name} imports {imported}: slots know interfaces, not each other"


def slot(name: str) -> str:
    """`parts.solvers.tabu.layout` → `solvers`."""
    return name.split(".")[1]


def test_no_module_imports_itself_in_a_circle() -> None:
    """Imports in functions and those for the type checker are arrows of the house, too."""
    names = modules()
    graph = {name: {_module(i, names) for i in imports(path)} - {name, ""} for name, path in names.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def _module(imported: str, names: dict[str, Path]) -> str:
    """`problem.Problem` → `problem`; empty for a public name of the door."""
    if imported in names:
        return imported
    above = imported.rpartition(".")[0]
    return above if above in names else ""


def test_a_stranger_can_read_the_rooms_from_ls() -> None:
    for folder in [PACKAGE, *(p for p in PACKAGE.rglob("*") if p.is_dir())]:
        if folder.name != "__pycache__":
            entries = [p.name for p in folder.iterdir() if p.name != "__pycache__"]
            assert len(entries) <= 20, f"{folder} has {len(entries)} entries; make a room of those that belong together"


SOURCES = [p for folder in ("gmssl", "plugins", "benchmarks", "tests") for p in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_budgets(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400, "split the file by concepts"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines; name its steps"


def test_a_file_holds_a_concept() -> None:
    """Whole, and no more than one: half of the files are between 80 and 150 lines or beside that on either side."""
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in modules().values()]
    assert 80 <= median(lengths) <= 150


@pytest.mark.parametrize("name", modules())
def test_no_print_and_no_choice_by_kind(name: str) -> None:
    for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno}"
        if isinstance(node, ast.Compare) and name != "interfaces.registry":
            operands = [node.left, *node.comparators]
            by_kind = any(isinstance(o, ast.Attribute) and o.attr == "kind" for o in operands)
            literal = any(isinstance(o, ast.Constant) and isinstance(o.value, str) for o in operands)
            assert not (by_kind and literal), f"line {node.lineno}: ask for a class fact, not for a kind"


@pytest.mark.parametrize("name", [n for n in modules() if top(n) == "interfaces" and n not in MACHINERY])
def test_interfaces_are_typed(name: str) -> None:
    text = modules()[name].read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.args.kwarg is None, f"{node.name} takes **{node.args.kwarg.arg if node.args.kwarg else ''}"
    assert "dict[str, Any]" not in text
