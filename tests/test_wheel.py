"""The wheel, built as a release is (from the sdist), holds everything and works in an empty folder."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by hatchling itself: nothing is fetched."""
    pytest.importorskip("hatchling")
    place = tmp_path_factory.mktemp("dist")
    _build("sdist", ROOT, place)
    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as sources:
        sources.extractall(place, filter="data")
    _build("wheel", place / archive.name.removesuffix(".tar.gz"), place)
    (found,) = place.glob("*.whl")
    return found


def _build(target: str, sources: Path, place: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(place)]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {p.relative_to(ROOT).as_posix() for p in (ROOT / "gmssl").rglob("*") if p.is_file()}
    assert {name for name in package if "__pycache__" not in name} <= names
    assert "gmssl/py.typed" in names
    recipes = {
        f"gmssl/recipe/shipped/{p.relative_to(ROOT / 'recipes').as_posix()}" for p in ROOT.glob("recipes/**/*.yaml")
    }
    assert len(recipes) > 20
    assert recipes <= names
    page = {name.rpartition("/")[2] for name in names if name.startswith("gmssl/explaining/page/templates/")}
    sections = ("run", "curves", "accuracy", "pairs", "causes", "solver")
    assert page >= {f"{name}.html.jinja" for name in ("page", "tiles", "parts", *sections)}
    assert all(name.startswith(("gmssl/", "gmssl-")) for name in names), "nothing else is installed beside the package"


def test_its_metadata(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (info,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert archive.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    points = ConfigParser(delimiters=("=",))
    points.optionxform = str  # type: ignore[assignment,method-assign]
    points.read_string(archive.read(f"{info}/entry_points.txt").decode())
    assert {group: dict(points[group]) for group in points.sections()} == {
        "console_scripts": PROJECT["scripts"],
        **PROJECT["entry-points"],
    }


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """The installed program, run in an empty folder; what it prints."""
    site, empty = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("empty")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    done = subprocess.run([*pip, str(wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # -S: the environment of the tests lends its packages, but not its editable gmssl, which hides behind a .pth file.
    path = os.pathsep.join([str(site), sysconfig.get_paths()["purelib"]])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-S", str(site / "bin" / "gmssl"), *arguments]
        done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_installed_it_knows_its_recipes(installed: Callable[..., str]) -> None:
    assert installed("recipes", "show", "quickstart") == (ROOT / "recipes" / "quickstart.yaml").read_text("utf-8")
    assert "quickstart is a valid recipe." in installed("check", "quickstart")


@pytest.mark.slow
def test_installed_it_trains_and_explains_the_quickstart_in_an_empty_folder(
    installed: Callable[..., str], tmp_path: Path
) -> None:
    small = ["data.number=64", "train.batch=16", "train.max_steps=2", "train.workers=0", "probe=null"]
    sets = [word for setting in (*small, "views.large_size=32") for word in ("--set", setting)]
    run = tmp_path / "run"
    assert installed("train", "quickstart", *sets, "--out", str(run)).splitlines()[-1] == str(run)
    assert (run / "encoder.safetensors").is_file()
    page = Path(installed("explain", str(run), "--passes", "1", "--pairs", "1", "--bounds", "0").strip())
    assert "</html>" in page.read_text(encoding="utf-8")
