"""`--seeds`: how many, or which ones."""

from __future__ import annotations

import re

from gmssl.errors import RecipeError

MOST = 1000
"""Seeds of a sweep; more are a slip."""

_LARGEST = 2**32 - 1
"""Of a recipe's `seed`."""

_ITEM = re.compile(r"\s*([0-9]{1,40})\s*(?:-\s*([0-9]{1,40})\s*)?")
_FORM = "write how many, as in 3 (seeds 0, 1 and 2), or which ones, as in 4-9 or 3,7,11 or 0-2,7 (a single one: 7-7)"


def read_seeds(text: str) -> tuple[int, ...]:
    """The seeds that a text names, in its order.

    A single number N stands for 0 … N−1; otherwise numbers and ranges, both ends included, are joined by commas.

    Raises:
        RecipeError: anything else, no seed at all, a range whose end is before its start, a seed that stands twice,
            more than `MOST`, or one that no recipe takes.
    """
    ranges = []
    for item in text.split(","):
        found = _ITEM.fullmatch(item)
        if found is None:
            raise RecipeError(f"--seeds {text}: {item.strip()!r} is no number and no range; {_FORM}.")
        start, end = found.groups()
        ranges.append(range(int(start), int(end or start) + 1))
        if not ranges[-1]:
            raise RecipeError(f"--seeds {text}: the range {item.strip()} ends before it starts; {_FORM}.")
    if text.strip().isdecimal():
        ranges = [range(int(text))]
    # Before anything is listed: a slip may name more seeds than memory holds.
    number = sum(max(0, each.stop - each.start) for each in ranges)
    if not 1 <= number <= MOST:
        raise RecipeError(f"--seeds {text} are {number} seeds; 1 to {MOST} are taken: {_FORM}.")
    seeds = [seed for each in ranges for seed in each]
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise RecipeError(f"--seeds {text}: the seed {seed} stands twice; {_FORM}.")
    if max(seeds) > _LARGEST:
        raise RecipeError(f"--seeds {text}: the seed {max(seeds)} is above {_LARGEST}, the largest of a recipe.")
    return tuple(seeds)
