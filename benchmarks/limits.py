"""How long solvers take under a limit, and what is over 10 % and 0.2 s of it.

    python benchmarks/limits.py [--seconds 1 5] [--sizes 20 60] [--graphs dense cycle knn] [--solvers lagrange]
                                [--pairs adjacent]

One instance at a time with random costs that nothing proves: complete graphs (dense), cycles, and graphs of five
neighbours each (knn). Edges stand in one direction; `--both` lists either. Costs of more than `--most` GiB are left
out. What a solver refuses for want of memory is said, with the time that took. Rows are added to those of
`results/limits.json` that measure something else.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

import torch
from rich.console import Console
from rich.table import Table

import gmssl
from gmssl.errors import ProblemError
from gmssl.system.files import write_whole
from gmssl.system.machine import this_machine

RESULTS = Path(__file__).parent / "results" / "limits.json"
ENDLESS: dict[str, dict[str, object]] = {
    "robust_tabu": {},
    "lagrange": {"iterations": 10**9, "tolerance": 0},
    "exact": {},
}
"""Settings with which a solver does not end by itself."""
KEY = ("solver", "n", "graph", "edges", "limit, s", "pairs")

Row = dict[str, str | int | float]


def ends(n: int, graph: str, both: bool) -> torch.Tensor:
    """Edges `[E,2]`."""
    if graph == "dense":
        found = torch.combinations(torch.arange(n))
    elif graph == "cycle":
        found = torch.stack([torch.arange(n), torch.arange(n).roll(1)], 1)
    else:
        places = torch.rand(n, 2, generator=torch.Generator().manual_seed(n))
        near = torch.cdist(places, places).fill_diagonal_(torch.inf).topk(min(5, n - 1), largest=False).indices
        found = torch.stack([torch.arange(n)[:, None].expand_as(near).flatten(), near.flatten()], 1)
    return torch.cat([found, found.flip(1)]) if both else found


def drawn(n: int, graph: str = "dense", both: bool = False) -> gmssl.Problem:
    """An instance."""
    edges, generator = ends(n, graph, both)[None], torch.Generator().manual_seed(n)
    costs = torch.rand(1, edges.shape[1], edges.shape[1], generator=generator)
    return gmssl.Problem.build(torch.rand(1, n, n, generator=generator), edges, edges, costs)


def measured(problem: gmssl.Problem, solver: dict[str, object]) -> Row:
    """Seconds of one solve, and what it found or why it refused."""
    begin = perf_counter()
    try:
        solution = gmssl.solve(problem, solver)
    except ProblemError as error:
        return {"taken, s": perf_counter() - begin, "refused": str(error)}
    taken = perf_counter() - begin
    assert int(solution.matching.vertex.sum()) == min(problem.costs.vertex.shape[1:]), "a matching in any case"
    found: Row = {"taken, s": taken, "energy": solution.energy.item()}
    return found if solution.bound is None else {**found, "bound": solution.bound.item()}


def rows(asked: argparse.Namespace) -> Iterator[Row]:
    """Measure; large problems are drawn once for all solvers."""
    for kind in asked.solvers:
        gmssl.solve(drawn(4), {"kind": kind, **({} if kind == "exact" else {"seconds": 0.1})})  # compile
    for n in asked.sizes:
        for graph in asked.graphs:
            count = len(ends(n, graph, asked.both))
            if 4 * count**2 > asked.most * 2**30:
                print(f"{n} vertices, {graph}: costs of {4 * count**2 / 2**30:.1f} GiB are left out", flush=True)
                continue
            problem = drawn(n, graph, asked.both)
            for kind in asked.solvers:
                pairs: dict[str, object] = {"pairs": asked.pairs} if kind == "lagrange" else {}
                for seconds in asked.seconds:
                    row = measured(problem, {"kind": kind, "seconds": seconds, **ENDLESS[kind], **pairs})
                    names: Row = {"solver": kind, "n": n, "graph": graph, "edges": count, "limit, s": seconds}
                    yield {**names, **({"pairs": asked.pairs} if pairs else {}), **row}


def over(row: Row) -> bool:
    """Whether a solver took longer than it may."""
    return float(row["taken, s"]) > 1.1 * float(row["limit, s"]) + 0.2


def main() -> None:
    """Solve, print the table, write the results; the exit code is 1 if a limit was not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 5.0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 60])
    parser.add_argument("--graphs", nargs="+", choices=("dense", "cycle", "knn"), default=["dense", "cycle"])
    parser.add_argument("--solvers", nargs="+", choices=ENDLESS, default=list(ENDLESS))
    parser.add_argument("--pairs", choices=("all", "adjacent"), default="all", help="that lagrange relaxes")
    parser.add_argument("--both", action="store_true", help="edges in both directions: four times the costs")
    parser.add_argument("--most", type=float, default=2.0, help="GiB of edge costs")
    asked = parser.parse_args()
    table, found = Table("solver", "n", "edges", "limit, s", "taken, s", "kept", box=None), []
    for row in rows(asked):
        found.append(row)
        kept = "refused" if "refused" in row else "no" if over(row) else "yes"
        edges = f"{row['edges']} {row['graph']}" + (f", {row['pairs']} pairs" if row.get("pairs") == "adjacent" else "")
        table.add_row(str(row["solver"]), str(row["n"]), edges, f"{row['limit, s']:g}", f"{row['taken, s']:.2f}", kept)
    Console(width=100).print(table)
    known = json.loads(RESULTS.read_text("utf-8"))["rows"] if RESULTS.exists() else []
    new = {tuple(row.get(name) for name in KEY) for row in found}
    kept_rows = [row for row in known if tuple(row.get(name) for name in KEY) not in new]
    document = {"machine": asdict(this_machine()), "rows": [*kept_rows, *found]}
    write_whole(RESULTS, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    raise SystemExit(any(over(row) for row in found))


if __name__ == "__main__":
    main()
