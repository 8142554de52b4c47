"""A corpus as data: which archives, how they are read, and which of their images are taken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from gmssl.corpus.catalogue.entry import Modality
from gmssl.corpus.catalogue.patterns import as_regex
from gmssl.corpus.expansion import expanded
from gmssl.corpus.slices import SlicePolicy
from gmssl.errors import RecipeError
from gmssl.interfaces.part import Settings
from gmssl.interfaces.reader import Reader, Window
from gmssl.interfaces.registry import describe, field_of, part
from gmssl.recipe.recipe import apply_override, read_recipe

FIELDS = ("patient", "study", "label", "split")
"""What a path or a table may say of an image beside its name."""


def _list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_list)]


class Take(Settings):
    """A share of the patients, the same ones for the same seed and patients."""

    share: float = Field(gt=0, le=1)
    seed: int = Field(0, ge=0)


class Table(Settings):
    """A CSV file with a column `path`, and columns of `FIELDS` where known; only the files it lists are taken."""

    path: Path = Field(description="below the folder of the source, or absolute")
    column: str = Field("path", description="column that names the file, below the folder of the source")
    where: dict[str, str] = Field({}, description="keep rows whose columns have these values")


class Source(Settings):
    """One archive."""

    name: str = Field(pattern=r"^[\w.-]+$", description="what the images are called by: letters, digits, _ . -")
    path: Path = Field(description="folder of the archive; a relative path starts from `root` of the corpus")
    optional: bool = Field(False, description="pass over the source, and say so, where there is no such folder or file")
    reader: field_of(Reader)  # type: ignore[valid-type]
    include: Patterns = Field((), description="take files that match one of these patterns, as *_flair.nii.gz")
    exclude: Patterns = Field((), description="leave out files that match one of these")
    listed: str | None = Field(None, description="pattern of text files of the archive that name the files to take")
    modality: Modality | None = Field(None, description="of all images; default: what their files say")
    organ: str | None = None
    fields: str | None = Field(None, description=f"regular expression on paths with groups of {', '.join(FIELDS)}")
    table: Table | None = Field(None, description="names the files to take, and says more of them")
    take: Take | None = Field(None, description="only a share of the patients")
    window: field_of(Window) | None = None  # type: ignore[valid-type]
    slices: SlicePolicy | None = None

    @field_validator("include", "exclude", "listed")
    @classmethod
    def _patterns_are_sound(cls, patterns: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        for pattern in (patterns,) if isinstance(patterns, str) else patterns or ():
            as_regex(pattern)
        return patterns

    @field_validator("fields")
    @classmethod
    def _groups_are_known(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = set(re.compile(pattern).groupindex)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
            if not groups or not groups <= set(FIELDS):
                raise ValueError(f"{pattern!r} needs groups like (?P<patient>[^/]+); they may be {', '.join(FIELDS)}")
        return pattern


class Corpus(Settings):
    """Sources, and what holds for all that do not say otherwise."""

    root: Path | None = Field(None, description="where relative paths of sources start; default: the working folder")
    sources: tuple[Source, ...] = Field(min_length=1)
    window: field_of(Window) = Field(  # type: ignore[valid-type]
        default_factory=lambda: part("window", "by_modality"), description="which values become black and white"
    )
    slices: SlicePolicy = SlicePolicy()
    bits: Literal[8, 16] = Field(8, description="of a grey value; 16 for tools that window again")
    names: Literal["hashed", "kept"] = Field("hashed", description="whether paths of the archive go into the store")
    salt: Path | None = Field(None, description="file whose bytes are mixed into hashes; default: one of this user")
    shard: int = Field(128, ge=1, description="megabytes of source files in one file of the store, about")
    max_unreadable: float = Field(0.01, ge=0, le=1, description="share of broken acquisitions that fails the build")
    exclude: Path | None = Field(None, description="list of images to leave out, as `gmssl data audit` writes it")

    @model_validator(mode="before")
    @classmethod
    def _entries_are_written_out(cls, settings: object) -> object:
        return expanded(settings) if isinstance(settings, Mapping) else settings

    @model_validator(mode="after")
    def _names_are_different(self) -> Corpus:
        names = [source.name.lower() for source in self.sources]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two sources are called {twice}; rename one")
        return self

    def window_of(self, source: Source) -> Window:
        """The window of a source."""
        return source.window or self.window

    def slices_of(self, source: Source) -> SlicePolicy:
        """The slices of a source."""
        return source.slices or self.slices

    def folder_of(self, source: Source) -> Path:
        """The folder of a source."""
        return (self.root or Path()).expanduser() / source.path.expanduser()

    def dump(self) -> str:
        """The corpus as YAML, with every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)

    def deciding(self) -> dict[str, Any]:
        """The settings that decide which bytes a store has; limits of faults do not."""
        return self.model_dump(mode="json", exclude={"max_unreadable", "salt"})


def load_corpus(path: str | Path, overrides: Sequence[str] = (), catalogue: Sequence[Path] = ()) -> Corpus:
    """Read a corpus from a YAML file.

    Args:
        path: of the file, or the name of a shipped one.
        overrides: changes like `bits=16`, see `gmssl.recipe.recipe.apply_override`.
        catalogue: folders of further entries, which sources may name.

    Raises:
        RecipeError: no such file, no YAML, or settings that are wrong; the message names the place and what exists.
        DataError: an entry of `catalogue` is wrong.
    """
    settings = read_recipe(path, "corpus")
    for override in overrides:
        apply_override(settings, override)
    return corpus_of(expanded(settings, catalogue), str(path))


def corpus_of(settings: Mapping[str, Any], place: str = "corpus") -> Corpus:
    """A corpus from its settings.

    Raises:
        RecipeError: settings are wrong; the message names the place and what exists.
    """
    try:
        return Corpus.model_validate(settings)
    except ValidationError as error:
        raise RecipeError(f"{place}:\n{describe(error)}") from None
