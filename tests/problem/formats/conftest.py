"""What all conversions promise: every matching keeps its energy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gmssl.problem import Problem
from gmssl.testing.oracles import energy_of, matchings


@pytest.fixture(scope="session")
def same_energies() -> Callable[[Problem, int, Problem], None]:
    """Instance `g` of one problem and the only instance of another have the same matchings, of the same energies."""

    def check(problem: Problem, g: int, other: Problem) -> None:
        assert len(other.costs.vertex) == 1
        legal = list(matchings(problem, g))
        assert legal == list(matchings(other, 0))
        for columns in legal:
            expected = energy_of(problem, g, columns)
            assert energy_of(other, 0, columns) == pytest.approx(expected, rel=1e-5, abs=1e-5)

    return check
