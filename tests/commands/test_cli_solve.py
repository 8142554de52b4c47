"""`gmssl solve`: right files give a table or one JSON document; wrong ones one message, and what is done is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import gmssl
from gmssl.commands.program import app
from gmssl.problem.formats import from_koopmans_beckmann, write_dat, write_sln

Run = Callable[..., Any]
Refusal = Callable[[Any, str], None]

A, B = torch.tensor([[0, 3, 0], [0, 0, 5], [0, 0, 0]]), torch.tensor([[0, 1, 2], [4, 0, 3], [6, 7, 0]])
PARTIAL = "p 2 3 2 1\na 0 0 2 -4\na 1 1 1 -2\ne 0 1 3\n"  # leaving left vertex 1 unmatched costs least: −4
PAIRS = "gm 0 1\n" + PARTIAL + "gm 0 2\np 1 1 1 0\na 0 0 0 -0.5\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `gmssl solve` in a folder of small files, wide enough that no line of a table is cut."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("gmssl.commands.solve._EVERY", float("inf"))  # tell nothing, on slow machines, too
    write_dat("small.dat", A, B)
    write_dat("known.dat", A, B)
    write_sln("known.sln", least(), [0, 1, 2])
    Path("pairs.txt").write_text(PAIRS, encoding="utf-8")
    Path("broken.dd").write_text("p 1 1 1 0\na 0 0 zero 1\n", encoding="utf-8")
    return lambda *arguments, **given: CliRunner().invoke(app, ["solve", *map(str, arguments)], **given)


def least() -> float:
    return gmssl.solve(from_koopmans_beckmann(A, B), gmssl.part("solver", "exhaustive")).energy.item()


TABU = ("--solver", "robust_tabu", "--seconds", "0.05")


def cells(line: str) -> list[str]:
    return line.split()


def test_table(run: Run) -> None:
    begin = perf_counter()
    done = run("small.dat", "known.dat", "pairs.txt", *TABU)
    elapsed = perf_counter() - begin
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    heading, small, known, one, two = done.stdout.splitlines()
    assert " ".join(cells(heading)) == "instance n×m energy bound gap seconds best known difference"
    assert cells(small)[:5] == ["small", "3×3", f"{least():.10g}", "-", "-"]
    assert cells(small)[-2:] == ["-", "-"]
    assert cells(known)[-2:] == [f"{least():.10g}", "0"]
    assert cells(one)[:4] == ["pairs", "0-1", "2×3", "-4"]
    assert cells(two)[:4] == ["pairs", "0-2", "1×1", "-0.5"]
    seconds = [float(cells(line)[-3]) for line in (small, known, one, two)]
    assert min(seconds) > 0
    assert sum(seconds) < elapsed + 0.1  # they are rounded in the table


def test_bound_and_gap_of_a_solver_that_proves(run: Run) -> None:
    heading, line = run("pairs.txt", "--solver", "exhaustive").stdout.splitlines()[:2]
    assert cells(heading)[-4:] == ["energy", "bound", "gap", "seconds"], "no best known value, no column"
    assert cells(line)[:-1] == ["pairs", "0-1", "2×3", "-4", "-4", "0.000%"]


def test_difference_to_the_best_known(run: Run) -> None:
    write_sln("known.sln", least() - 2, [0, 1, 2])
    assert run("known.dat", *TABU).stdout.rstrip().endswith(f"+2 ({2 / (least() - 2):+.2%})")
    write_sln("known.sln", 0.0, [0, 1, 2])
    assert cells(run("known.dat", *TABU).stdout.splitlines()[1])[-1] == f"+{least():.10g}"


def test_json(run: Run) -> None:
    done = run("known.dat", "pairs.txt", *TABU, "--set", "starts=3", "--set", "seed=9", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["solver"]["kind"] == "robust_tabu"
    assert (document["solver"]["starts"], document["solver"]["seed"]) == (3, 9)
    known, one, two = document["instances"]
    assert (known["file"], known["name"], known["n"], known["m"]) == ("known.dat", "known", 3, 3)
    assert (known["energy"], known["best_known"], known["bound"], known["gap"]) == (least(), least(), None, None)
    p = known["assignment"]
    assert sum(A[i, j] * B[p[i], p[j]] for i in range(3) for j in range(3)) == least()
    assert (one["file"], one["name"], one["n"], one["m"]) == ("pairs.txt", "pairs 0-1", 2, 3)
    assert (one["energy"], one["assignment"], one["fault"]) == (-4.0, [2, None], None)
    assert (two["energy"], two["assignment"]) == (-0.5, [0])
    assert all(i["seconds"] > 0 for i in document["instances"])
    assert [(i["converged"], i["agreed"]) for i in document["instances"]] == [(False, False)] * 3, "3 of 4 searches"


def test_standard_input(run: Run) -> None:
    done = run("small.dat", "-", *TABU, "--json", input=PAIRS)
    assert done.exit_code == 0, done.output
    small, one, two = json.loads(done.stdout)["instances"]
    assert (small["file"], small["name"]) == ("small.dat", "small")
    assert [(i["file"], i["name"], i["energy"]) for i in (one, two)] == [
        ("-", "stdin 0-1", -4.0),
        ("-", "stdin 0-2", -0.5),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"", "/dev/stdin is empty; expected the dd format"),
        (b"p 1 1 1 0\na 0 0 zero 1\n", "/dev/stdin, line 2: expected `a id i j cost`"),
        (b"1\n2\n", "/dev/stdin, line 2: 1 numbers after n = 1"),
    ],
)
def test_faults_of_standard_input_are_told_as_such(run: Run, refusal: Refusal, given: bytes, message: str) -> None:
    refusal(run("-", *TABU, input=given), message)


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="standard input has no path here")
def test_a_pipe_by_the_path_of_standard_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gmssl", "solve", "/dev/stdin", *TABU, "--json"]
    done = subprocess.run(command, input=PARTIAL, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["instances"][0]["energy"] == -4


@pytest.mark.parametrize("costs", ["0 1e308 1e308 0", "0 -1e308 -1e308 0"])
def test_an_energy_that_no_number_holds_is_told_and_null(run: Run, costs: str) -> None:
    """Finite costs, whose sum is not: 2e308 is infinite in float64, which JSON has no word for."""
    Path("dear.dat").write_text(f"2\n{costs}\n0 1 1 0\n")
    done = run("dear.dat", "small.dat", *TABU, "--json", "--out", "result.json")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: dear.dat, dear: ")
    assert isinstance(done.exception, SystemExit), "no traceback"
    dear, small = json.loads(done.stdout, parse_constant=pytest.fail)["instances"]
    assert [dear[key] for key in ("energy", "bound", "gap", "assignment")] == [None] * 4
    assert dear["fault"]
    assert small["energy"] == least()
    assert Path("result.json").read_text(encoding="utf-8") == done.stdout


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("energy", "bound", "shown"),
    [
        (-1.0, -torch.inf, (-1.0, None, None)),
        (-1.0, torch.nan, (-1.0, None, None)),
        (1e-300, -1e300, (1e-300, -1e300, None)),
        (torch.inf, 3.0, (None, None, None)),
        (torch.nan, 3.0, (None, None, None)),
    ],
)
def test_what_is_not_finite_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch, energy: float, bound: float, shown: Any, as_json: bool
) -> None:
    def strange(problem: gmssl.Problem, solver: Any) -> gmssl.Solution:
        one, other = (torch.tensor([x], dtype=torch.float64) for x in (energy, bound))
        return replace(honest(problem, solver), energy=one, bound=other)

    honest = gmssl.problem.solving.solve
    monkeypatch.setattr("gmssl.problem.solve", strange)
    done = run("small.dat", *TABU, *(["--json"] if as_json else []))
    assert done.exit_code == (0 if shown[0] else 2), done.output
    assert (f"the energy of its matching is {energy}" in done.stderr) == (shown[0] is None)
    if as_json:
        (small,) = json.loads(done.stdout, parse_constant=pytest.fail)["instances"]
        assert (small["energy"], small["bound"], small["gap"]) == shown
    else:
        assert [cell == "-" for cell in cells(done.stdout.splitlines()[1])[2:5]] == [x is None for x in shown]


def test_a_file_name_of_any_bytes_is_written_and_read_back(run: Run) -> None:
    name = os.fsdecode(b"x\xff.dat")
    try:
        Path(name).write_text("1\n2\n3\n")
    except OSError:
        pytest.skip("names of files are texts here")
    done = run(name, *TABU, "--json", "--out", "result.json")
    assert done.exit_code == 0, done.output
    text = Path("result.json").read_text(encoding="utf-8")
    assert text == done.stdout
    assert json.loads(text)["instances"][0]["file"] == name


def test_json_to_a_file(run: Run) -> None:
    done = run("known.dat", *TABU, "--out", "result.json")
    assert done.stdout.startswith("instance"), "the table is printed all the same"
    assert json.loads(Path("result.json").read_text(encoding="utf-8"))["instances"][0]["energy"] == least()
    both = run("known.dat", *TABU, "--json", "--out", "result.json")
    assert both.stdout == Path("result.json").read_text(encoding="utf-8")


WRONG = [
    (["no.dat"], "no.dat cannot be read: No such file or directory"),
    (["small.dat", "broken.dd"], "broken.dd, line 2: expected `a id i j cost`"),
    (["small.dat", "."], ". is a folder"),
    (["known.sln"], "known.sln holds a solution; give the problem, known.dat"),
    (["small.dat", "--solver", "tabu"], "did you mean 'robust_tabu'?"),
    (["small.dat", "--solver", "row_softmax"], "solver 'row_softmax' gives relaxed matchings"),
    (["small.dat", "--set", "start=3"], "start: unknown key (did you mean 'starts'?)"),
    (["small.dat", "--set", "starts=0"], "starts: "),
    (["small.dat", "--set", "starts=[1]"], "starts: "),
    (["small.dat", "--set", "starts"], "is not of the form path=value"),
    (["small.dat", "--out", "no/such/folder/x.json"], "--out no/such/folder/x.json cannot be written"),
    (["small.dat", "--out", "."], "--out . cannot be written"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_input_is_one_message(
    run: Run, refusal: Refusal, tmp_path: Path, arguments: list[str], message: str
) -> None:
    before = sorted(tmp_path.iterdir())
    refusal(run(*arguments, *([] if "--solver" in arguments else TABU)), message)
    assert sorted(tmp_path.iterdir()) == before


def test_wrong_usage(run: Run) -> None:
    assert run().exit_code == 2
    assert run("small.dat", "--no-such-option").exit_code == 2
    assert "Usage" in run("--help").output


def test_an_instance_that_does_not_suit_the_solver_costs_no_other(run: Run) -> None:
    """`lap` refuses the edges of the first two instances and solves the third."""
    done = run("small.dat", "pairs.txt", "--solver", "lap", "--json", "--out", "result.json")
    assert done.exit_code == 2
    assert done.stderr.startswith(
        "error: small.dat, small (and 1 more instances): solver 'lap' does not read edge costs"
    )
    small, one, two = json.loads(done.stdout)["instances"]
    assert small["energy"] is None
    assert "does not read edge costs" in small["fault"]
    assert "does not read edge costs" in one["fault"]
    assert (two["energy"], two["fault"]) == (-0.5, None)
    assert Path("result.json").read_text(encoding="utf-8") == done.stdout
    table = run("small.dat", "pairs.txt", "--solver", "lap")
    assert table.exit_code == 2
    assert [cells(line)[-2] for line in table.stdout.splitlines()[1:]] == ["-", "-", "0.000%"]


def test_a_refusal_names_the_user_s_instance(run: Run) -> None:
    done = run("small.dat", "--solver", "exhaustive", "--set", "limit=1")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: small.dat, small: ")


def table(path: str) -> list[list[str]]:
    return [line.split(",") for line in Path(path).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("solver", ["robust_tabu", "lagrange"])
def test_curve(run: Run, refusal: Refusal, solver: str) -> None:
    """A line for each better matching; the last one of an instance has the energy that is reported."""
    limit = ("--solver", solver, "--seconds", "0.05", "--curve", "curve.csv")
    done = run("known.dat", "pairs.txt", *limit, "--json")
    assert done.exit_code == 0, done.output
    heading, *rows = table("curve.csv")
    assert heading == ["instance", "seconds", "energy"]
    for instance in json.loads(done.stdout)["instances"]:
        energies = [float(energy) for name, _, energy in rows if name == instance["name"]]
        assert energies == sorted(energies, reverse=True)
        assert energies[-1] == instance["energy"]
    refusal(run("known.dat", "--solver", "sm", "--curve", "other.csv"), "solver 'sm' tells no curve")
    refusal(run("known.dat", *TABU, "--curve", "nowhere/curve.csv"), "--curve nowhere/curve.csv cannot be written")
    assert not Path("other.csv").exists()


def test_ctrl_c_keeps_the_curve_so_far(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = gmssl.problem.solving.solve

    def interrupted(problem: gmssl.Problem, solver: Any) -> gmssl.Solution:
        if problem.costs.vertex.shape == (1, 2, 3):  # the first of pairs.txt
            raise KeyboardInterrupt
        return honest(problem, solver)

    monkeypatch.setattr("gmssl.problem.solve", interrupted)
    assert run("known.dat", "pairs.txt", *TABU, "--curve", "curve.csv").exit_code == 130
    assert {name for name, _, _ in table("curve.csv")[1:]} == {"known"}


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_keeps_what_is_done(run: Run, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    honest = gmssl.problem.solving.solve

    def interrupted(problem: gmssl.Problem, solver: Any) -> gmssl.Solution:
        if problem.costs.vertex.shape == (1, 2, 3):  # the first of pairs.txt
            raise KeyboardInterrupt
        return honest(problem, solver)

    monkeypatch.setattr("gmssl.problem.solve", interrupted)
    done = run("known.dat", "pairs.txt", *TABU, "--out", "result.json", *(["--json"] if as_json else []))
    assert done.exit_code == 130
    assert "Traceback" not in done.output
    text = Path("result.json").read_text(encoding="utf-8")
    assert [i["name"] for i in json.loads(text)["instances"]] == ["known"]
    if as_json:
        assert done.stdout == text
    else:
        assert [cells(line)[0] for line in done.stdout.splitlines()] == ["instance", "known"]


def test_compilation_is_not_in_the_reported_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first solve of each kind of problem is slow; what is reported comes after it."""
    from time import sleep

    honest, seen = gmssl.problem.solving.solve, set()

    def compiling(problem: gmssl.Problem, solver: Any) -> gmssl.Solution:
        kind = (problem.topology.partial, problem.costs.vertex.dtype)
        if kind not in seen:
            sleep(0.4)
        seen.add(kind)
        return honest(problem, solver)

    run("pairs.txt", *TABU)
    monkeypatch.setattr("gmssl.problem.solve", compiling)
    document = json.loads(run("pairs.txt", "known.dat", *TABU, "--json").stdout)
    assert len(seen) == 2
    assert all(instance["seconds"] < 0.4 for instance in document["instances"])


