"""What forked processes solve and differentiate: the same as their parent, which has used several threads before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import multiprocessing, os, sys

import torch
from torch.utils.data import DataLoader

import gmssl
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.variants import edgeless

PROBLEM = paired_embeddings(1500, 5, noise=1.0)  # so many numbers that torch shares them out
FEW = PROBLEM.select(torch.arange(100))
KINDS = {"lagrange": FEW, "exact": FEW.select(torch.arange(3)), "exhaustive": PROBLEM, "row_softmax": edgeless(PROBLEM)}


def answers(_=None):
    found = []
    for kind, problem in KINDS.items():
        solution = gmssl.solve(problem, gmssl.part("solver", kind))
        found += [solution.energy, solution.matching.vertex]
    estimator = gmssl.part("estimator", "imle", noise="none")
    costs = PROBLEM.costs.map(lambda x: x.clone().requires_grad_())
    solution = estimator.match(gmssl.part("solver", "exhaustive"), PROBLEM.with_costs(costs), None)
    solution.matching.vertex[:, 0].sum().backward()
    return [x.detach().numpy().copy() for x in (*found, costs.vertex.grad, costs.edge.grad)]


def expect(expected, found):
    assert len(expected) == len(found)
    assert all((abs(one - other) <= 1e-5).all() for one, other in zip(expected, found))


class Items:
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return answers()


if __name__ == "__main__":
    how, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    expected = answers()
    if how == "os.fork":
        child = os.fork()
        if not child:
            os._exit(0 if torch.get_num_threads() == 1 and expect(expected, answers()) is None else 1)
        assert os.waitpid(child, 0)[1] == 0
    elif how == "DataLoader":
        loader = DataLoader(Items(), batch_size=None, num_workers=1, collate_fn=list, multiprocessing_context="fork")
        expect(expected, next(iter(loader)))
    else:
        with multiprocessing.get_context(how).Pool(1) as pool:
            expect(expected, pool.map(answers, [None])[0])
    assert torch.get_num_threads() == threads  # the parent keeps its own
    print("done")
"""

slow = pytest.mark.slow
ways = ["os.fork", *(pytest.param(way, marks=slow) for way in ("DataLoader", "fork", "forkserver", "spawn"))]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
@pytest.mark.parametrize("threads", [2, pytest.param(24, marks=slow)])
@pytest.mark.parametrize("way", ways)
def test_a_child_computes_as_its_parent(tmp_path: Path, way: str, threads: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(program), way, str(threads)]
    # A child that waits for threads that it does not have waits for ever; this is long enough on a busy machine.
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "done\n", done.stderr[-3000:]


def test_a_child_of_a_process_without_torch_keeps_its_threads() -> None:
    code = """
import os, sys
import gmssl
child = os.fork()
if not child:
    assert "torch" not in sys.modules
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
