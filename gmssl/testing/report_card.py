"""All laws of a part, and how fast and how good a solver is: what `gmssl parts check` prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from hypothesis.configuration import set_hypothesis_home_dir

import gmssl
from gmssl.errors import ProblemError
from gmssl.interfaces.part import Part
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem
from gmssl.testing.affinity_contract import AffinityContract
from gmssl.testing.estimator_contract import EstimatorContract
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.laws import Contract, Verdict, laws_of, verdict
from gmssl.testing.oracles import least_assignment
from gmssl.testing.solver_contract import SolverContract
from gmssl.testing.variants import concatenated, edgeless, scale_of

CONTRACTS: dict[str, type[Contract]] = {
    "affinity": AffinityContract,
    "estimator": EstimatorContract,
    "solver": SolverContract,
}
"""The contract of each slot that has one; its part is the attribute of the slot's name."""

NOISES, MARGINS = (0.5, 1.0, 3.0), (0.0, 1.0)
INSTANCES = 16  # of each noise and margin
PATIENCE = 10.0  # seconds for one measurement; slow solvers get fewer instances
STARTS, ITERATIONS = 64, 250  # of the robust tabu search whose energies are the best known


@dataclass(frozen=True)
class Measured:
    """Speed and quality of a solver on `paired_embeddings`.

    Attributes:
        n: vertices of both sides.
        instances: how many were solved; fewer for slow solvers.
        microseconds: wall time per instance, threads as the solver is set.
        solved: share of instances solved to the best known energy, or None for relaxed matchings.
        refusal: what the solver said if it refused the problems; the numbers are then 0 and None.
    """

    n: int
    instances: int
    microseconds: float
    solved: float | None
    refusal: str | None = None


def verdicts(part: Part, examples: int, finds_planted: bool = True) -> Iterator[Verdict]:
    """The laws of the part's slot, one after the other; equal in each run.

    Args:
        part: of a slot in `CONTRACTS`.
        examples: how many each law is tried on.
        finds_planted: of `SolverContract`.
    """
    base = CONTRACTS[part.slot]
    facts = {part.slot: part, "examples": examples, "finds_planted": finds_planted, "reproducible": True}
    contract = type(f"Check{base.__name__}", (base,), facts)
    with _files_out_of_sight():
        for name in laws_of(contract):
            yield verdict(contract(), name)


@contextmanager
def _files_out_of_sight() -> Iterator[None]:
    """hypothesis would leave a folder where the user stands."""
    with TemporaryDirectory() as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)


def measured(solver: Solver, n: int) -> Measured:
    """Solve problems of n vertices, some of each noise, with and without margin."""
    settings = [(noise, margin) for noise in NOISES for margin in MARGINS]
    drawn = concatenated([paired_embeddings(INSTANCES, n, noise, margin, seed=n) for noise, margin in settings])
    # Every prefix holds all settings alike.
    problem = drawn.select(torch.arange(len(settings) * INSTANCES, device="cpu").view(-1, INSTANCES).T.flatten())
    if not solver.uses_edges:
        problem = edgeless(problem)
    try:
        gmssl.solve(problem.select(torch.arange(1, device="cpu")), solver)  # compiles
        for count in (len(settings), 4 * len(settings), len(settings) * INSTANCES):
            first = problem.select(torch.arange(count, device="cpu"))
            seconds, energy = _timed(first, solver)
            if 4 * seconds > PATIENCE:
                break
    except ProblemError as refusal:
        return Measured(n, 0, 0.0, None, str(refusal))
    solved = None if solver.differentiable else _solved(first, energy)
    return Measured(n, count, seconds / count * 1e6, solved)


def _timed(problem: Problem, solver: Solver) -> tuple[float, torch.Tensor]:
    """Least seconds of up to three solves, and the energies."""
    least, start = float("inf"), perf_counter()
    for _ in range(3):
        before = perf_counter()
        energy = gmssl.solve(problem, solver).energy.detach()
        least = min(least, perf_counter() - before)
        if perf_counter() - start > 1:
            break
    return least, energy


def _solved(problem: Problem, energy: torch.Tensor) -> float:
    """Share of energies within 1e-5 of the largest cost above the best known."""
    if problem.costs.edge.numel():
        best = gmssl.solve(problem, gmssl.part("solver", "robust_tabu", starts=STARTS, iterations=ITERATIONS)).energy
    else:
        least = [least_assignment(problem, graph) for graph in range(len(energy))]
        best = torch.tensor(least, dtype=torch.float64, device="cpu")
    return float((energy.double() <= best.double() + 1e-5 * scale_of(problem)).double().mean())
