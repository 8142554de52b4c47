"""Judgements that are kept equal those that are made, and are made once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from gmssl.evaluation.evaluating import Candidate, compare
from gmssl.evaluation.loading import Look
from gmssl.evaluation.references import References


class Counting(torch.nn.Module):
    """An encoder that counts its batches."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder, self.batches = encoder, 0

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.batches += 1
        return self.encoder(images)


@pytest.fixture
def look(views):
    return Look(views, 1, 16, 0, torch.device("cpu"))


@pytest.mark.parametrize("held_out", [False, True])
def test_references_are_judged_once(encoder, squares, look, tmp_path, held_out):
    train, test = squares(20), squares(8, seed=1) if held_out else None

    def judged(key, images=None, **options):
        network = Counting(encoder)
        candidate = Candidate("some", "words", network, key)
        report = compare([candidate], look, images or train, test, neighbours=3, **options)
        return report.references, network.batches

    expected, batches = judged("key")
    assert batches == 1 + held_out
    kept = tmp_path / "references"
    assert judged("key", kept=kept) == (expected, batches)
    assert judged("key", kept=kept) == (expected, 0)
    for changed in ({"key": "other"}, {"key": "key", "seed": 1}, {"key": "key", "images": squares(21)}):
        assert judged(**changed, kept=kept)[1] == batches
    assert judged(None, kept=kept)[1] == batches  # what nothing decides is never kept
    for file in kept.iterdir():
        file.write_text("torn")
    assert judged("key", kept=kept) == (expected, batches)


def test_views_that_normalise_alike_share_references(encoder, squares, views, tmp_path):
    """Methods crop differently, and their untrained encoders are the same; pixels depend on no views at all."""

    class OtherCrops(type(views)):
        crops = 7

    class Brighter(type(views)):
        def plain(self, images):
            return super().plain(images) + 1

    kept, train, test = tmp_path / "references", squares(20), squares(8, seed=1)

    def batches(seen, size=16):
        network = Counting(encoder)
        look = Look(seen, 1, size, 0, torch.device("cpu"))
        compare([Candidate("some", "words", network, "key")], look, train, test, neighbours=3, kept=kept)
        return network.batches

    files = []
    for seen, size, judged in ((views, 16, 2), (OtherCrops(), 16, 0), (Brighter(), 16, 2), (views, 12, 2)):
        assert batches(seen, size) == judged
        files.append(len(list(kept.glob("*.json"))))
    assert files == [2, 2, 3, 4]


def test_processes_that_need_one_reference_make_it_once(encoder, squares, look, tmp_path):
    store = References(tmp_path / "kept", ["given"])
    [made, _] = compare([Candidate("some", "words", encoder)], look, squares(20), neighbours=3).references
    calls = []

    def judge():
        calls.append(1)
        time.sleep(0.2)
        return made

    with ThreadPoolExecutor(3) as pool:
        found = [future.result() for future in [pool.submit(store.get, "key", judge) for _ in range(3)]]
    assert found == [made] * 3
    assert len(calls) == 1
