"""From a problem, a matching and a time to a better matching: what `robust_tabu` does with `seconds`."""

from __future__ import annotations

from collections.abc import Callable

from gmssl.lazy import numpy, torch
from gmssl.parts.solvers.kernels.threads import unstopped
from gmssl.parts.solvers.koopmans_beckmann import perhaps_products, products_of
from gmssl.parts.solvers.relabelling import opposite, turned
from gmssl.parts.solvers.tabu.evolution import Population, evolve
from gmssl.problem import Costs, Problem

SMALL = 2**20
"""Edge costs of an instance that is searched once at least, whatever time there is: a first call has to compile."""


def spend(
    problem: Problem,
    single: Costs,
    columns: torch.Tensor,
    stop: numpy.ndarray,
    threads: int,
    seed: int,
    told: Callable[[torch.Tensor], None],
) -> torch.Tensor:
    """Search on until `stop [1]` is set.

    Args:
        problem: one problem, G = 1, on the CPU.
        single: its costs in float32, for tables.
        columns: `[n]`, a matching to begin with, −1 or ≥ m where unmatched.
        stop: of `stopping_after`.
        threads: at most; tables are searched by one.
        seed: of all random numbers.
        told: called with columns `[n]` whenever they are the best so far.

    Returns:
        The best columns met `[n]`, ≥ m where unmatched. They may cost more than those that were given, by as much as
        the search rounds.
    """
    small = problem.costs.edge.numel() < SMALL
    if stop[0] and not small:
        return columns
    random = numpy.random.default_rng(seed)
    n, m = problem.costs.vertex.shape[1:]
    shorter, over = (problem, False) if n <= m else (turned(problem), True)
    look = unstopped() if small else stop
    products = products_of(shorter, 0, look) if bool(perhaps_products(shorter.costs.edge)[0]) else None
    if products is None:
        from gmssl.parts.solvers.tabu.tables import TableGround

        ground: TableGround | ProductGround = TableGround(problem, single, random)
        begin, over, grounds = columns, False, [ground]
    else:
        from gmssl.parts.solvers.tabu.products import ProductGround

        ground = ProductGround(products, random)
        begin = opposite(columns[None], m)[0] if over else columns
        grounds = [ground] * threads

    def chosen(where: numpy.ndarray) -> torch.Tensor:
        found = torch.from_numpy(ground.columns(where))
        return opposite(found[None], n)[0] if over else found

    population = Population(ground.size, ground.begin(begin.numpy()), lambda where: told(chosen(where)))
    evolve(grounds, population, stop, seed)
    assert population.best is not None, "it began with one"
    return chosen(population.best)
