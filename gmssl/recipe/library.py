"""The recipes that gmssl ships, by name, and beside them variants for sweeps, corpora to build stores from, benchmarks.

In a checkout they are the files of `recipes/`, which people read and edit there; the build puts the same files into the
package as `gmssl/recipe/shipped`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gmssl.errors import RecipeError
from gmssl.interfaces.part import nearest

_PACKAGED = Path(__file__).parent / "shipped"
_CHECKOUT = Path(__file__).parents[2] / "recipes"

Sort = Literal["recipe", "variants", "corpus", "downstream"]
_FOLDERS: dict[Sort, str] = {"recipe": ".", "variants": "variants", "corpus": "corpus", "downstream": "downstream"}


@dataclass(frozen=True)
class Shipped:
    """A file that gmssl ships.

    Attributes:
        name: such as `simclr_r18`, the name of the file without `.yaml`.
        path: where the file is.
        sort: a recipe to train, variants for `gmssl sweep --variants`, a corpus for `gmssl data build`, or a benchmark
            for `gmssl evaluate`.
    """

    name: str
    path: Path
    sort: Sort

    @property
    def sentence(self) -> str:
        """What it is: the first sentence of the comment that the file begins with, on one line."""
        return _first_sentence(" ".join(_head(self.path.read_text(encoding="utf-8"))))


def shipped_folder(sort: Sort = "recipe") -> Path:
    """The folder of the files of a sort.

    Raises:
        RecipeError: it is not where the installation put it.
    """
    folder = next((place for place in (_PACKAGED, _CHECKOUT) if place.is_dir()), None)
    if folder is None:
        raise RecipeError(f"the recipes that gmssl ships are not at {_PACKAGED}; reinstall gmssl.")
    return folder / _FOLDERS[sort]


def shipped() -> list[Shipped]:
    """All shipped files, recipes first, sorted by name.

    Raises:
        RecipeError: the files are not where the installation put them.
    """
    return [Shipped(path.stem, path, sort) for sort in _FOLDERS for path in sorted(shipped_folder(sort).glob("*.yaml"))]


def shipped_names(sort: Sort = "recipe") -> list[str]:
    """Names of the files of a sort."""
    return [file.name for file in shipped() if file.sort == sort]


def find_shipped(name: str) -> Shipped:
    """A file by its name.

    Raises:
        RecipeError: there is none of that name; the message names the nearest one, and all that exist.
    """
    files = {file.name: file for file in shipped()}
    if name not in files:
        raise RecipeError(f"gmssl ships no recipe {name!r}{nearest(name, files)}; it ships {', '.join(files)}.")
    return files[name]


def located(path: Path, sort: Sort = "recipe") -> Path:
    """The file that is meant by a path, which may be the bare name of one that is shipped.

    A file that exists at the path wins. A path that leads nowhere comes back as it is.
    """
    if path.is_file() or path.name != str(path) or path.suffix:
        return path
    return next((file.path for file in shipped() if file.name == str(path) and file.sort == sort), path)


def near_names(path: Path, sort: Sort = "recipe") -> list[str]:
    """At most four names of shipped files that somebody who wrote this path may have meant, the nearest first."""
    return difflib.get_close_matches(path.stem, shipped_names(sort), n=4, cutoff=0.6)


def _head(text: str) -> Iterator[str]:
    """The lines of the comment at the top of a file, without their marks."""
    for line in text.splitlines():
        if not line.startswith("#"):
            return
        yield line.removeprefix("#").strip()


def _first_sentence(text: str) -> str:
    """The text up to the first full stop before a capital letter, or to a colon that announces the line below it."""
    sentence = re.split(r"(?<=\.)\s+(?=[A-Z]|docs/)|:\s+(?=make |gmssl )", text, maxsplit=1)[0]
    return sentence.rstrip(":. ") + "." if sentence else ""
