"""Judgements of untrained encoders and raw pixels, kept in files: runs of one sweep share them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from gmssl.training.files import replacing

if TYPE_CHECKING:
    from gmssl.evaluation.report import Reference


@dataclass(frozen=True)
class References:
    """A folder of judgements by what decides them; without a folder, nothing is kept.

    Attributes:
        folder: made when the first judgement is written.
        given: what decides a judgement and is not known here: images, protocol, versions.
    """

    folder: Path | None
    given: Sequence[Any]

    def get(self, features: object, judge: Callable[[], Reference]) -> Reference:
        """The judgement of these features, made if it is not there; a file that cannot be used is written anew."""
        from gmssl.evaluation.report import Reference

        if self.folder is None:
            return judge()
        digest = hashlib.sha256(json.dumps([features, *self.given], default=str).encode("utf-8")).hexdigest()[:16]
        path = self.folder / f"{digest}.json"
        try:
            return TypeAdapter(Reference).validate_json(path.read_bytes())
        except (OSError, ValidationError):
            found = judge()
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(json.dumps(asdict(found), ensure_ascii=False).encode("utf-8"))
        return found
