"""The queue where a batch brings more keys than it keeps."""

from __future__ import annotations

import pytest
import torch

import gmssl
from gmssl.interfaces.vertices import Encoding

SIZE = 5
BEFORE = 3
"""Keys of a first, small batch, so that the next ones do not begin at the queue's first place."""


def encoding(batch: int, seed: int) -> Encoding:
    embeddings = torch.randn(2, batch, 4, generator=torch.Generator().manual_seed(seed))
    return Encoding(torch.nn.functional.normalize(embeddings, dim=2), torch.arange(batch))


@pytest.mark.parametrize("batch", [SIZE, SIZE + 1, 2 * SIZE + 3])
def test_of_a_batch_larger_than_the_queue_the_last_keys_stay(batch: int) -> None:
    queue = gmssl.part("vertices", "queue", size=SIZE).build(4)
    first, second = encoding(BEFORE, 0), encoding(batch, 1)
    queue(first, first, ((0, 1),))
    before = queue.keys.clone()
    arranged = queue(second, second, ((0, 1),))
    assert arranged.right.shape == (1, batch + SIZE, 4)
    torch.testing.assert_close(arranged.right[0, batch:], before)  # matched before they are replaced
    # Each place is written once, in the order of arrival from the oldest on: torch leaves open which of several writes
    # to one place stays.
    assert int(queue.oldest) == BEFORE
    torch.testing.assert_close(queue.keys.roll(-BEFORE, 0), second.embeddings[1, -SIZE:])
