"""Judgements of untrained encoders and raw pixels are kept in files, so that the runs of a sweep share them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gmssl.evaluation.report import Reference
from gmssl.system.files import alone_in, replacing
from gmssl.system.json_text import json_text


@dataclass(frozen=True)
class References:
    """A folder of judgements, which are found by what they depend on; without a folder, nothing is kept.

    Attributes:
        folder: made when the first judgement is written.
        given: what all judgements depend on and is not known here: images, protocol, versions.
    """

    folder: Path | None
    given: Sequence[Any]

    def get(self, features: object, judge: Callable[[], Reference]) -> Reference:
        """The judgement of these features; it is made if it is missing, and a file that cannot be used is written anew.

        Of several processes that need it at a time, one makes it and the others wait.
        """
        if self.folder is None:
            return judge()
        digest = hashlib.sha256(json.dumps([features, *self.given], default=str).encode("utf-8")).hexdigest()[:16]
        path = self.folder / f"{digest}.json"
        known = _read(path)
        if known is not None:
            return known
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self.folder / f".{digest}.lock"
        lock.touch()
        with alone_in(lock):  # without locks, work may be done twice
            known = _read(path)
            if known is None:
                known = judge()
                with replacing(path) as file:
                    file.write(json_text(asdict(known), indent=None).encode("utf-8"))
        return known


def _read(path: Path) -> Reference | None:
    try:
        return TypeAdapter(Reference).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
