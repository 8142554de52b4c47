"""Names of patients, studies and files as keyed hashes: equal names have equal hashes, and nobody can go back."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from gmssl.errors import DataError


class Pseudonyms:
    """Hashes of one salt.

    Attributes:
        mark: eight hexadecimal digits that tell salts apart; hashes of stores can be compared where it is the same.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self.mark = self("salt", "")[:8]

    def __call__(self, what: str, name: str) -> str:
        """16 hexadecimal digits for a name; `what` keeps a patient "1" and a study "1" apart."""
        message = f"{what}\0{name}".encode("utf-8", "surrogateescape")
        return hmac.new(self._salt, message, hashlib.sha256).hexdigest()[:16]


def pseudonyms(path: Path | None) -> Pseudonyms:
    """The hashes of a lab's salt, or of this user's, which is made at its first use.

    Args:
        path: a file of at least 16 bytes; None for `gmssl/salt` below `$XDG_CONFIG_HOME` or `~/.config`.

    Raises:
        DataError: the file is missing, too short, or cannot be read.
    """
    place = path.expanduser() if path is not None else _own()
    try:
        if path is None and not place.exists():
            _make(place)
        salt = place.read_bytes()
    except OSError as error:
        remedy = "Write some random bytes to it, as `head -c 32 /dev/urandom` prints them, and keep it secret."
        raise DataError(f"salt: {place} cannot be read: {error.strerror}. {remedy}") from None
    if len(salt) < _SHORTEST:
        raise DataError(
            f"salt: {place} holds {len(salt)} bytes; ids could be guessed. Use {_SHORTEST} random ones or more."
        )
    return Pseudonyms(salt)


_SHORTEST = 16


def _own() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "gmssl" / "salt"


def _make(place: Path) -> None:
    """A file that only this user reads. It appears whole: of processes that make it at once, one wins for all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".salt.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(temporary, place)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)
