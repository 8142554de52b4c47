"""A search that uses the time it is given: assignments breed, and a tabu search improves each child.

The population is filled from random starts. A child keeps what its parents have in common; the rest comes from either
of them where it is free, or is random: the first suits costs without structure, the second clustered ones, so a coin
decides. A child replaces the worst member unless its energy is there already. Once many in a row have changed nothing,
all but the best is forgotten, and searches get longer.

Sources: Fleurent & Ferland, "Genetic hybrids for the quadratic assignment problem" (1994); Benlic & Hao, "Memetic
search for the quadratic assignment problem", Expert Systems with Applications 42 (2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Protocol

from gmssl.lazy import numpy

POPULATION = 15
PATIENCE = 5  # children in a row that change nothing, in populations
SWAPS = 20  # of the first searches, per vertex
LONGEST = 32  # times as many swaps after some restarts


class Ground(Protocol):
    """One instance, laid out for a kernel."""

    size: int

    def search(
        self, where: numpy.ndarray, iterations: int, random: numpy.ndarray, stop: numpy.ndarray
    ) -> tuple[float, numpy.ndarray]:
        """Energy and assignment of one tabu search from `where [size]`; +inf if none is allowed."""


class Population:
    """What several threads breed together.

    Args:
        size: of an assignment.
        begin: where the first search starts; None: anywhere.
        told: called with each assignment that is the best so far, by one thread at a time.

    Attributes:
        best, energy: the best assignment so far and its energy, in units of the ground.
    """

    def __init__(
        self, size: int, begin: numpy.ndarray | None, told: Callable[[numpy.ndarray], None] | None = None
    ) -> None:
        self._size, self._lock, self._told = size, Lock(), told
        self._members: list[tuple[float, numpy.ndarray]] = []
        self._tried, self._idle, self._longer = 0, 0, 1
        self._begin = begin
        self.best, self.energy = begin, numpy.inf

    def next(self, random: numpy.random.Generator) -> tuple[numpy.ndarray, int]:
        """Where the next search starts, and how long it is."""
        with self._lock:
            swaps, filling = SWAPS * self._size * self._longer, self._tried < POPULATION
            self._tried += 1
            if self._begin is not None:
                where, self._begin = self._begin.copy(), None
                return where, swaps
            if filling or len(self._members) < 2:
                return random.permutation(self._size), swaps
            one, other = (self._members[k][1] for k in random.choice(len(self._members), 2, replace=False))
        return _crossed(one, other, random), swaps

    def take(self, energy: float, where: numpy.ndarray) -> None:
        """Learn what a search found."""
        with self._lock:
            if energy < self.energy:
                self.energy, self.best, self._idle = energy, where, 0
                if self._told is not None:
                    self._told(where)
            else:
                self._idle += 1
            if energy < numpy.inf and all(energy != known for known, _ in self._members):
                self._members.append((energy, where))
                self._members.sort(key=lambda member: member[0])
                del self._members[POPULATION:]
            if self._idle > PATIENCE * POPULATION:
                del self._members[1:]
                self._tried, self._idle, self._longer = 1, 0, min(2 * self._longer, LONGEST)


def evolve(grounds: Sequence[Ground], population: Population, stop: numpy.ndarray, seed: int) -> None:
    """Breed until `stop [1]` is set, one child a thread at least.

    A thread for each of `grounds`, which are of the same instance.
    """

    def work(ground: Ground, number: int) -> None:
        random = numpy.random.default_rng((seed, number))
        words = random.integers(1, 2**63, 1, numpy.uint64)
        while True:
            where, swaps = population.next(random)
            population.take(*ground.search(where, swaps, words, stop))
            if stop[0]:
                return

    with ThreadPoolExecutor(len(grounds)) as pool:
        try:
            for done in [pool.submit(work, ground, number) for number, ground in enumerate(grounds)]:
                done.result()
        except BaseException:  # Ctrl-C, which reaches the waiting thread
            stop.fill(1)
            raise


def _crossed(one: numpy.ndarray, other: numpy.ndarray, random: numpy.random.Generator) -> numpy.ndarray:
    """A child of two assignments."""
    same = one == other
    child = numpy.where(same, one, -1)
    if random.random() < 0.5:
        used = numpy.zeros(len(one), bool)
        used[one[same]] = True
        for k in random.permutation(numpy.flatnonzero(~same)):
            for parent in (one, other) if random.random() < 0.5 else (other, one):
                if not used[parent[k]]:
                    child[k] = parent[k]
                    used[child[k]] = True
                    break
    free = numpy.setdiff1d(numpy.arange(len(one)), child)
    child[child < 0] = random.permutation(free)
    return child
