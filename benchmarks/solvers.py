"""Time and quality of the matching solvers, on one thread: `python benchmarks/solvers.py`.

Instances are those of training: two noisy views of unit-norm embeddings, kNN graphs (k = 5, so E = F = 5n), cosine
costs of vertices and of differences along edges, Gumbel noise of several temperatures on both.

Peer: pylibmgm (GPL-3.0; fusion moves), measured in the same run where it imports. To keep it out of the environment:

    pip install --target /tmp/peer --no-deps pylibmgm
    PYTHONPATH=/tmp/peer python benchmarks/solvers.py
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import gmssl
from gmssl.energy import lift, vertex_matching
from gmssl.testing.strategies import knn_problem

TEMPERATURES = (0.0, 0.1, 0.3, 0.6, 1.0)
PACKAGES = ("torch", "numpy", "numba", "scipy", "pylibmgm")


@dataclass
class Row:
    """One line of the table. Microseconds are per instance, medians over repeats; energies are means in float64."""

    n: int
    solver: str
    instances: int
    wall_us: float
    cpu_us: float
    energy: float
    by_temperature: dict[float, float]
    note: str = ""


def timed(run: Callable[[], torch.Tensor], repeats: int) -> tuple[torch.Tensor, float, float]:
    """The result, median wall seconds and median seconds of CPU time of this thread."""
    wall, cpu = [], []
    for _ in range(repeats):
        before = time.perf_counter(), time.thread_time()
        result = run()
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.thread_time() - before[1])
    return result, statistics.median(wall), statistics.median(cpu)


def energy_of(problem: gmssl.Problem, vertex: torch.Tensor) -> torch.Tensor:
    """Energies in float64, `[G]`."""
    return gmssl.energy(problem.costs.map(torch.Tensor.double), lift(vertex.double(), problem.topology))


def measure(name: str, solver: object, problems: dict[float, gmssl.Problem], repeats: int, note: str = "") -> Row:
    """Solve the problems of each temperature `repeats` times."""
    wall = cpu = 0.0
    energies: dict[float, float] = {}
    for temperature, problem in problems.items():
        given = problem
        if not solver.uses_edges:
            none = problem.topology.left[:, :0]
            given = gmssl.Problem.build(problem.costs.vertex, none, none, problem.costs.edge[:, :0, :0])
        gmssl.solve(given, solver)  # compiles
        vertex, w, c = timed(lambda given=given: gmssl.solve(given, solver).matching.vertex, repeats)
        wall, cpu = wall + w, cpu + c
        energies[temperature] = energy_of(problem, vertex).mean().item()
    return _row(name, problems, wall, cpu, energies, note)


def _row(
    name: str, problems: dict[float, gmssl.Problem], wall: float, cpu: float, energies: dict[float, float], note: str
) -> Row:
    graphs, n, _ = next(iter(problems.values())).costs.vertex.shape
    total = graphs * len(problems)
    mean = statistics.mean(energies.values())
    return Row(n, name, total, wall / total * 1e6, cpu / total * 1e6, mean, energies, note)


def peer_model(problem: gmssl.Problem, graph: int) -> object:
    """A pylibmgm model. It may leave vertices unmatched, so every assignment is made worth a constant more."""
    import pylibmgm

    vertex, edge = problem.costs.vertex[graph].tolist(), problem.costs.edge[graph].tolist()
    left, right = problem.topology.left[graph].tolist(), problem.topology.right[graph].tolist()
    n, m = len(vertex), len(vertex[0])
    offset = 2 * sum(abs(c) for row in (*vertex, *edge) for c in row) / n
    pairs: dict[tuple[int, int, int, int], float] = {}
    for e, (i, j) in enumerate(left):
        for f, (s, t) in enumerate(right):
            key = (i, s, j, t) if i < j else (j, t, i, s)
            pairs[key] = pairs.get(key, 0.0) + edge[e][f]
    model = pylibmgm.GmModel(pylibmgm.Graph(0, n), pylibmgm.Graph(1, m), n * m, len(pairs))
    for i in range(n):
        for s in range(m):
            model.add_assignment(i, s, vertex[i][s] - offset)
    for key, cost in pairs.items():
        model.add_edge(*key, cost)
    return model


def measure_peer(problems: dict[float, gmssl.Problem]) -> Row | None:
    """pylibmgm's solver with its default settings, once per instance; building of its models apart."""
    try:
        from pylibmgm.solver import solve_gm
    except ImportError:
        return None
    wall = cpu = built = 0.0
    energies, partial = {}, 0
    for temperature, problem in problems.items():
        graphs, n, m = problem.costs.vertex.shape
        labels = []
        for graph in range(graphs):
            before = time.perf_counter()
            model = peer_model(problem, graph)
            built += time.perf_counter() - before
            solution, w, c = timed(lambda model=model: solve_gm(model), 1)
            wall, cpu = wall + w, cpu + c
            labels.append([solution[i] for i in range(n)])
        columns = torch.tensor(labels)
        partial += int((columns < 0).any(1).sum())
        energies[temperature] = energy_of(problem, vertex_matching(columns, m, torch.float64)).mean().item()
    total = graphs * len(problems)
    note = f"+ {built / total * 1e6:.0f} µs model building in Python"
    return _row("pylibmgm QAPSolver", problems, wall, cpu, energies, note + (f"; {partial} partial" if partial else ""))


def machine() -> dict[str, object]:
    """Processor and package versions."""
    names = [line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"cpu": names[0] if names else platform.processor(), "cores": len(names), "versions": versions}


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def rows(instances: int, repeats: int) -> list[Row]:
    """All lines of the table."""
    plans = {10: [(8, 50)], 16: [(12, 50), (24, 50)], 32: [(4, 500), (32, 250)]}
    lines: list[Row | None] = []
    for n, presets in plans.items():
        graphs = instances if n <= 16 else max(1, instances // 6)
        problems = {t: knn_problem(graphs, n, noise=t, seed=n) for t in TEMPERATURES}
        lines.append(measure("lap", gmssl.part("solver", "lap"), problems, repeats, "vertex costs only"))
        for starts, iterations in presets:
            for agree in (4, None):
                solver = gmssl.part(
                    "solver", "robust_tabu", starts=starts, iterations=iterations, agree=agree, threads=1
                )
                name = f"robust_tabu {starts}×{iterations}"
                lines.append(measure(name, solver, problems, repeats if n <= 16 else 3, f"agree={agree}"))
        lines.append(measure_peer(problems))
    return [line for line in lines if line is not None]


def main() -> None:
    """Print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=60, help="per temperature, n ≤ 16; a sixth of it for n = 32")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "solvers.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = rows(given.instances, given.repeats)
    table = Table(title=f"Matching solvers, one thread, Gumbel temperatures {TEMPERATURES}")
    for column in ("n", "solver", "instances", "µs wall", "µs CPU", "mean energy", "note"):
        table.add_column(column, justify="left" if column in ("solver", "note") else "right")
    for r in lines:
        table.add_row(
            str(r.n), r.solver, str(r.instances), f"{r.wall_us:.0f}", f"{r.cpu_us:.0f}", f"{r.energy:.4f}", r.note
        )
    console = Console(width=120)
    console.print(table)
    if not any(r.solver.startswith("pylibmgm") for r in lines):
        console.print("peer not installed: see the head of this file")
    given.out.parent.mkdir(exist_ok=True)
    report = {"command": "python benchmarks/solvers.py", "machine": machine(), "rows": [asdict(r) for r in lines]}
    given.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
