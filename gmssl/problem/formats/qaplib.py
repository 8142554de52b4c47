"""QAPLIB (Burkard, Karisch and Rendl 1997): `.dat` holds n, A and B; `.sln` the best known value and permutation.

Line ends mean nothing to either, but that in Taillard's `.dat` files the first line holds n and the best known value.
From `#` to the end of a line stands a comment.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from gmssl.errors import FormatError, ProblemError
from gmssl.lazy import numpy, torch
from gmssl.problem.formats.koopmans_beckmann import from_koopmans_beckmann
from gmssl.problem.formats.text import Instance, fault, lines_of, number_text, shown, write_text


def read_qaplib(path: str | Path) -> Instance:
    """The instance of a `.dat` file: minimise Σ A_ij B_p(i)p(j) over permutations p, in float64.

    `best_known` is the value of the `.sln` file of the same name beside it, if there is one, else that of the first
    line, if it holds one.

    Raises:
        FormatError: file and line of what is malformed, and what was expected.
    """
    return parse_qaplib(path, lines_of(path))


def parse_qaplib(path: str | Path, lines: list[str]) -> Instance:
    """The instance in the lines of a `.dat` file, as `read_qaplib` reads it; a `.sln` file may lie beside `path`."""
    path = Path(path)
    a, b, best = _matrices(path, lines)
    solution = path.with_suffix(".sln")
    if solution.is_file():
        best, permutation = read_sln(solution)
        if len(permutation) != len(a):
            raise FormatError(f"{solution} is of size {len(permutation)}, {path.name} of size {len(a)}; correct one.")
    try:
        return Instance(path.stem, from_koopmans_beckmann(a, b), best)
    except ProblemError as error:
        raise FormatError(f"{path}: {error}") from None


def read_dat(path: str | Path) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrices A and B of a `.dat` file, both `[n,n]` float64.

    Raises:
        FormatError: as `read_qaplib`.
    """
    a, b, _ = _matrices(path, lines_of(path))
    return a, b


def write_dat(path: str | Path, a: torch.Tensor, b: torch.Tensor) -> None:
    """Write A and B, both `[n,n]`, so that `read_dat` gives the same float64 numbers.

    Raises:
        ProblemError: the matrices are not square and of one size, or hold NaN or infinities.
        FormatError: the file cannot be written.
    """
    a, b = (torch.as_tensor(matrix, dtype=torch.float64, device="cpu") for matrix in (a, b))
    if a.ndim != 2 or a.shape[0] != a.shape[1] or a.shape != b.shape or not len(a):
        raise ProblemError(f"A has shape {list(a.shape)}, B {list(b.shape)}; QAPLIB holds two n×n matrices.")
    if not bool(torch.isfinite(a).all() & torch.isfinite(b).all()):
        raise ProblemError("A or B holds numbers that are not finite; correct them.")
    blocks = ["\n".join(" ".join(map(number_text, row)) for row in matrix.tolist()) for matrix in (a, b)]
    write_text(path, f"{len(a)}\n\n" + "\n\n".join(blocks) + "\n")


def read_sln(path: str | Path) -> tuple[float, list[int]]:
    """Value and permutation of a `.sln` file; the permutation counts from 0, in the file it counts from 1.

    Its direction varies in QAPLIB: either p or its inverse (as in nug30) has the value Σ A_ij B_p(i)p(j).

    Raises:
        FormatError: as `read_qaplib`.
    """
    numbers, lines = _numbers(path, lines_of(path))
    n = _size(path, numbers, lines)
    if len(numbers) != n + 2:
        what = f"{max(len(numbers) - 2, 0)} places of a permutation of {n}; expected n, the value, and n places"
        raise fault(path, lines[min(len(numbers) - 1, n + 2)], what)
    permutation = [number - 1 for number in numbers[2:]]
    seen: set[float] = set()
    for place, line in zip(permutation, lines[2:], strict=True):
        if place in seen or not (place.is_integer() and 0 <= place < n):
            raise fault(path, line, f"{number_text(place + 1)} in a permutation; expected each of 1..{n} once")
        seen.add(place)
    return numbers[1], [int(place) for place in permutation]


def write_sln(path: str | Path, value: float, permutation: Sequence[int]) -> None:
    """Write a value and a permutation that counts from 0; the file counts from 1.

    Raises:
        ProblemError: this is no permutation.
        FormatError: the file cannot be written.
    """
    if sorted(permutation) != list(range(len(permutation))) or not len(permutation):
        raise ProblemError(f"{shown(str(permutation))} is no permutation of 0..n−1; correct it.")
    places = " ".join(str(int(place) + 1) for place in permutation)
    write_text(path, f"{len(permutation)} {number_text(float(value))}\n{places}\n")


def _matrices(path: str | Path, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor, float | None]:
    """A, B, and the best known value if the first line holds one beside n."""
    numbers, lines = _numbers(path, texts)
    n = _size(path, numbers, lines)
    with_best = lines.count(lines[0]) == 2 and len(numbers) == 2 + 2 * n * n
    if not with_best and len(numbers) != 1 + 2 * n * n:
        place = lines[min(len(numbers) - 1, 1 + 2 * n * n)]
        what = f"{len(numbers) - 1} numbers after n = {n}; expected A and B of {n}×{n} each, {2 * n * n} numbers"
        raise fault(path, place, what)
    a, b = torch.from_numpy(numpy.array(numbers[1 + with_best :])).view(2, n, n)
    return a, b, numbers[1] if with_best else None


def _numbers(path: str | Path, texts: list[str]) -> tuple[list[float], list[int]]:
    """All numbers of a file, and the line of each. Commas occur between the numbers of some `.sln` files."""
    numbers: list[float] = []
    lines: list[int] = []
    for line, text in enumerate(texts, 1):
        words = re.split(r"[\s,]+", text.partition("#")[0].strip(" \t,"))
        try:
            row = [float(word) for word in words if word]
        except ValueError:
            row = [math.nan]
        if not all(map(math.isfinite, row)):
            raise fault(path, line, f"expected numbers, not {shown(text)}")
        numbers += row
        lines += [line] * len(row)
    return numbers, lines


def _size(path: str | Path, numbers: list[float], lines: list[int]) -> int:
    if not numbers:
        raise FormatError(f"{path} is empty; expected the size n of a quadratic assignment problem.")
    if not numbers[0].is_integer() or not 1 <= numbers[0] < 2**31:
        raise fault(path, lines[0], f"{number_text(numbers[0])} vertices; expected a whole number n of at least 1")
    return int(numbers[0])
