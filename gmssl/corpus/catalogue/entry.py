"""What is known of a dataset: one entry of the catalogue."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field, HttpUrl, TypeAdapter, field_validator, model_validator

from gmssl.corpus.catalogue.patterns import as_regex
from gmssl.interfaces.part import Settings

Modality: TypeAlias = Literal[
    "ct",
    "mri",
    "pet",
    "x-ray",
    "ultrasound",
    "oct",
    "endoscopy",
    "colour",
    "histology",
    "microscopy",
    "electron_microscopy",
    "other",
]
"""`x-ray` is radiography, mammography included; `colour` photographs of the skin and of the fundus; `histology` stained
tissue; `microscopy` light microscopy of cells, such as smears of blood; `endoscopy` includes laparoscopy."""

MODALITIES: tuple[str, ...] = get_args(Modality)

UNKNOWN = "unknown"
"""What an entry says where its author is not sure."""

_HTTP = TypeAdapter(HttpUrl)


def _several(value: object) -> object:
    """A single value is a list of one."""
    return [value] if isinstance(value, str | dict) else value


def _kind(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def _compiled(pattern: str | None, group: str | None = None) -> str | None:
    if pattern is not None:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}; correct it") from None
        if group is not None and group not in groups:
            raise ValueError(f"{pattern!r} needs a group (?P<{group}>...); add it")
    return pattern


class ReaderChoice(Settings):
    """A reader by its kind, with its settings; a kind need not be installed to be named here."""

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    settings: dict[str, str | int | float | bool | None] = Field({}, description="of the reader, as a recipe has them")


class Place(Settings):
    """Where files of one sort lie."""

    pattern: str = Field(min_length=1, description="path below the archive; * within a folder, **/ for any folders")
    holds: Literal["images", "masks", "tables", "other"] = "images"
    required: bool = Field(True, description="whether an archive without such files is incomplete")
    count: Annotated[tuple[int, int] | None, BeforeValidator(lambda n: [n, n] if type(n) is int else n)] = Field(
        None, description="number of files of the whole archive, or a range [least, most]; null: not known"
    )
    unique: bool = Field(False, description="no two of them have the same name, whatever their folder")

    @field_validator("pattern")
    @classmethod
    def _a_pattern_stays_below(cls, pattern: str) -> str:
        parts = PurePosixPath(pattern).parts
        if pattern.startswith("/") or ".." in parts or "\\" in pattern:
            raise ValueError(f"{pattern!r} leads out of the archive; write a path below it with forward slashes")
        as_regex(pattern)
        return pattern

    @field_validator("count")
    @classmethod
    def _a_range_has_an_order(cls, count: tuple[int, int] | None) -> tuple[int, int] | None:
        if count is not None and not 0 <= count[0] <= count[1]:
            raise ValueError(f"{list(count)} is no range; write [least, most]")
        return count


class Split(Settings):
    """Which part of the archive is for training: an official part, or a share of the patients."""

    official: str | None = Field(None, description="pattern of the files of the official train part")
    listed: str | None = Field(None, description="pattern of the file of the archive that lists that part")
    fraction: float | None = Field(None, gt=0, le=1, description="share of the patients, drawn by seed")
    patient: str | None = Field(
        None, description="regular expression on paths with a group `patient`; null: each file is one of its own"
    )

    @field_validator("patient")
    @classmethod
    def _names_the_patient(cls, pattern: str | None) -> str | None:
        return _compiled(pattern, "patient")

    @model_validator(mode="after")
    def _one_of_both(self) -> Split:
        given = [key for key in ("official", "listed", "fraction") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of official (a pattern of the train part), listed (of the file that lists it) and fraction "
                f"(as 0.2), not {' and '.join(given) or 'none'}"
            )
        for pattern in (self.official, self.listed):
            as_regex(pattern or "")
        return self

    @property
    def sentence(self) -> str:
        """Which part it is, in words."""
        if self.official is not None:
            return f"the official train part, {self.official}"
        if self.listed is not None:
            return f"the official train part, as {self.listed} lists it"
        return f"{self.fraction:.0%} of the patients, by seed"

    def patient_of(self, path: str) -> str | None:
        """The patient that a path tells, if it does; the archive's own folder may come first."""
        found = re.search(self.patient, path) if self.patient is not None else None
        return found["patient"] if found else None


