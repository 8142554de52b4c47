"""Solvers against enumeration on costs of any size: offsets, forbidden pairs written as large costs, units.

    python benchmarks/scales.py [--problems 100000] [--solvers robust_tabu exact lagrange] [--seed 0]

Draws problems of 2 to 6 vertices a side with up to eight edges and integer costs, one kind of size each, in float32
and float64, complete, masked and partial in turn; those with offsets on edges have all edges between their vertices.
For each kind of size and solver it prints

lies     wrong answers that say `converged`
wrong    wrong answers that do not
open     answers that do not say `converged`, wrong or right
above    bounds above the optimum

An answer is wrong if its energy, summed in float64, exceeds the optimum by more than the solver's `tolerance` (1e-6
where it has none), and by more than two orders of one sum differ, which counts where the optimum is 0. Beside an
offset of 10⁵ and more that all matchings pay, it is wrong if it exceeds the optimum at all.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table

import gmssl
from gmssl.problem import Problem, energy

SIZES = ((2, 2), (2, 3), (3, 3), (4, 3), (3, 5), (4, 4), (5, 5), (6, 4), (6, 6))
KINDS = (
    *(("offset", 10.0**k) for k in (0, 3, 5, 7, 9, 12)),
    *(("large cost", 10.0**k) for k in (3, 5, 8, 12, 20, 30)),
    *(("unit", 10.0**k) for k in (-30, -10, 0, 10, 30)),
    *(("edge offset", sign * 10.0**k) for k in (3, 5, 7, 9, 12) for sign in (1, -1)),
)
BATCH = 50


@dataclass
class Count:
    """The columns of the table."""

    all: int = 0
    lies: int = 0
    wrong: int = 0
    open: int = 0
    above: int = 0


def edges(graphs: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Directed edges `[G,E,2]` between different vertices; some may be equal."""
    tails = torch.randint(0, size, (graphs, min(size * (size - 1), 8)), generator=generator)
    return torch.stack([tails, (tails + torch.randint(1, size, tails.shape, generator=generator)) % size], 2)


ROUNDING = 1e-14
"""Of sums in float64, relative to the magnitudes that a matching pays."""


def every_edge(graphs: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """All directed edges `[G,E,2]` between different vertices, in another order for each instance."""
    every = (1 - torch.eye(size)).nonzero()
    return torch.stack([every[torch.randperm(len(every), generator=generator)] for _ in range(graphs)])


def drawn(n: int, m: int, kind: tuple[str, float], dtype: torch.dtype, form: str, seed: int) -> Problem:
    """A batch of problems."""
    generator = torch.Generator().manual_seed(seed)
    what, size = kind
    draw = every_edge if what == "edge offset" else edges
    left, right = draw(BATCH, n, generator), draw(BATCH, m, generator)
    vertex = torch.randint(-50, 50, (BATCH, n, m), generator=generator).double()
    edge = torch.randint(-20, 20, (BATCH, left.shape[1], right.shape[1]), generator=generator).double()
    if what == "offset":
        vertex += size
    elif what == "edge offset":  # other constants for each edge that every complete matching meets
        constants = torch.randint(1, 3, edge.shape[:2], generator=generator)[:, :, None]
        edge += size * (constants if n <= m else torch.randint(1, 3, (BATCH, 1, right.shape[1]), generator=generator))
    elif what == "unit":
        vertex, edge = vertex * size, edge * size
    else:
        vertex[torch.rand(vertex.shape, generator=generator) < 0.25] = size
        edge[torch.rand(edge.shape, generator=generator) < 0.1] = size
    allowed = torch.ones(vertex.shape, dtype=torch.bool)
    if form == "masked":
        allowed = torch.rand(vertex.shape, generator=generator) < 0.7
        allowed[:, range(min(n, m)), range(min(n, m))] = True
    return Problem.build(vertex.to(dtype), left, right, edge.to(dtype), allowed=allowed, partial=form == "partial")


def allowance(problem: Problem, kind: tuple[str, float], best: torch.Tensor, tolerance: float) -> torch.Tensor:
    """By how much an answer may exceed the optimum: of integers beside constants that all matchings pay, by nothing."""
    what, size = kind
    constant = "offset" in what and abs(size) >= 1e5 and not problem.topology.partial
    return torch.full_like(best, 0.5) if constant else 1.001 * tolerance * best.abs()


def batches(problems: int, seed: int) -> Iterator[tuple[tuple[str, float], Problem]]:
    """As many problems as asked for, at least; every kind meets every size, dtype and form in turn."""
    forms = ("complete", "masked", "partial")
    for number in range(-(-problems // BATCH)):
        kind, turn = KINDS[number % len(KINDS)], number // len(KINDS)
        n, m = SIZES[(turn + number) % len(SIZES)]
        form = forms[turn % 3] if max(n, m) < 6 else forms[turn % 2]  # dummies: enumeration would be too long
        yield kind, drawn(n, m, kind, (torch.float32, torch.float64)[turn % 2], form, seed + number)


def main() -> None:
    """Draw, solve, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=100_000)
    parser.add_argument("--solvers", nargs="+", default=["robust_tabu", "exact", "lagrange"])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # of costs that a search cannot resolve: `converged` is False there
    oracle = gmssl.part("solver", "exhaustive", limit=200_000)
    counts: dict[tuple[str, str], Count] = defaultdict(Count)
    for (what, size), problem in batches(asked.problems, asked.seed):
        double = problem.with_costs(problem.costs.map(torch.Tensor.double))
        best = gmssl.solve(double, oracle).energy
        for kind in asked.solvers:
            solver = gmssl.part("solver", kind)
            solution = gmssl.solve(problem, solver)
            found = energy(double.costs, solution.matching.map(torch.Tensor.double))
            paid = energy(double.costs.map(torch.Tensor.abs), solution.matching.map(torch.Tensor.double))
            allowed = allowance(problem, (what, size), best, getattr(solver, "tolerance", 1e-6))
            wrong = found - best > allowed + ROUNDING * paid
            count = counts[f"{what} {size:.0e}", kind]
            count.all += len(best)
            count.lies += int((wrong & solution.converged).sum())
            count.wrong += int((wrong & ~solution.converged).sum())
            count.open += int((~solution.converged).sum())
            if solution.bound is not None:
                count.above += int((solution.bound.double() > best + 1e-15 * best.abs()).sum())
    table = Table(
        "costs", "solver", "problems", "wrong, converged", "wrong, not converged", "not converged", "bad bounds"
    )
    for (costs, kind), count in counts.items():
        numbers = (count.all, count.lies, count.wrong, count.open, count.above)
        table.add_row(costs, kind, *map(str, numbers))
    for kind in asked.solvers:
        found = [count for (_, name), count in counts.items() if name == kind]
        sums = (sum(getattr(count, name) for count in found) for name in ("all", "lies", "wrong", "open", "above"))
        table.add_row("all", kind, *map(str, sums), style="bold")
    Console().print(table)


if __name__ == "__main__":
    main()
