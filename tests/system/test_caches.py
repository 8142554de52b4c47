"""Compiled kernels work where neither the package nor the home folder can be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gmssl.system import caches

PACKAGE = Path(caches.__file__).parents[1]
SOLVE = """
import sys
sys.path.insert(0, {site!r})
import torch, gmssl
assert gmssl.__file__.startswith({site!r}), gmssl.__file__
from gmssl.parts.solvers.assignment.lap import Lap
none = torch.zeros(1, 0, 2, dtype=torch.long)
problem = gmssl.Problem.build(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), none, none, torch.zeros(1, 0, 0))
assert gmssl.solve(problem, Lap()).energy.item() == 0.0
"""


def test_numba_compiles_on_a_read_only_file_system_without_home(tmp_path: Path) -> None:
    """A real read-only mount, in a namespace of its own: permissions would not stop the superuser."""
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "gmssl", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "run.py").write_text(SOLVE.format(site=str(site)), encoding="utf-8")
    mounted = f"mount --bind {site} {site} && mount -o remount,ro,bind {site}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mounted], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "XDG", "MPL"))}
    environment |= {"HOME": "/proc/nowhere", "TMPDIR": str(tmp_path)}
    command = f"{mounted} && exec {sys.executable} {tmp_path / 'run.py'}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be written") == 1
    assert list(tmp_path.glob("gmssl-caches-*/numba/*"))


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No place that lasts; returns the temporary folder."""
    monkeypatch.setattr(caches, "_can_be_made", lambda folder: False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    for variable in (*caches._IN_HOME, "NUMBA_CACHE_DIR"):
        monkeypatch.setenv(variable, "")  # so that what is set gets undone
    return tmp_path


def test_one_warning_and_a_folder_of_ones_own(nowhere: Path) -> None:
    with pytest.warns(RuntimeWarning, match="XDG_CACHE_HOME"):
        caches.settle_caches()
    caches.settle_caches()  # warnings are errors: nothing is told twice
    folder = Path(os.environ["NUMBA_CACHE_DIR"]).parent
    assert folder.parent == nowhere
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_the_user_has_set_counts(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/mine")
    with pytest.warns(RuntimeWarning, match="MPLCONFIGDIR"):
        caches.settle_caches()
    assert os.environ["NUMBA_CACHE_DIR"] == "/mine"


def test_a_folder_that_somebody_else_prepared_is_not_trusted(nowhere: Path) -> None:
    planted = nowhere / f"gmssl-caches-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.warns(RuntimeWarning):
        caches.settle_caches()
    assert Path(os.environ["NUMBA_CACHE_DIR"]).parent != planted


def test_nothing_is_touched_where_the_home_folder_can_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "made" / "later"))
    for variable in (*caches._IN_HOME, "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    caches.settle_caches()
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_models_in_a_home_folder_that_is_only_readable_are_still_found(nowhere: Path) -> None:
    (nowhere / "none" / "huggingface").mkdir(parents=True)
    with pytest.warns(RuntimeWarning, match="TORCH_HOME"):
        caches.settle_caches()
    assert not os.environ["HF_HOME"]