class Published(Settings):
    """A list of names that the authors of LVM-Med released: what they trained on.

    A listed name stands for a file or a folder of the archive. It is compared, after `adds` is taken away, with the end
    of the path, with the file's name, with that name without its extensions, or with the name of any folder above it.
    """

    name: str
    entries: int = Field(ge=1, description="lines that are not blank")
    unique: int = Field(ge=1, description="different ones among them")
    groups: int | None = Field(None, ge=1, description="different first folders among them: patients, mostly")
    first: str = Field(min_length=1, description="how the first line begins: its first 80 characters")
    sha256: str = Field(pattern=r"^[0-9a-f]{16}$", description="first 16 digits of the SHA-256 of the file's bytes")
    compares: Literal["path", "name", "stem", "folder"] | None = Field(
        "name", description="with what a listed name is compared; null: the list names no files"
    )
    adds: str | None = Field(None, description="regular expression of what the list adds to names, such as a label")
    only: str | None = Field(None, description="regular expression of the lines of this dataset, if it has not all")
    own: int | None = Field(None, ge=1, description="number of those lines")

    @field_validator("adds", "only")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        return _compiled(pattern)

    @model_validator(mode="after")
    def _numbers_fit(self) -> Published:
        if self.unique > self.entries:
            raise ValueError(f"unique {self.unique} is more than entries {self.entries}; correct one")
        if (self.only is None) != (self.own is None):
            raise ValueError("only and own belong together; give both or neither")
        return self


class AsPrinted(Settings):
    """The row of the paper's Table 13, unchanged; `odd` says where it is wrong."""

    name: str
    organ: str
    task: str
    modality: str
    dimension: Literal["2D", "3D"]
    official_split: bool
    total: int = Field(ge=1)


class Entry(Settings):
    """A dataset: what it is, how it is obtained, how it lies on disk, and which part of it is for training."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="by which commands call it")
    number: int | None = Field(None, ge=1, description="its row in the paper's Table 13; null for a lab's own")
    title: str
    modality: Annotated[tuple[Modality, ...], BeforeValidator(_several)] = Field(min_length=1)
    organ: str
    dimension: Literal["2D", "3D"]
    licence: str = Field(description="by its short name, or unknown")
    homepage: str
    access: Literal["open", "account", "request"] = Field(
        description="open to everybody; after signing up and accepting terms; after somebody has approved a request"
    )
    obtain: str = Field(description="how to get it, in a sentence")
    reader: Annotated[tuple[Annotated[ReaderChoice, BeforeValidator(_kind)], ...], BeforeValidator(_several)] = Field(
        min_length=1, description="kinds of reader; several where the archive comes in several forms"
    )
    layout: tuple[Place, ...] = Field(min_length=1, description="the first pattern that fits a file counts")
    split: Split
    patients: int | None = Field(None, ge=1, description="of the whole archive, where known")
    published: tuple[Published, ...] = ()
    known_by: tuple[str, ...] = Field((), description="classes of well-kept packages that read this layout")
    as_printed: AsPrinted | None = None
    odd: str | None = Field(None, description="what is odd about the printed row or the published list")
    notes: str | None = None

    @field_validator("homepage")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        _HTTP.validate_python(address)
        return address

    @model_validator(mode="after")
    def _images_lie_somewhere(self) -> Entry:
        if all(place.holds != "images" for place in self.layout):
            raise ValueError("layout has no place that holds images; add one")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All names it answers to."""
        return (self.name,) if self.as_printed is None else (self.name, self.as_printed.name)
