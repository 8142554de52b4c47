"""The text format of graph-matching solvers (Torresani, Kolmogorov and Rother, dual decomposition, 2008).

    c anything                        a comment
    gm i j                            before each block of a file of several instances: graphs i and j are matched
    p n m A E                         vertices of both sides, numbers of the lines below
    a id i j cost                     A assignments: left vertex i may be matched with right vertex j
    e a b cost                        E edges: assignments a and b together

All numbers count from 0. A pair without an `a` line is forbidden, any vertex may stay unmatched, and the energy is the
sum of the costs of all lines that hold. Lines `i0`, `i1` (places of vertices) and `n0`, `n1` (neighbours) bear no costs
and are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from gmssl.errors import FormatError, ProblemError
from gmssl.lazy import numpy
from gmssl.problem.formats.assignments import Assignments
from gmssl.problem.formats.text import Instance, fault, lines_of, number_text, shown, write_text
from gmssl.problem.problem import Problem

Lines = list[tuple[int, str]]

_FORMS = {
    "gm": "gm i j",
    "p": "p n m A E",
    "a": "a id i j cost",
    "e": "e a b cost",
}
_COSTLESS = {"", "c", "i0", "i1", "n0", "n1"}


@dataclass
class _Block:
    """The lines of one instance, each with its number."""

    header: int
    sizes: list[int]
    name: str
    lines: dict[str, Lines] = field(default_factory=lambda: {"a": [], "e": []})


@dataclass
class _Rows:
    """Lines of one keyword as arrays of equal length."""

    line: numpy.ndarray
    integers: numpy.ndarray
    """`[columns, lines]` int64."""
    cost: numpy.ndarray


def read_dd(path: str | Path) -> list[Instance]:
    """All instances of a file, as partial problems in float64.

    Costs of repeated edges add up. The left edges of the problem are the pairs i < j that occur in `e` lines; edges
    between two assignments of one vertex are dropped, since no matching holds both.

    Raises:
        FormatError: file and line of what is malformed, and what was expected.
    """
    return parse_dd(path, lines_of(path))


def parse_dd(path: str | Path, lines: list[str]) -> list[Instance]:
    """All instances in the lines of a file, as `read_dd` reads them; `path` is only named."""
    return [Instance(block.name, _problem(path, block)) for block in _blocks(path, lines)]


def write_dd(path: str | Path, instances: Sequence[Instance]) -> None:
    """Write instances so that `read_dd` gives the same energy for every matching; costs keep every bit.

    Several instances need `gm` lines: i and j are taken from names that end in `i-j`, else each instance is given
    two graphs of its own.

    Raises:
        ProblemError: a problem that is not partial (the format knows no other), or a batch of G ≠ 1.
        FormatError: the file cannot be written.
    """
    lines: list[str] = []
    pairs = [re.search(r"(\d+)-(\d+)$", instance.name) for instance in instances]
    for number, (instance, pair) in enumerate(zip(instances, pairs, strict=True)):
        if len(instances) > 1:
            i, j = pair.groups() if pair and all(pairs) else (2 * number, 2 * number + 1)
            lines.append(f"gm {i} {j}")
        lines += _lines(instance)
    write_text(path, "\n".join(lines) + "\n")


def _blocks(path: str | Path, lines: list[str]) -> list[_Block]:
    found: list[_Block] = []
    pair = ""
    for keyword, group in groupby(enumerate(lines, 1), lambda line: next(iter(line[1].split(None, 1)), "")):
        run = list(group)
        first = run[0][0]
        if keyword in _COSTLESS:
            continue
        if keyword not in _FORMS:
            expected = ", ".join(f"`{form}`" for form in _FORMS.values())
            raise fault(path, first, f"unknown line {shown(run[0][1])}; expected {expected}, or a comment `c`")
        if keyword in ("a", "e"):
            if not found or pair:
                raise fault(path, first, f"{shown(run[0][1])} stands before the header of its block, `p n m A E`")
            found[-1].lines[keyword] += run
            continue
        for (line, text), integers in zip(run, _rows(path, keyword, run).integers.T.tolist(), strict=True):
            if keyword == "gm":
                if pair:
                    raise fault(path, line, f"{shown(text)} after another `gm` line; expected `p n m A E`")
                pair = " {}-{}".format(*integers)
            else:
                found.append(_Block(line, integers, Path(path).stem + pair))
                pair = ""
    if pair or not found:
        raise FormatError(
            f"{path} ends{' after a `gm` line' if pair else ''} without an instance; expected `p n m A E`."
        )
    return found


def _rows(path: str | Path, keyword: str, lines: Lines) -> _Rows:
    """Numbers of all lines of a keyword at once, which is a hundred times faster than line by line."""
    columns = _FORMS[keyword].split()
    with_cost = columns[-1] == "cost"
    integers = range(1, len(columns) - with_cost)
    numbers, texts = zip(*lines, strict=True) if lines else ((), ())
    words = " ".join(texts).split()
    try:
        # If the keyword stands at every step and only there, each line has as many words as it should.
        if len(words) != len(lines) * len(columns) or any(word != keyword for word in words[:: len(columns)]):
            raise ValueError
        table = [numpy.array(list(map(int, words[place :: len(columns)])), numpy.int64) for place in integers]
        cost = numpy.array(list(map(float, words[len(columns) - 1 :: len(columns)])) if with_cost else [])
    except (ValueError, OverflowError):
        raise _first_fault(path, keyword, lines) from None
    if not numpy.isfinite(cost).all():
        wrong = int(numpy.flatnonzero(~numpy.isfinite(cost))[0])
        raise fault(path, numbers[wrong], f"{shown(texts[wrong])} has no finite cost; expected a number")
    return _Rows(numpy.array(numbers, numpy.int64), numpy.stack(table), cost)


def _first_fault(path: str | Path, keyword: str, lines: Lines) -> FormatError:
    columns = _FORMS[keyword].split()
    number, text = next((number, text) for number, text in lines if not _well_formed(columns, text.split()))
    kinds = "whole numbers and a cost" if "cost" in columns else "whole numbers"
    return fault(path, number, f"expected `{_FORMS[keyword]}` with {kinds}, not {shown(text)}")


def _well_formed(columns: list[str], words: list[str]) -> bool:
    try:
        for column, word in zip(columns[1:], words[1:], strict=True):
            float(word) if column == "cost" else numpy.int64(int(word))
    except (ValueError, OverflowError):
        return False
    return True


def _problem(path: str | Path, block: _Block) -> Problem:
    n, m, *announced = block.sizes
    if n < 1 or m < 1:
        raise fault(path, block.header, f"{n} and {m} vertices; expected at least one on each side")
    for count, (keyword, lines) in zip(announced, block.lines.items(), strict=True):
        if len(lines) != count:
            what = f"the header announces {count} `{keyword}` lines, {len(lines)} follow"
            raise fault(path, block.header, f"{what}; expected both to agree (is the file complete?)")
    assignments, edges = (_rows(path, keyword, lines) for keyword, lines in block.lines.items())
    i, s = _assigned(path, n, m, assignments)
    pairs = _referenced(path, assignments, edges)
    try:
        return Assignments(n, m, i, s, assignments.cost, pairs, edges.cost).problem()
    except ProblemError as error:
        raise FormatError(f"{path}, block at line {block.header}: {error}") from None


def _assigned(path: str | Path, n: int, m: int, rows: _Rows) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Left and right vertex of each assignment."""
    _, i, s = rows.integers
    outside = (i < 0) | (i >= n) | (s < 0) | (s >= m)
    if outside.any():
        wrong = int(outside.argmax())
        what = f"assignment of vertices {i[wrong]} and {s[wrong]}; expected 0..{n - 1} and 0..{m - 1}"
        raise fault(path, int(rows.line[wrong]), what)
    for what, keys in (("id", rows.integers[0]), ("pair of vertices", i * m + s)):
        _, first = numpy.unique(keys, return_index=True)
        if len(first) < len(keys):
            again = int(numpy.setdiff1d(numpy.arange(len(keys)), first)[0])
            raise fault(path, int(rows.line[again]), f"this {what} has an assignment already; expected one for each")
    return i, s


