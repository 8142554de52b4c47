"""What every list of cases must be: whole, and without two cases of one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gmssl.errors import DataError
from gmssl.interfaces.cases import IMAGE, Case
from gmssl.interfaces.task import told


def checked(cases: Sequence[Case], place: Path) -> Sequence[Case]:
    """The cases themselves.

    Raises:
        DataError: one has no image, a file is missing, or two have one name.
    """
    without = [f"{case.name or 'a case without a name'} has no image" for case in cases if IMAGE not in case.files]
    if without:
        raise DataError(told(without, f"Correct {place}, or leave such cases out."))
    missing = [f"there is no file {file} ({role} of {case.name})" for case in cases for role, file in _absent(case)]
    if missing:
        raise DataError(told(missing, f"Complete the data below {place}, or set cases.root to where it is."))
    twice = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    if twice:
        raise DataError(
            told([f"two cases are named {name!r}" for name in twice], f"Give them names of their own in {place}.")
        )
    return cases


def _absent(case: Case) -> list[tuple[str, Path]]:
    return [(role, file) for role, file in case.files.items() if not file.exists()]
