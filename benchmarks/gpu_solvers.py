"""`robust_tabu` on a GPU: `python benchmarks/gpu_solvers.py`, writes `results/gpu_solvers.json`.

Instances are those of training: kNN graphs of noisy paired embeddings, k = 5, with Gumbel noise. In one process:
the Triton kernels alone and within `gmssl.solve`, the batched torch reference on the same GPU, and the compiled search
on one thread and on all cores of the host; the latter three on one batch of 256, as they take long. Before anything is
timed, the GPU's matchings are compared with those of the CPU: all must be the same.

Times are the least over rounds, with the device idle before and after. Compilation is timed apart. Without a GPU there
is nothing to measure, and the exit code is 2.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console

import gmssl
from gmssl.parts.solvers.tabu.robust_tabu import RobustTabu
from gmssl.problem import Problem, Topology
from gmssl.system.files import write_whole
from gmssl.system.grid import Grid
from gmssl.system.machine import cores, this_machine
from gmssl.testing.strategies import knn_problem

SEARCHES = {10: (8, 50), 16: (12, 50), 32: (32, 250)}  # starts and iterations by n
BATCHES = (256, 1024, 4096, 8192)
DIFFERENT = 1024  # instances; larger batches repeat them
NOISE = 0.5


@dataclass
class Row:
    """One entrant on one batch. `first_seconds`: of the first call, with compilation unless the disk has it."""

    n: int
    searches: str
    graphs: int
    entrant: str
    milliseconds: float
    instances_per_second: float
    first_seconds: float


def to_gpu(problem: Problem) -> Problem:
    """The same problem on the GPU, without its target."""
    topology = problem.topology
    moved = Topology(*(x.cuda() for x in (topology.left, topology.right, topology.allowed)))
    return Problem(problem.costs.map(torch.Tensor.cuda), moved)


def timed(run: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Seconds of the first call, and the least of the others."""
    seconds = []
    for _ in range(rounds + 1):
        torch.cuda.synchronize()
        before = time.perf_counter()
        run()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - before)
    return seconds[0], min(seconds[1:])


def expect_equal(problem: Problem, solver: RobustTabu) -> None:
    """The kernels must find the CPU's matchings."""
    here, there = gmssl.solve(problem, solver), gmssl.solve(to_gpu(problem), solver)
    same = (here.matching.vertex == there.matching.vertex.cpu()).flatten(1).all(1)
    assert here.agreed is not None and there.agreed is not None  # noqa: PT018
    same &= here.agreed == there.agreed.cpu()
    if not bool(same.all()):
        sys.exit(f"the GPU's answers differ from the CPU's in {int((~same).sum())} of {len(same)} instances: a defect")


def measure(n: int, rounds: int) -> list[Row]:
    """All entrants and batches at one size."""
    starts, iterations = SEARCHES[n]
    solver, single, many = (
        gmssl.part("solver", "robust_tabu", starts=starts, iterations=iterations, threads=threads)
        for threads in (None, 1, cores())
    )
    problem = knn_problem(DIFFERENT, n, noise=NOISE)
    few = problem.select(torch.arange(BATCHES[0]))
    there = to_gpu(few)
    expect_equal(few, solver)
    runs: list[tuple[int, str, Callable[[], object], int]] = [
        (BATCHES[0], "numba, 1 thread", lambda: gmssl.solve(few, single), 2),
        (BATCHES[0], f"numba, {cores()} threads", lambda: gmssl.solve(few, many), 2),
        (BATCHES[0], "torch reference", lambda: solver.search_in_torch(there), 1),
    ]
    for graphs in BATCHES:
        enough = few if graphs <= BATCHES[0] else problem.repeat(-(-graphs // DIFFERENT))
        batch = to_gpu(enough)
        runs += [
            (graphs, "kernels", lambda batch=batch: solver.search_in_triton(batch), rounds),
            (graphs, "gmssl.solve", lambda batch=batch: gmssl.solve(batch, solver), rounds),
        ]
    rows = []
    for graphs, entrant, run, times in runs:
        first, least = timed(run, times)
        rows.append(Row(n, f"{starts}×{iterations}", graphs, entrant, least * 1e3, graphs / least, first))
    return rows


def waits(n: int) -> bool:
    """Whether the kernels make the host wait for the device."""
    problem, solver = to_gpu(knn_problem(8, n)), gmssl.part("solver", "robust_tabu")
    solver.search_in_triton(problem)
    torch.cuda.set_sync_debug_mode("error")
    try:
        solver.search_in_triton(problem)
    except RuntimeError:
        return True
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False


def main() -> None:
    """Print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gpu_solvers.json")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device here, so nothing was measured; run this on a machine with an NVIDIA GPU", file=sys.stderr)
        raise SystemExit(2)
    rows = [row for n in given.sizes for row in measure(n, given.rounds)]
    lines = [
        (r.entrant, r.searches, str(r.n), str(r.graphs), f"{r.milliseconds:.2f}", f"{r.instances_per_second:,.0f}")
        for r in rows
    ]
    gpu = torch.cuda.get_device_name()
    headings = ("entrant", "searches", "n", "instances", "ms", "instances/s")
    Console(width=120).print(Grid(f"robust_tabu on {gpu}", headings, lines).to_rich())
    report = {
        "command": " ".join(["python benchmarks/gpu_solvers.py", *sys.argv[1:]]),
        "gpu": gpu,
        "machine": asdict(this_machine()),
        "kernels_wait_for_device": waits(16),
        "rows": [asdict(row) for row in rows],
    }
    given.out.parent.mkdir(exist_ok=True)
    write_whole(given.out, json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
