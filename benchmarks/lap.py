"""Linear assignment in batches against a loop over SciPy: `python benchmarks/lap.py`, writes `results/lap.json`.

All entrants solve the same batch in turns; times are the least over rounds (other work on the machine only ever adds to
them), in microseconds an instance, CPU time that of all threads. Optima are compared before anything is timed.

Peer: lapx (C++ Jonker–Volgenant with a batch interface), where it imports. To keep it out of the environment:

    pip install --target /tmp/peer --no-deps lapx
    PYTHONPATH=/tmp/peer python benchmarks/lap.py

On a CUDA machine also: the Triton kernel against copying costs to the host, SciPy there, and copying the answer back.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from rich.console import Console
from scipy.optimize import linear_sum_assignment

import gmssl
from gmssl.parts.solvers.assignment.lap import assign
from gmssl.system.files import write_whole
from gmssl.system.grid import Grid
from gmssl.system.machine import cores, this_machine
from gmssl.testing.strategies import knn_problem

SIZES = (8, 10, 16, 32, 64)
Run = Callable[[torch.Tensor], torch.Tensor]


@dataclass
class Row:
    """One entrant on one batch; the speeds are SciPy's wall and CPU time / this one's."""

    n: int
    m: int
    costs: str
    entrant: str
    wall_us: float
    cpu_us: float
    speed: float
    cpu_speed: float


def batches(n: int, graphs: int) -> dict[str, torch.Tensor]:
    """Costs `[G,n,m]` float32 of the kinds that occur."""
    generator = torch.Generator().manual_seed(n)
    return {
        "uniform": torch.rand(graphs, n, n, generator=generator),
        "integers 0–3": torch.randint(0, 4, (graphs, n, n), generator=generator).float(),
        "cosine": knn_problem(graphs, n, noise=0.0, neighbours=1).costs.vertex,
        "cosine + Gumbel 0.3": knn_problem(graphs, n, noise=0.3, neighbours=1).costs.vertex,
        "uniform, m = 1.5n": torch.rand(graphs, n, n + n // 2, generator=generator),
    }


def scipy_loop(costs: torch.Tensor) -> torch.Tensor:
    """What everybody writes first; on CUDA with the round trip."""
    columns = [linear_sum_assignment(cost)[1] for cost in costs.cpu().numpy()]
    return torch.stack([torch.from_numpy(c) for c in columns]).to(costs.device)


def whole_solver(costs: torch.Tensor) -> Run:
    """`lap` through `gmssl.solve`, on one thread: checks, matching and energies included."""
    none = torch.zeros(len(costs), 0, 2, dtype=torch.long, device=costs.device)
    problem = gmssl.Problem.build(costs, none, none, costs.new_zeros(len(costs), 0, 0))
    solver = gmssl.part("solver", "lap", threads=1)
    return lambda _: gmssl.solve(problem, solver).matching.vertex


def lapx_batch(costs: torch.Tensor) -> torch.Tensor:
    """The peer, on one thread."""
    import lap

    rows, columns = lap.lapjvx_batch(costs.numpy(), extend_cost=True, return_cost=False, n_threads=1)
    return torch.stack([torch.from_numpy(c[r.argsort()]) for r, c in zip(rows, columns, strict=True)])


def entrants(costs: torch.Tensor) -> dict[str, Run]:
    """By name; SciPy, which the others are compared with, comes first."""
    if costs.is_cuda:
        return {"SciPy, round trip": scipy_loop, "assign": assign, "lap, gmssl.solve": whole_solver(costs)}
    found: dict[str, Run] = {"SciPy loop": scipy_loop}
    if find_spec("lap") is not None:
        found["lapx lapjvx_batch"] = lapx_batch
    for threads in (1, 2)[: cores()]:
        found[f"assign, threads={threads}"] = lambda costs, threads=threads: assign(costs, threads=threads)
    found["lap, gmssl.solve"] = whole_solver(costs)
    return found


def race(n: int, kind: str, costs: torch.Tensor, rounds: int) -> list[Row]:
    """All entrants on one batch."""
    runs = entrants(costs)
    totals = [_total(costs, run(costs)) for run in runs.values()]  # compiles, too
    for total in totals:
        torch.testing.assert_close(total, totals[0], rtol=0, atol=1e-9)
    wall, cpu = ({name: float("inf") for name in runs} for _ in range(2))
    for _ in range(rounds):
        for name, run in runs.items():
            _wait(costs)
            before = time.perf_counter(), time.process_time()
            run(costs)
            _wait(costs)
            wall[name] = min(wall[name], time.perf_counter() - before[0])
            cpu[name] = min(cpu[name], time.process_time() - before[1])
    unit, first = 1e6 / len(costs), next(iter(runs))
    return [
        Row(
            n, costs.shape[2], kind, name, wall[name] * unit, cpu[name] * unit,
            wall[first] / wall[name], cpu[first] / cpu[name],
        )
        for name in runs
    ]  # fmt: skip


def _total(costs: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    """Totals `[G]` in float64 of columns `[G,n]` or of a matching `[G,n,m]`."""
    columns = answer if answer.ndim == 2 else answer.argmax(2)
    return costs.double().gather(2, columns[:, :, None]).sum((1, 2))


def _wait(costs: torch.Tensor) -> None:
    if costs.is_cuda:
        torch.cuda.synchronize()


def main() -> None:
    """Print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graphs", type=int, default=2000, help="instances in a batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "lap.json")
    given = parser.parse_args()
    here = Path(__file__).resolve().parent
    sys.path = [
        path for path in sys.path if Path(path).resolve() != here
    ]  # `import lap` is to find lapx, not this file
    devices = [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]
    console, report = Console(width=120), {}
    machine = asdict(this_machine())
    for device in devices:
        name = "CPU" if device.type == "cpu" else torch.cuda.get_device_name()
        torch.set_num_threads(1)
        rows = [
            row
            for n in SIZES
            for kind, costs in batches(n, given.graphs).items()
            for row in race(n, kind, costs.to(device), given.rounds)
        ]
        lines = [
            (
                r.entrant,
                r.costs,
                str(r.n),
                str(r.m),
                f"{r.wall_us:.2f}",
                f"{r.cpu_us:.2f}",
                f"{r.speed:.1f}",
                f"{r.cpu_speed:.1f}",
            )
            for r in rows
        ]
        headings = ("entrant", "costs", "n", "m", "µs wall", "µs CPU", "× SciPy", "× SciPy CPU")
        console.print(Grid(f"Linear assignment on {name}, batches of {given.graphs}", headings, lines).to_rich())
        report[name] = [asdict(row) for row in rows]
    report = {
        "command": " ".join(["python benchmarks/lap.py", *sys.argv[1:]]),
        "machine": machine,
        "graphs": given.graphs,
        "rows": report,
    }
    if len(devices) == 1:
        report["cuda"] = "not measured: no GPU at hand"
    given.out.parent.mkdir(exist_ok=True)
    write_whole(given.out, json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
