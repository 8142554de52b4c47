"""`Part`: a part *is* its settings."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)


class Settings(BaseModel):
    """Frozen; unknown settings and numbers that are not finite are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """YAML reads `yes` as true, and pydantic true as 1; `epochs: yes` means neither."""
        if isinstance(value, bool) and info.field_name is not None:
            annotation = cls.model_fields[info.field_name].annotation
            types = {annotation, *get_args(annotation)}
            if bool not in types and types & {int, float}:
                raise ValueError(f"{value!r} is no number; correct the value")
        return value


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
