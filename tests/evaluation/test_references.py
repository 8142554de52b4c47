"""Judgements that are kept equal those that are made, and are made once."""

from __future__ import annotations

import pytest
import torch

from gmssl.evaluation.loading import Look
from gmssl.evaluation.report import Candidate, compare


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
