"""Cases whose files belong together by their names."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from gmssl.errors import DataError
from gmssl.interfaces.cases import IMAGE, Case, Cases
from gmssl.parts.cases.checking import checked

_GROUPS = ("label", "patient")


class Paired(Cases):
    """A case for each image that a pattern finds; its other files have the same stem.

    `{image: "images/*.jpg", mask: "masks/{stem}_mask.png"}` pairs `images/7.jpg` with `masks/7_mask.png`. Names of the
    groups of `fields` stand for what these found, as in `{folder}/{patient}_seg.nii.gz`. A file that is not there is
    left out of its case, and a task that needs it says so. Where the image is a series of DICOM files, it is the folder
    that holds them: `{image: "*/ct", mask: "{patient}/liver.nii.gz"}`.
    """

    kind: ClassVar[str] = "paired"

    root: Path = Field(description="folder of the data")
    files: dict[str, str] = Field(
        description="role → path below the root: a pattern for the image, {stem} or groups of `fields` in the others"
    )
    fields: str | None = Field(
        None,
        description="regular expression on the image's path below the root; its groups `label`, `patient` and any "
        "others are read as such and as facts",
    )
    lists: dict[str, str] = Field(
        {}, description="text files with a stem on each line, by what the fact `split` is to be for them"
    )

    @field_validator("files")
    @classmethod
    def _an_image_is_there(cls, files: dict[str, str]) -> dict[str, str]:
        if IMAGE not in files:
            raise ValueError(f"there is no role {IMAGE!r}; add it, as in {{{IMAGE}: 'images/*.png'}}")
        return files

    @field_validator("fields")
    @classmethod
    def _the_expression_is_sound(cls, fields: str | None) -> str | None:
        if fields is not None:
            try:
                re.compile(fields)
            except re.error as error:
                raise ValueError(f"{fields!r} is no regular expression ({error}); correct it") from None
        return fields

    @model_validator(mode="after")
    def _paths_name_what_is_known(self) -> Paired:
        known = {"stem", *(re.compile(self.fields).groupindex if self.fields else ())}
        for role, text in self.files.items():
            asked = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            if role != IMAGE and asked - known:
                names, exist = (", ".join(f"{{{name}}}" for name in sorted(group)) for group in (asked - known, known))
                raise ValueError(f"files.{role}: there is no {names}; there is {exist}. Add a group to fields")
        return self

    def cases(self) -> Sequence[Case]:
        """A case for each image, sorted by path; where there are lists, only those that a list names.

        Raises:
            DataError: there is no such folder, no image, or a list that names what is not there.
        """
        root = self.root.expanduser()
        if not root.is_dir():
            raise DataError(f"cases.root: there is no folder {root}. Set cases.root to where the data is.")
        found = sorted(root.glob(self.files[IMAGE]))
        images = [path for path in found if path.is_file()] or found  # folders: series of DICOM files
        if not images:
            raise DataError(
                f"cases: no file below {root} fits {self.files[IMAGE]!r}. Set cases.root, or correct cases.files.image."
            )
        splits = self._splits(root, {path.stem for path in images})
        kept = [path for path in images if not self.lists or path.stem in splits]
        return checked([self._case(root, path, splits.get(path.stem)) for path in kept], root)

    def _splits(self, root: Path, stems: set[str]) -> dict[str, str]:
        """Stem → split."""
        found: dict[str, str] = {}
        for split, name in self.lists.items():
            file = root / name
            if not file.is_file():
                raise DataError(f"cases.lists: there is no file {file}. Correct its name, or set cases.root.")
            names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
            lost = [stem for stem in names if stem not in stems]
            if lost:
                raise DataError(
                    f"cases.lists: {file} names {lost[0]!r}, and {len(lost) - 1} more, of which there is no image. "
                    "Complete the data, or correct the list."
                )
            both = next((stem for stem in names if stem in found), None)
            if both is not None:
                raise DataError(f"cases.lists: {both!r} is in {split} and in {found[both]}. Take it out of one list.")
            found |= dict.fromkeys(names, split)
        return found

    def _case(self, root: Path, image: Path, split: str | None) -> Case:
        name = image.relative_to(root).as_posix()
        match = re.search(self.fields, name) if self.fields else None
        found = match.groupdict(default="") if match else dict.fromkeys(re.compile(self.fields or "").groupindex, "")
        words = {**found, "stem": image.stem}
        others = {role: root / text.format_map(words) for role, text in self.files.items() if role != IMAGE}
        files = {IMAGE: image, **{role: path for role, path in others.items() if path.exists()}}
        facts = {key: value for key, value in found.items() if value}
        label, patient = (facts.get(group) for group in _GROUPS)
        return Case(name, files, label, patient, facts | ({} if split is None else {"split": split}))