def _referenced(path: str | Path, assignments: _Rows, edges: _Rows) -> numpy.ndarray:
    """Places of both assignments of each edge, `[2,E]`."""
    ids, wanted = assignments.integers[0], edges.integers
    order = ids.argsort()
    place = numpy.searchsorted(ids, wanted, sorter=order).clip(max=max(len(ids) - 1, 0))
    known = ids[order[place]] == wanted if len(ids) else numpy.zeros(wanted.shape, bool)
    if not known.all():
        wrong = int(numpy.flatnonzero(~known.all(0))[0])
        missing = int(wanted[:, wrong][~known[:, wrong]][0])
        what = f"the edge names assignment {missing}; expected the id of an `a` line of this block"
        raise fault(path, int(edges.line[wrong]), what)
    return order[place] if len(ids) else wanted


def _lines(instance: Instance) -> Iterator[str]:
    problem = instance.problem
    if len(problem.costs.vertex) != 1:
        raise ProblemError(
            f"{instance.name!r} holds {len(problem.costs.vertex)} problems; make an Instance of each: "
            "problem.select(torch.tensor([g]))."
        )
    if not problem.topology.partial:
        raise ProblemError(
            f"{instance.name!r} matches the whole shorter side, and matchings of the dd format are partial; pass "
            "problem.partially(u), with u above what any pair can cost if complete matchings are to win."
        )
    of = Assignments.of(problem)
    yield f"p {of.n} {of.m} {len(of.cost)} {len(of.pair_cost)}"
    for number, (i, s, cost) in enumerate(zip(of.left.tolist(), of.right.tolist(), of.cost.tolist(), strict=True)):
        yield f"a {number} {i} {s} {number_text(cost)}"
    for (one, other), cost in zip(of.pairs.T.tolist(), of.pair_cost.tolist(), strict=True):
        yield f"e {one} {other} {number_text(cost)}"
