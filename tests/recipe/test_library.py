"""Where shipped recipes are found, and the sentence that says what each is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gmssl.errors import RecipeError
from gmssl.recipe import library

RECIPES = Path(__file__).parents[2] / "recipes"


def test_a_checkout_serves_the_files_that_people_read() -> None:
    assert {file.path for file in library.shipped()} == set(RECIPES.rglob("*.yaml"))


def test_files_of_different_sorts_have_different_names() -> None:
    names = [file.name for file in library.shipped()]
    assert len(set(names)) == len(names)


def test_the_package_has_files_of_its_own_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(RECIPES, tmp_path / "shipped")
    monkeypatch.setattr(library, "_PACKAGED", tmp_path / "shipped")
    assert library.located(Path("quickstart")) == tmp_path / "shipped" / "quickstart.yaml"


def test_an_installation_without_them_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_PACKAGED", "_CHECKOUT"):
        monkeypatch.setattr(library, name, tmp_path / "nothing")
    with pytest.raises(RecipeError, match="reinstall gmssl"):
        library.shipped()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "# SwAV (Caron et al. 2020): two views\n# of an image. It is fast.\nseed: 0\n",
            "SwAV (Caron et al. 2020): two views of an image.",
        ),
        (
            "# Methods at the size of two cores:\n#   make study, or gmssl sweep x\na:\n",
            "Methods at the size of two cores.",
        ),
        ("# By the numbers of the code. docs/x.md has more.\n", "By the numbers of the code."),
        ("seed: 0\n# later\n", ""),
    ],
)
def test_the_sentence_of_a_file(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    assert library.Shipped("x", path, False).sentence == sentence
