"""24 settings in one batch, each where it is said to be."""

from __future__ import annotations

import torch

from gmssl.benchmarking.solvers.instances import SETTINGS, by_setting, instances
from gmssl.testing.generators import paired_embeddings


def test_every_setting_of_the_issue_once() -> None:
    assert len(set(SETTINGS)) == len(SETTINGS) == 3 * 2 * 4
    assert {s.noise for s in SETTINGS} == {0.5, 1.0, 3.0}
    assert {s.margin for s in SETTINGS} == {0.0, 1.0}
    assert {s.gumbel for s in SETTINGS} == {0.0, 0.1, 0.5, 1.0}


def test_batch_holds_the_settings_in_order() -> None:
    problem = instances(7, 2, seed=3)
    assert problem.costs.vertex.shape == (48, 7, 7)
    for index in (0, 13, 23):
        s = SETTINGS[index]
        alone = paired_embeddings(2, 7, s.noise, s.margin, s.gumbel, seed=3007)
        part = problem.select(torch.arange(2 * index, 2 * index + 2))
        assert torch.equal(part.costs.vertex, alone.costs.vertex)
        assert torch.equal(part.costs.edge, alone.costs.edge)
        assert torch.equal(part.topology.left, alone.topology.left)
        assert torch.equal(part.topology.right, alone.topology.right)


def test_seeds_and_sizes_draw_other_instances() -> None:
    first = instances(6, 1, seed=0).costs.vertex
    assert torch.equal(first, instances(6, 1, seed=0).costs.vertex)
    assert not torch.equal(first, instances(6, 1, seed=1).costs.vertex)


def test_means_by_setting() -> None:
    values = torch.arange(48.0)
    assert by_setting(values) == [2 * i + 0.5 for i in range(24)]
