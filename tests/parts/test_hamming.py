"""Hamming loss."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.problem import Pairs, Problem

HAMMING = gmssl.part("loss", "hamming")
NO_EDGES = torch.zeros(1, 0, 2, dtype=torch.int64)


def problem_with(target: torch.Tensor) -> Problem:
    return Problem.build(torch.zeros_like(target), NO_EDGES, NO_EDGES, torch.zeros(1, 0, 0), target=target)


@given(st.permutations(range(5)), st.permutations(range(5)))
def test_counts_the_entries_that_differ(a: list[int], b: list[int]) -> None:
    x, target = torch.eye(5)[a][None], torch.eye(5)[b][None]
    loss = HAMMING(Pairs(x, torch.zeros(1, 0, 0)), problem_with(target))
    assert loss.tolist() == [float((x != target).sum())]
    assert loss.item() == 2 * sum(i != j for i, j in zip(a, b, strict=True))


def test_its_gradient_is_one_minus_twice_the_target() -> None:
    target = torch.eye(4)[None]
    x = torch.rand(1, 4, 4, requires_grad=True)
    HAMMING(Pairs(x, torch.zeros(1, 0, 0)), problem_with(target)).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, 1 - 2 * target)
