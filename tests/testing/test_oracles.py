"""The oracle itself, on problems small enough to solve by hand."""

import torch

import gmssl
from gmssl.testing.oracles import energy_of, least_energy, lifted, matchings


def problem(allowed=None) -> gmssl.Problem:
    """Two vertices a side; the edges (0,1) on both sides earn 10 if they are matched in the same direction."""
    edges = torch.tensor([[[0, 1]]])
    vertex = torch.tensor([[[3.0, 1.0], [1.0, 3.0]]])
    return gmssl.Problem.build(vertex, edges, edges, torch.tensor([[[-10.0]]]), allowed=allowed)


def test_energies_by_hand():
    assert energy_of(problem(), 0, (0, 1)) == 3 + 3 - 10
    assert energy_of(problem(), 0, (1, 0)) == 1 + 1
    assert energy_of(problem(), 0, (1, -1)) == 1
    assert least_energy(problem(), 0) == -4


def test_masks_by_hand():
    other = torch.tensor([[[False, True], [True, True]]])
    assert list(matchings(problem(other), 0)) == [(1, 0)]
    assert least_energy(problem(other), 0) == 2
    assert least_energy(problem(torch.tensor([[[True, False], [True, False]]])), 0) is None


def test_longer_left_side_by_hand():
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    tall = gmssl.Problem.build(torch.tensor([[[2.0], [1.0], [5.0]]]), none, none, torch.zeros(1, 0, 0))
    assert set(matchings(tall, 0)) == {(0, -1, -1), (-1, 0, -1), (-1, -1, 0)}
    assert least_energy(tall, 0) == 1


def test_lift_by_hand():
    assert lifted(problem(), 0, [[1.0, 0.0], [0.0, 1.0]]) == [[1.0]]
    assert lifted(problem(), 0, [[0.0, 1.0], [1.0, 0.0]]) == [[0.0]]
    assert lifted(problem(), 0, [[0.5, 0.5], [0.2, 0.8]]) == [[0.4]]
