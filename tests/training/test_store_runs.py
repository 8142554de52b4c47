"""A run on a store is the run on the folder that it was built from, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from gmssl.corpus.build import build_store
from gmssl.corpus.recipe import corpus_of
from gmssl.recipe.recipe import load_recipe
from gmssl.training.run import train


def ignored(*_: object) -> None:
    """Nobody is told."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    generator, root = np.random.default_rng(0), tmp_path / "images"
    for number in range(64):
        path = root / "ab"[number % 2] / f"{number:02d}.{'jpg' if number % 3 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (48, 52), dtype=np.uint8)).save(path)
    return root


def test_metrics_and_weights_are_those_of_the_folder(folder: Path, tmp_path: Path) -> None:
    source = {"name": "images", "path": str(folder), "reader": "pictures", "fields": "^(?P<label>[^/]+)/"}
    build_store(corpus_of({"sources": [source]}), tmp_path / "store", 1, ignored, ignored)
    sources = {"folder": f"{{kind: folder, root: {folder}}}", "store": f"{{kind: store, path: {tmp_path / 'store'}}}"}
    found = {}
    for kind, data in sources.items():
        changes = [f"data={data}", "train.batch=32", "train.max_steps=2", "train.workers=1", "probe=null"]
        out = tmp_path / "runs" / kind
        train(load_recipe("quickstart", changes), kind, out, None, Console(quiet=True))
        found[kind] = [(out / name).read_bytes() for name in ("metrics.csv", "encoder.safetensors")]
    assert found["folder"] == found["store"]
