"""Confused pairs, flows between groups, accuracies and blame, counted by hand."""

from __future__ import annotations

import pytest
import torch

from gmssl.explaining.accuracy import accuracies
from gmssl.explaining.counting import between_groups, blame, confusions
from gmssl.explaining.rows import Rows, join

EDGE = torch.tensor([False, True])
GROUPS = ("ct", "ct", "mri", "mri")


def _pass(number: int, partners: list[int], shares: list[tuple[float, float]], vertex_alone: list[bool]) -> Rows:
    """One graph of four images; image i of view 0 is matched with view 1 of `partners[i]`."""
    images, nodes = torch.arange(4), 4
    chosen = torch.tensor(partners)
    return Rows(
        pass_=torch.full((nodes,), number),
        problem=torch.full((nodes,), number),
        graph=torch.zeros(nodes, dtype=torch.int64),
        image=images,
        view=torch.zeros(nodes, dtype=torch.int64),
        partner=chosen,
        partner_view=torch.ones(nodes, dtype=torch.int64),
        true_view=torch.ones(nodes, dtype=torch.int64),
        right=chosen == images,
        noisy=torch.full((nodes,), 0.25, dtype=torch.float64),
        chance=torch.full((nodes,), 0.25, dtype=torch.float64),
        shares=torch.tensor(shares, dtype=torch.float64),
        vertex_alone=torch.tensor(vertex_alone),
        edge_alone=torch.tensor([True, False, False, False]),
    )


@pytest.fixture
def rows() -> Rows:
    nothing = (0.0, 0.0)
    return join(
        [
            _pass(0, [1, 0, 2, 3], [(-0.5, 0.1), (0.2, -0.1), nothing, nothing], [True, False, True, False]),
            _pass(1, [1, 2, 0, 3], [(-0.3, 0.1), (0.1, 0.1), (0.4, 0.2), nothing], [False, False, False, True]),
            _pass(2, [0, 1, 2, 3], [nothing] * 4, [True] * 4),
        ]
    )


def test_pairs_are_gathered_over_passes(rows: Rows) -> None:
    first, *others = confusions(rows, EDGE, 4)
    assert (first.image, first.partner, first.times, first.met) == (0, 1, 2, 3)
    assert first.shares == pytest.approx((-0.4, 0.1))
    assert (first.vertex, first.edge) == pytest.approx((-0.4, 0.1))
    assert first.pass_ == 0  # −0.4 there, −0.2 in pass 1
    assert first.views == (0, 1, 1)
    assert [(c.image, c.partner, c.times) for c in others] == [(1, 0, 1), (1, 2, 1), (2, 0, 1)]
    assert sum(c.times for c in (first, *others)) == int((~rows.right).sum())


def test_flows_and_accuracy_of_a_group_make_one(rows: Rows) -> None:
    names, flows = between_groups(rows, GROUPS)
    assert names == ["ct", "mri"]
    assert flows.tolist() == [[pytest.approx(3 / 6), pytest.approx(1 / 6)], [pytest.approx(1 / 6), 0]]
    every, ct, mri = accuracies(rows, GROUPS, one_to_one=True)
    assert (every.noiseless.mean, every.images, every.chance) == (pytest.approx(7 / 12), 4, 0.25)
    for found, wrong in zip((ct, mri), flows.sum(1).tolist(), strict=True):
        assert found.noiseless.mean + wrong == pytest.approx(1)
    assert every.noiseless.clusters == 1  # one graph
    assert accuracies(rows, GROUPS, one_to_one=False)[0].noiseless.clusters == 4


def test_one_group_is_no_table_of_groups(rows: Rows) -> None:
    assert len(accuracies(rows, ("all images",) * 4, one_to_one=True)) == 1


def test_blame(rows: Rows) -> None:
    found = blame(rows)
    assert (found.matches, found.wrong, found.problems, found.wrong_problems) == (12, 5, 3, 2)
    assert (found.cheaper, found.dearer) == (1, 1)  # −0.3 and +0.6
    assert (found.mended, found.caused) == (1, 1)
    assert found.vertices_alone == 12 - found.wrong - found.mended + found.caused
    assert (found.right_by_vertices, found.right_by_edges) == (1, 2)
    assert found.right_by_either + found.right_by_none == found.wrong
    assert found.terms == pytest.approx((-0.02, 0.08))


def test_without_mismatch_there_is_nothing_to_tell(rows: Rows) -> None:
    right = rows.select(rows.right)
    assert confusions(right, EDGE, 4) == []
    assert blame(right).terms == (0.0, 0.0)
