"""Cases with the digests of their images, by which copies and changes are seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gmssl.errors import DataError
from gmssl.interfaces.cases import IMAGE, Case
from gmssl.parts.tasks.images import image_digest
from gmssl.system.files import files_below, sha256_of


@dataclass(frozen=True)
class Listed:
    """All cases of a benchmark.

    Attributes:
        cases: in the order of the part that lists them.
        images: digests of the pixels of images, and of the bytes of all other files.
        digest: of names, labels, patients, facts and the bytes of all files: whether anything has changed.
    """

    cases: tuple[Case, ...]
    images: tuple[str, ...]
    digest: str


def listed(cases: Sequence[Case]) -> Listed:
    """Read every file once.

    Raises:
        DataError: an image cannot be read.
    """
    images, told, known = [], [], dict[str, str]()
    for case in cases:
        contents = {}
        for role, path in sorted(case.files.items()):
            key = str(path)
            if key not in known:
                try:
                    known[key] = _sha256(path)
                except OSError as error:
                    raise DataError(
                        f"{path} cannot be read: {error.strerror}. Correct it, or leave the case out."
                    ) from None
            contents[role] = known[key]
        images.append(image_digest(case.image) or contents[IMAGE])
        told.append([case.name, case.label, case.patient, dict(case.facts), contents])
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    return Listed(tuple(cases), tuple(images), digest)


def _sha256(path: Path) -> str:
    """Of a file, or of the names and contents of all files of a folder."""
    if not path.is_dir():
        return sha256_of(path)
    told = [[name, sha256_of(path / name)] for name in files_below(path)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
