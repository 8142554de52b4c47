"""Readable substitutes on terminals that lack characters, instead of an error in the middle of a command."""

from __future__ import annotations

import codecs
import contextlib
import io
import unicodedata
from typing import TextIO

HANDLER = "gmssl.substitute"
_SUBSTITUTES = {
    "×": "x", "·": "*", "−": "-", "–": "-", "—": "-", "…": "...", "≥": ">=", "≤": "<=", "≠": "!=", "±": "+/-",
    "→": "->", "←": "<-", "‘": "'", "’": "'", "“": '"', "”": '"', "•": "*", "∞": "inf", "━": "-", "─": "-", "│": "|",
    "╸": "-", "╺": "-", "λ": "lambda", "γ": "gamma", "τ": "tau", "µ": "u", "μ": "u",
}  # fmt: skip


def adapt(stream: TextIO | None) -> None:
    """Let a stream of the program write any text: what its encoding lacks is replaced.

    Bytes of a file name that are no text in the encoding of the system come out as they are, so that a printed path
    can be used. A stream that is closed or is no text stream of its own is left alone.
    """
    codecs.register_error(HANDLER, _substitute)
    if isinstance(stream, io.TextIOWrapper):
        with contextlib.suppress(ValueError, OSError):  # it is closed already
            stream.reconfigure(errors=HANDLER)


def _substitute(error: UnicodeError) -> tuple[str | bytes, int]:
    """The error handler, which replaces one character at a time, because each may have another kind of substitute."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":  # how Python keeps a byte of a file name that it could not decode
        return bytes([ord(character) - 0xDC00]), error.start + 1
    plain = _SUBSTITUTES.get(character) or unicodedata.normalize("NFKD", character)
    ascii_only = plain.encode("ascii", "ignore").decode("ascii")
    return ascii_only or "?", error.start + 1
