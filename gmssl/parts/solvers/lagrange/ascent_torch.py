"""Dual ascent in batched torch operations: all instances at once, on any device.

The method of `iteration_numba` and `ascent_numba`, written for reading. An instance that is done leaves the
batch with what it has; `tables_torch` says why the others do not notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, cast

import torch

from gmssl.parts.solvers.lagrange.dual import Ascent, Dual
from gmssl.parts.solvers.lagrange.tables_torch import (
    Tables,
    VertexPairs,
    bound_of,
    energy_of,
    list_pairs,
    rows_of,
    slope,
    tabulate,
    total,
)
from gmssl.problem import Multipliers, Problem

WEIGHT = 4.0  # of primal against dual steps, as in `ascent_numba`

R = TypeVar("R")


@dataclass(frozen=True)
class _Iterate:
    """Multipliers, those of the rows `[G,n]` and columns `[G,m]` of x, x `[G,n,m]` and y `[G,P,m,m]`; float32."""

    multipliers: Multipliers
    rows: torch.Tensor
    columns: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor


@dataclass(frozen=True)
class _Best:
    """The highest bound `[G]` with its multipliers, and the lowest energy `[G]` with its assignment `[G,n]`."""

    bound: torch.Tensor
    multipliers: Multipliers
    upper: torch.Tensor
    columns: torch.Tensor

    def improved(self, pairs: VertexPairs, tables: Tables, multipliers: Multipliers) -> _Best:
        """With the bound of other multipliers, and the assignment that rounds their reduced costs."""
        bound, chosen = bound_of(pairs, tables, multipliers)
        energy = energy_of(pairs, tables, chosen)
        higher, lower = bound > self.bound, energy < self.upper
        return _Best(
            _where(higher, bound, self.bound),
            _mapped(lambda new, old: _where(higher, new, old), multipliers, self.multipliers),
            _where(lower, energy, self.upper),
            _where(lower, chosen, self.columns),
        )

    def closed(self, tolerance: float) -> torch.Tensor:
        """Bool `[G]`: the relative gap is at most `tolerance`, or there is no matching."""
        reached = self.upper - self.bound <= tolerance * self.upper.abs()
        return (self.bound == torch.inf) | (reached & (self.upper < torch.inf))


@dataclass(frozen=True)
class _Instances:
    """All that belongs to the instances still at work; `place [G]` is where they stand in the batch.

    `single [G,n,m]` and `double [G,P,m,m]` are the tables in float32 and units of their scale, `sums` adds up the
    multipliers of iterations.
    """

    place: torch.Tensor
    pairs: VertexPairs
    tables: Tables
    single: torch.Tensor
    double: torch.Tensor
    iterate: _Iterate
    sums: Multipliers
    best: _Best


def ascend(
    ascent: Ascent,
    problem: Problem,
    columns: torch.Tensor,
    multipliers: Multipliers,
    upper: torch.Tensor | None = None,
) -> Dual:
    """Bound G problems with n ≤ m: `climb` without its defaults. Waits for the device once an evaluation."""
    multipliers = _mapped(lambda x: x.to(columns.device), multipliers)
    now = _begun(problem, ascent.every_pair, columns, multipliers, upper)
    scale, present, found = now.tables.scale, now.pairs.present, now.best
    done, averaged, restart = 0, 0, 2 * ascent.every
    while True:
        best = now.best.improved(now.pairs, now.tables, now.iterate.multipliers)
        # The average is nearer the optimum, around which iterates circle; either may have the higher bound.
        if averaged:
            best = best.improved(now.pairs, now.tables, _mean(now.sums, averaged))
        found = _replaced(found, now.place, best)
        if done >= ascent.iterations or ascent.stop[0]:
            break
        # What is done leaves: on a device the work of an iteration grows with the instances that take part.
        now = _selected(replace(now, best=best), ~best.closed(ascent.tolerance))
        if not len(now.place):
            break
        # Early steps, far off, drop out of the average.
        if done >= restart:
            now, averaged, restart = replace(now, sums=_mapped(torch.zeros_like, now.sums)), 0, 2 * restart
        for _ in range(min(ascent.every, ascent.iterations - done)):
            if ascent.stop[0]:
                break
            iterate = _stepped(now)
            now = replace(now, iterate=iterate, sums=_mapped(torch.add, now.sums, iterate.multipliers))
            done, averaged = done + 1, averaged + 1
        if ascent.stop[0]:
            break  # another evaluation would take its time
    return Dual(found.columns, found.upper, found.bound, _in_rows(found.multipliers, scale, present, multipliers), None)


def _begun(
    problem: Problem, every_pair: bool, columns: torch.Tensor, multipliers: Multipliers, upper: torch.Tensor | None
) -> _Instances:
    graphs, n, m = problem.costs.vertex.shape
    pairs = list_pairs(problem.topology.left, n, every_pair)
    tables = tabulate(problem, pairs)
    count, scale = pairs.tail.shape[1], tables.scale[:, None, None]

    def scaled(given: torch.Tensor) -> torch.Tensor:
        return (given[:, :count].double() / scale).float()

    missing = (0, 0, 0, max(0, count - multipliers.tail.shape[1]))  # no pair at all: there is one row of none
    tail, head = (torch.nn.functional.pad(scaled(x), missing) for x in (multipliers.tail, multipliers.head))
    apart = ~torch.eye(m, dtype=torch.bool, device=tail.device)
    start = Multipliers(tail, head, (multipliers.capacity.double() / scale[..., None]).float() * apart)
    x = torch.full((graphs, n, m), 1 / m, dtype=torch.float32, device=tail.device)
    iterate = _Iterate(start, x.new_zeros(graphs, n), x.new_zeros(graphs, m), x, x.new_zeros(graphs, count, m, m))
    energy = energy_of(pairs, tables, columns)
    known = energy if upper is None else torch.minimum(upper, energy)
    best = _Best(torch.full_like(energy, -torch.inf), start, known, columns)
    single, double = (tables.single / scale).float(), (tables.double / scale[..., None]).float()
    place = torch.arange(graphs, device=tail.device)
    return _Instances(place, pairs, tables, single, double, iterate, _mapped(torch.zeros_like, start), best)


def _stepped(now: _Instances) -> _Iterate:
    """One iteration of the primal–dual hybrid gradient method."""
    pairs, old = now.pairs, now.iterate
    alpha, beta, capacity = old.multipliers.tail, old.multipliers.head, old.multipliers.capacity
    n, m = old.x.shape[1:]
    degree = (pairs.slots < 2 * pairs.tail.shape[1]).sum(2)
    sigma = WEIGHT / n

    gradient = now.single + pairs.incident(alpha, beta) - total(capacity, 3)
    # For the step lengths see `iteration_numba._step_x`.
    tau = 1 / (WEIGHT * (n + 1 + degree))[..., None]
    x = (old.x - tau * (gradient - old.rows[..., None] - old.columns[:, None])).clamp(0, 1)
    x = torch.where(now.tables.allowed, x, 0)
    y = (old.y - (now.double + slope(pairs, alpha, beta, capacity)) / (4 * WEIGHT)).clamp(min=0)
    y = torch.where(now.tables.permitted, y, 0)
    ahead, further = 2 * x - old.x, 2 * y - old.y

    rows = old.rows + sigma * (1 - total(ahead, 2))
    columns = old.columns + sigma * (1 - total(ahead, 1))
    alpha = alpha + sigma * (rows_of(ahead, pairs.tail) - total(further, 3))
    beta = beta + sigma * (rows_of(ahead, pairs.head) - total(further, 2))
    used = pairs.incident(further, further.mT) - ahead[..., None]
    capacity = (capacity + (WEIGHT / (degree + 1))[..., None, None] * used).clamp(min=0)
    capacity = capacity * ~torch.eye(m, dtype=torch.bool, device=x.device)
    return _Iterate(Multipliers(alpha, beta, capacity), rows, columns if n == m else columns.clamp(max=0), x, y)


def _in_rows(found: Multipliers, scale: torch.Tensor, present: torch.Tensor, given: Multipliers) -> Multipliers:
    """In units of the costs, and the rows of pairs that an instance does not have as they were given."""
    rows, scale = min(given.tail.shape[1], present.shape[1]), scale[:, None, None]

    def replaced(new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
        new = torch.where(present[:, :rows, None], (new[:, :rows] * scale).float(), old[:, :rows])
        return torch.cat([new, old[:, rows:]], 1)

    capacity = (found.capacity * scale[..., None]).float()
    return Multipliers(replaced(found.tail, given.tail), replaced(found.head, given.head), capacity)


def _mapped(function: Callable[..., torch.Tensor], record: R, *others: R) -> R:
    """A record like the given ones of `function` of their tensors, those of records within them included."""
    if isinstance(record, torch.Tensor):
        return cast(R, function(record, *others))
    names, kind = [field.name for field in fields(cast(Any, record))], cast(Any, type(record))
    return kind(*(_mapped(function, *(getattr(given, name) for given in (record, *others))) for name in names))


def _selected(record: R, instances: torch.Tensor) -> R:
    index = instances.nonzero().flatten()
    return _mapped(lambda x: x[index], record)


def _replaced(record: R, place: torch.Tensor, part: R) -> R:
    return _mapped(lambda old, new: old.index_copy(0, place, new), record, part)


def _mean(sums: Multipliers, count: int) -> Multipliers:
    return _mapped(lambda x: x / count, sums)


def _where(instances: torch.Tensor, new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    return torch.where(instances.view(-1, *[1] * (new.ndim - 1)), new, old)
