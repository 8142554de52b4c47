"""Every type that pydantic takes is told in words, as plugins may use any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, TypeVar, Union

import pytest
from annotated_types import Interval, Len
from pydantic import (
    AfterValidator,
    BaseModel,
    DirectoryPath,
    Field,
    FilePath,
    PositiveInt,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    conlist,
)
from typing_extensions import TypeAliasType

from gmssl.commands.common.type_words import type_in_words
from gmssl.interfaces.encoder import Encoder
from gmssl.interfaces.estimator import Noise
from gmssl.interfaces.part import Part
from gmssl.interfaces.registry import field_of

Positive = Annotated[float, Field(gt=0)]


class Mode(Enum):
    FAST = "fast"
    EXACT = "exact"


class Ends(BaseModel):
    first: int
    last: int = 3


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (bool, "true or false"),
        (int, "whole number"),
        (Positive, "number > 0"),
        (PositiveInt, "whole number > 0"),
        (Annotated[int, Field(ge=8, le=64, multiple_of=8)], "whole number ≥ 8 and ≤ 64 in steps of 8"),
        (Annotated[float, Interval(ge=0, lt=1)], "number ≥ 0 and < 1"),
        (Annotated[float, AfterValidator(abs)], "number"),
        (Annotated[float | None, Field(gt=0)], "number > 0, or none"),
        (Annotated[tuple[Positive, Positive, Positive], Field()] | None, "3 numbers > 0, or none"),
        (tuple[Positive], "number > 0"),
        (tuple[()], "no values"),
        (tuple[int, str], "2 values: whole number; text"),
        (tuple[tuple[int, int], ...], "list of items, each 2 whole numbers"),
        (list[bool], "list of values true or false"),
        (Sequence[str], "list of texts"),
        (frozenset[Path], "list of paths"),
        (list, "list of values"),
        (conlist(int, min_length=2, max_length=2), "2 whole numbers"),
        (Annotated[list[int], Len(0, 5)], "at most 5 whole numbers"),
        (Annotated[list[float | None], Field(min_length=1, max_length=5)], "1 to 5 items, each number, or none"),
        (Annotated[str, StringConstraints(min_length=1)], "text of 1 or more characters"),
        (SecretStr, "secretstr"),
        (Literal["cpu", "gpu"], "one of cpu, gpu"),
        (Literal["cpu", True, None], "one of cpu, true, none"),
        (Union[float, Literal["auto"], None], "number, or auto, or none"),  # noqa: UP007
        (list[Literal["a", "b"]], "list of items, each one of a, b"),
        (Mode, "one of fast, exact"),
        (Path, "path"),
        (FilePath, "path of a file"),
        (DirectoryPath | None, "path of a folder, or none"),
        (Noise, "a noise part"),
        (field_of(Encoder), "an encoder part"),
        (tuple[field_of(Noise), ...], "list of noise parts"),
        (Part, "a part"),
        (Ends, "mapping with the keys first, last"),
        (dict[str, list[int]], "mapping of texts to items, each list of whole numbers"),
        (dict, "mapping"),
        (Any, "any value"),
        (None, "none"),
        (TypeAliasType("Alias", int | None), "whole number, or none"),
        (NewType("Count", int), "whole number"),
        (Callable[[int], int], "callable"),
        (TypeVar("T"), "any value"),
    ],
)
def test_words(annotation: Any, words: str) -> None:
    assert type_in_words(annotation) == words
    if annotation is not Part:
        TypeAdapter(annotation)  # it is a type that a setting can have


def test_limits_beside_the_type() -> None:
    class Settings(BaseModel):
        rates: tuple[Positive, ...] | Literal["encoder"] | None = Field(None, min_length=1)

    field = Settings.model_fields["rates"]
    assert type_in_words(field.annotation, field.metadata) == "1 or more numbers > 0, or encoder, or none"
