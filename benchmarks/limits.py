"""How long `lagrange` and `exact` take under a limit: `python benchmarks/limits.py [--seconds 1 5] [--sizes 20 60]`.

One instance at a time with random costs that nothing proves: complete graphs (dense), and cycles (sparse).
"""

from __future__ import annotations

import argparse
from time import perf_counter

import torch
from rich.console import Console
from rich.table import Table

import gmssl


def drawn(n: int, dense: bool) -> gmssl.Problem:
    """An instance whose edges stand in one direction."""
    ends = torch.combinations(torch.arange(n)) if dense else torch.stack([torch.arange(n), torch.arange(n).roll(1)], 1)
    generator, edges = torch.Generator().manual_seed(n), ends[None]
    costs = torch.rand(1, len(ends), len(ends), generator=generator)
    return gmssl.Problem.build(torch.rand(1, n, n, generator=generator), edges, edges, costs)


def main() -> None:
    """Solve, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 5.0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 40, 60])
    asked = parser.parse_args()
    table = Table("solver", "n", "edges", "limit, s", "taken, s")
    endless: dict[str, dict[str, object]] = {"lagrange": {"iterations": 10**9, "tolerance": 0}, "exact": {}}
    for kind, settings in endless.items():
        gmssl.solve(drawn(4, True), {"kind": kind})  # compile
        for n in asked.sizes:
            for dense in (True, False):
                problem = drawn(n, dense)
                for seconds in asked.seconds:
                    begin = perf_counter()
                    gmssl.solve(problem, {"kind": kind, "seconds": seconds, **settings})
                    taken = f"{perf_counter() - begin:.2f}"
                    table.add_row(kind, str(n), "dense" if dense else "sparse", f"{seconds:g}", taken)
    Console(width=80).print(table)


if __name__ == "__main__":
    main()
