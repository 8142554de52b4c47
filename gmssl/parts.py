"""`Part`: a part *is* its settings."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Part(BaseModel):
    """Frozen settings of one exchangeable piece of a recipe; unknown settings are refused.

    A part without weights does its work itself. A part with weights has exactly one method `build(...) -> nn.Module`.
    Interfaces (`gmssl.interfaces`) are abstract subclasses that name the `slot`; concrete parts name their `kind` and
    are not subclassed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    slot: ClassVar[str]
    kind: ClassVar[str]

    @model_serializer(mode="wrap")
    def _with_kind(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": self.kind, **handler(self)}
