"""`Part`: a part *is* its settings."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self, TypeGuard, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

UNKNOWN_KEY = "unknown_key"
"""Type of pydantic fault for a key that settings do not have; its message says what exists."""


def nearest(name: str, names: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing where no name is near."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


class Settings(BaseModel):
    """Frozen settings; unknown names and numbers that are not finite are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    @model_validator(mode="wrap")
    @classmethod
    def _unknown_keys_are_told_the_known(cls, given: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Say which keys exist, where pydantic's fault for an unknown key does not; other faults stay as they are."""
        try:
            return handler(given)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            raise ValidationError.from_exception_data(error.title, [cls._retold(fault) for fault in faults]) from None

    @classmethod
    def _retold(cls, fault: ErrorDetails) -> InitErrorDetails:
        kind: str | PydanticCustomError = fault["type"]
        if kind == "extra_forbidden" and len(fault["loc"]) == 1:
            known = ", ".join(cls.model_fields) or "none"
            hint = nearest(str(fault["loc"][0]), cls.model_fields)
            remedy = "remove it or correct its spelling"
            kind = PydanticCustomError(UNKNOWN_KEY, f"unknown key{hint}; keys there are {known}; {remedy}")  # type: ignore[arg-type]
        elif kind == UNKNOWN_KEY:
            kind = PydanticCustomError(UNKNOWN_KEY, fault["msg"])  # type: ignore[arg-type]
        return InitErrorDetails(type=kind, loc=fault["loc"], input=fault["input"], ctx=fault.get("ctx", {}))

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse true and false: YAML reads `yes` as true and pydantic true as 1, but `epochs: yes` means neither."""
        if isinstance(value, bool) and info.field_name is not None:
            annotation = cls.model_fields[info.field_name].annotation
            types = {annotation, *get_args(annotation)}
            if bool not in types and types & {int, float}:
                raise ValueError(f"{value!r} is no number; correct the value")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _settings_without_a_kind_change_the_default(cls, value: object, info: ValidationInfo) -> object:
        """Read `polish: {starts: 64}` as a change of the default part, and `{0: …}` as one in a default list."""
        if info.field_name is None or not _without_kind(value):
            return value
        default = cls.model_fields[info.field_name].get_default(call_default_factory=True)
        if isinstance(default, tuple) and _names_places(value):
            return _changed_at(default, value)
        return _changed(default, value) if isinstance(default, Part) else value


def _without_kind(value: object) -> TypeGuard[Mapping[Any, object]]:
    return isinstance(value, Mapping) and "kind" not in value


def _names_places(value: Mapping[Any, object]) -> bool:
    """Whether a mapping is what `--set loggers.0.x=…` leaves where no list was given."""
    return bool(value) and all(isinstance(key, str) and key.isdecimal() and len(key) < 9 for key in value)


class Part(Settings):
    """Frozen settings of one exchangeable piece of a recipe; unknown settings are refused.

    A part without weights does its work itself. A part with weights has exactly one method `build(...) -> nn.Module`.
    Interfaces (`gmssl.interfaces`) are abstract subclasses that name the `slot`; concrete parts name their `kind` and
    are not subclassed.
    """

    slot: ClassVar[str]
    kind: ClassVar[str]

    @model_serializer(mode="wrap")
    def _with_kind(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": self.kind, **handler(self)}


def _changed(part: Part, settings: Mapping[Any, object]) -> dict[Any, object]:
    """A part with some settings changed, as a mapping that is yet to be checked; the others stay, at any depth."""
    kept = {name: getattr(part, name) for name in part.model_fields_set}
    for name, value in settings.items():
        inner = kept.get(name)
        kept[name] = _changed(inner, value) if isinstance(inner, Part) and _without_kind(value) else value
    return {"kind": part.kind, **kept}


def _changed_at(places: tuple[object, ...], changes: Mapping[str, object]) -> list[object]:
    """A list that is there by default with some places changed; the others stay, and so do settings of parts."""
    found = list(places)
    for key, value in changes.items():
        if int(key) >= len(found):
            remedy = f"use 0..{len(found) - 1}, or set the list itself" if found else "set the list itself"
            raise ValueError(f"{key} is no place in the default, a list of {len(found)}; {remedy}")
        default = found[int(key)]
        found[int(key)] = _changed(default, value) if isinstance(default, Part) and _without_kind(value) else value
    return found
