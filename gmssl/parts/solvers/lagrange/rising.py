"""The rest of a time limit: searches and ascents take turns on what is not proven yet, each time for longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

from gmssl.lazy import torch
from gmssl.parts.solvers.lagrange.ascent import climb
from gmssl.parts.solvers.lagrange.dual import Ascent, Dual
from gmssl.parts.solvers.outcome import energies
from gmssl.parts.solvers.tabu.robust_tabu import RobustTabu
from gmssl.problem import Multipliers, Problem

SHORTEST = 0.02  # seconds of a search: setting up its tables takes some of them


def rise(
    problem: Problem,
    dual: Dual,
    floor: torch.Tensor,
    ascent: Ascent,
    search: RobustTabu,
    took: float,
    until: float,
    told: Callable[[torch.Tensor], None],
) -> Dual:
    """Go on until everything is proven to the ascent's tolerance, or its flag is set.

    Args:
        problem: G problems with n ≤ m.
        dual: what is known of them.
        floor: `[G]` float64, other lower bounds.
        ascent: the settings of the last ascent.
        search: for better matchings, in turn with ascents.
        took: how many seconds the last ascent took; a search gets as many.
        until: when the time is over, by `perf_counter`.
        told: called with the columns `[G,n]` that are known after each search and each ascent.
    """
    while not ascent.stop[0]:
        gap = dual.upper - torch.maximum(dual.bound, floor)
        rows = (gap > ascent.tolerance * dual.upper.abs()).nonzero().flatten()
        if not len(rows):
            break
        part, known = problem.select(rows), _selected(dual, rows)
        # Twice as long as ascents: where nothing is proven in the end, the matching is what the time was for.
        share = max(SHORTEST, min(2 * took, 0.6 * (until - perf_counter()))) / len(rows)
        known = _searched(part, known, search.model_copy(update={"seconds": share}))
        told(dual.columns.index_copy(0, rows, known.columns))
        ascent, began = replace(ascent, iterations=2 * max(1, ascent.iterations)), perf_counter()
        higher = climb(ascent, part, known.columns, known.upper, known.multipliers)
        took = perf_counter() - began
        dual = _learnt(dual, rows, known, higher)
        told(dual.columns)
    return dual


def _searched(problem: Problem, known: Dual, search: RobustTabu) -> Dual:
    columns = search.choose(problem).columns
    energy = energies(problem, columns).to(known.upper)
    better = energy < known.upper
    chosen = torch.where(better[:, None], columns, known.columns)
    return replace(known, columns=chosen, upper=torch.where(better, energy, known.upper))


def _selected(dual: Dual, rows: torch.Tensor) -> Dual:
    return Dual(dual.columns[rows], dual.upper[rows], dual.bound[rows], dual.multipliers.select(rows), None)


def _learnt(dual: Dual, rows: torch.Tensor, known: Dual, higher: Dual) -> Dual:
    """`dual` with the matchings of `rows`, and with the bounds that have become higher."""
    better = higher.bound > known.bound
    bound = torch.where(better, higher.bound, known.bound)
    multipliers = Multipliers(
        *(
            getattr(dual.multipliers, name).index_copy(0, rows[better], getattr(higher.multipliers, name)[better])
            for name in ("tail", "head", "capacity")
        )
    )
    return Dual(
        dual.columns.index_copy(0, rows, higher.columns),
        dual.upper.index_copy(0, rows, higher.upper),
        dual.bound.index_copy(0, rows, bound),
        multipliers,
        None,
    )