def test_seconds(run: Run, refusal: Refusal) -> None:
    """One for each instance by default, where a solver has a limit and gives no proof by itself."""

    def limit(*arguments: str) -> Any:
        return json.loads(run("small.dat", *arguments, "--json").stdout)["solver"].get("seconds")

    assert limit() == 1
    assert limit("--seconds", "0.25") == 0.25
    assert limit("--set", "seconds=0.5") == 0.5
    assert limit("--solver", "exact") is None
    assert limit("--solver", "exact", "--seconds", "3") == 3
    refusal(run("small.dat", "--solver", "sm", "--seconds", "1"), "solver 'sm' has no time limit")
    refusal(run("small.dat", "--seconds", "1", "--set", "seconds=2"), "the time is given twice")
    refusal(run("small.dat", "--seconds", "0"), "--seconds 0 is no time")


def test_square_brackets_in_names_are_no_markup(run: Run) -> None:
    Path("[bold]x[red].dat").write_text(Path("small.dat").read_text())
    assert run("[bold]x[red].dat", *TABU).stdout.splitlines()[1].startswith("[bold]x[red] ")


@pytest.mark.parametrize(("terminal", "files", "shown"), [(True, 2, True), (True, 1, False), (False, 2, False)])
def test_progress_on_a_terminal_only(
    run: Run, monkeypatch: pytest.MonkeyPatch, terminal: bool, files: int, shown: bool
) -> None:
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda console: terminal and console.stderr))
    done = run(*["small.dat", "known.dat"][:files], *TABU, "--json")
    assert ("100%" in done.stderr) == shown
    json.loads(done.stdout)


def test_lines_where_there_is_no_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of silence in a log look like a program that hangs."""
    monkeypatch.setattr("gmssl.commands.solve._EVERY", 0.0)
    done = run("small.dat", "pairs.txt", *TABU, "--json")
    assert done.stderr.splitlines() == [
        "1/3 instances done, the last one small",
        "2/3 instances done, the last one pairs 0-1",
    ]
    assert len(json.loads(done.stdout)["instances"]) == 3


def test_default_solver_gives_a_bound(run: Run) -> None:
    if "lagrange" not in gmssl.interfaces.registry.kinds("solver"):
        pytest.skip("lagrange is not installed")
    (known,) = json.loads(run("known.dat", "--json").stdout)["instances"]
    assert known["bound"] <= least() + 1e-6 <= known["energy"] + 2e-6
    assert known["gap"] >= 0


def test_settings_of_a_nested_part_are_set_one_by_one(run: Run) -> None:
    done = run("pairs.txt", "--solver", "lagrange", "--set", "polish.starts=3", "--json")
    assert done.exit_code == 0, done.output
    polish = gmssl.part("solver", "robust_tabu", starts=3).model_dump(mode="json")
    assert json.loads(done.stdout)["solver"]["polish"] == polish
