"""Whatever bytes lie in an archive, a build ends with its store, and tells what it could not read."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmssl.corpus.build import build_store
from gmssl.corpus.recipe import corpus_of
from gmssl.parts.data.store import Store
from tests.corpus.damage import FORMS, Form, damaged

VOLUMES = ("dicom", "nifti", "itk")


def ignored(*_: object) -> None:
    """Nobody is told."""


def built(form: Form, files: Mapping[str, bytes], how: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The report of a source of these files, and the fingerprints of the images of the good one."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "archive").mkdir()
        for name, content in files.items():
            (root / "archive" / name).write_bytes(content)
        (root / "salt").write_bytes(bytes(32))
        source = {"name": "s", "path": str(root / "archive"), "reader": form.reader}
        shared = {"names": "kept", "salt": str(root / "salt"), "max_unreadable": 1}
        corpus = corpus_of({"sources": [source], **shared, **how})
        (report,) = build_store(corpus, root / "store", 1, ignored, ignored)
        images = Store(path=root / "store").images()
        assert [len(images.load(i, 1).tobytes()) > 0 for i in range(len(images))]
        assert len(images) == report["images"]
        table = images.table.to_pylist()
        return report, [row["pixels"] for row in table if row["volume"] == f"s/good{form.ending}"]


@functools.cache
def alone(make: Callable[[], Form], axis: str, window: str, bits: int) -> list[str]:
    """Fingerprints of the good file where nothing else lies beside it."""
    form = make()
    return built(form, {f"good{form.ending}": form.good}, how(axis, window, bits))[1]


def how(axis: str, window: str, bits: int) -> dict[str, Any]:
    return {"slices": {"axis": axis}, "window": window, "bits": bits}


def check(make: Callable[[], Form], data: st.DataObject) -> None:
    form = make()
    volumes = form.reader["kind"] in VOLUMES
    axis = data.draw(st.sampled_from(("acquired", "axial", "sagittal") if volumes else ("acquired",)))
    window = data.draw(st.sampled_from(("by_modality", "header", "full")))
    bits = data.draw(st.sampled_from((8, 16)))
    contents = data.draw(st.lists(damaged(form), min_size=1, max_size=4))
    files = {f"bad{number}{form.ending}": content for number, content in enumerate(contents)}
    report, good = built(form, {**files, f"good{form.ending}": form.good}, how(axis, window, bits))
    assert good
    assert good == alone(make, axis, window, bits)
    for fault in report["faults"]:
        assert fault["reason"]
        assert "\n" not in fault["reason"]


@pytest.mark.parametrize("make", FORMS, ids=lambda make: make.__name__)
@settings(max_examples=8)
@given(data=st.data())
def test_a_build_ends_with_its_store(make: Callable[[], Form], data: st.DataObject) -> None:
    check(make, data)


@pytest.mark.slow
@pytest.mark.parametrize("make", FORMS, ids=lambda make: make.__name__)
@settings(max_examples=400)
@given(data=st.data())
def test_many_builds_end_with_their_stores(make: Callable[[], Form], data: st.DataObject) -> None:
    check(make, data)
