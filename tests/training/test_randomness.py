"""A step's randomness is a function of its place in the run, and of nothing else."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl.training.model import reseed

CPU = torch.device("cpu")
places = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 999), st.integers(0, 9999), st.integers(0, 63))


def _draws(place: tuple[int, int, int, int]) -> tuple[list[float], list[float]]:
    generator = reseed(*place, CPU)
    return torch.rand(4, generator=generator).tolist(), torch.rand(4).tolist()


@given(places)
def test_the_same_place_draws_the_same(place: tuple[int, int, int, int]) -> None:
    first = _draws(place)
    torch.rand(17)
    assert _draws(place) == first


@given(places, places)
def test_other_places_draw_otherwise(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> None:
    if one != other:
        assert _draws(one)[0] != _draws(other)[0]
        assert _draws(one)[1] != _draws(other)[1]
    assert _draws(one)[0] != _draws(one)[1]
