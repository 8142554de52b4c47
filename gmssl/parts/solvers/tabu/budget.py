"""From a problem and a time to a matching: what `robust_tabu` does with `seconds`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gmssl.lazy import numpy, torch
from gmssl.parts.solvers.kernels.threads import unstopped
from gmssl.parts.solvers.koopmans_beckmann import perhaps_products, products_of
from gmssl.parts.solvers.plain import plain
from gmssl.parts.solvers.relabelling import opposite, turned
from gmssl.parts.solvers.tabu.evolution import Ground, Population, evolve
from gmssl.parts.solvers.tabu.products import ProductGround, in_range
from gmssl.problem import Costs, Problem

SMALL = 2**20
"""Edge costs of an instance that is searched once at least, whatever time there is: a first call has to compile."""

Told = Callable[[torch.Tensor], None]
"""Called with columns `[n]` whenever they are the best so far."""


def product_grounds(problem: Problem, stop: numpy.ndarray, seed: int) -> list[ProductGround] | None:
    """Where to search each of G problems on the CPU whose edge costs are products; no other costs are needed for that.

    None if those of one are not, if a cost hides the others (see `plain`), if they are of such different sizes that the
    search could not resolve the small ones, or if `stop [1]` was set while they were looked at.
    """
    if not bool(perhaps_products(problem.costs.edge).all()):
        return None
    n, m = problem.costs.vertex.shape[1:]
    shorter, found = problem if n <= m else turned(problem), []
    look = unstopped() if problem.costs.edge[:1].numel() < SMALL else stop
    for g in range(len(problem.costs.vertex)):
        products = products_of(shorter, g, look)
        if products is None or not in_range(products):
            return None
        ground = ProductGround(products, numpy.random.default_rng(seed))
        if not ground.resolves:
            return None
        found.append(ground)
    known = [_columns(ground, assigned, n, m) for ground in found if (assigned := ground.assigned()) is not None]
    if len(known) == len(found) and known and plain(problem, torch.stack(known)) is not None:
        return None
    return found


def spend_on_products(
    ground: ProductGround, n: int, m: int, stop: numpy.ndarray, threads: int, seed: int, told: Told
) -> torch.Tensor:
    """Search one problem of n×m vertices until `stop [1]` is set, from its own linear assignment.

    Returns:
        The best columns met `[n]`; all −1 if none is allowed. Other arguments as in `spend`.
    """
    begin = ground.assigned()
    if begin is None:
        return torch.full((n,), -1, dtype=torch.long, device="cpu")
    return _bred([ground] * threads, begin, lambda where: _columns(ground, where, n, m), stop, seed, told)


def spend(
    problem: Problem, single: Costs, columns: torch.Tensor, stop: numpy.ndarray, threads: int, seed: int, told: Told
) -> torch.Tensor:
    """Search on until `stop [1]` is set.

    Args:
        problem: one problem, G = 1, on the CPU.
        single: its costs in float32, for tables.
        columns: `[n]`, a matching to begin with, −1 or ≥ m where unmatched.
        stop: of `stopping_after`.
        threads: at most; tables are searched by one.
        seed: of all random numbers.
        told: of better ones.

    Returns:
        The best columns met `[n]`, ≥ m where unmatched. They may cost more than those that were given, by as much as
        the search rounds.
    """
    small = problem.costs.edge.numel() < SMALL
    if stop[0] and not small:
        return columns
    random = numpy.random.default_rng(seed)
    n, m = problem.costs.vertex.shape[1:]
    shorter = problem if n <= m else turned(problem)
    look = unstopped() if small else stop
    products = products_of(shorter, 0, look) if bool(perhaps_products(shorter.costs.edge)[0]) else None
    if products is None:
        from gmssl.parts.solvers.tabu.tables import TableGround

        table = TableGround(problem, single, random, look)
        if look[0]:
            return columns
        begin = table.begin(columns.numpy())
        return _bred([table], begin, lambda where: torch.from_numpy(table.columns(where)), stop, seed, told)
    ground = ProductGround(products, random)
    begin = ground.begin((columns if n <= m else opposite(columns[None], m)[0]).numpy())
    return _bred([ground] * threads, begin, lambda where: _columns(ground, where, n, m), stop, seed, told)


def _columns(ground: ProductGround, where: numpy.ndarray, n: int, m: int) -> torch.Tensor:
    found = torch.from_numpy(ground.columns(where))
    return found if n <= m else opposite(found[None], n)[0]


def _bred(
    grounds: Sequence[Ground],
    begin: numpy.ndarray,
    columns: Callable[[numpy.ndarray], torch.Tensor],
    stop: numpy.ndarray,
    seed: int,
    told: Told,
) -> torch.Tensor:
    population = Population(grounds[0].size, begin, lambda where: told(columns(where)))
    evolve(grounds, population, stop, seed)
    assert population.best is not None, "it began with one"
    return columns(population.best)
