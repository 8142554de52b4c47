"""Image files without what they say beside their pixels: names, places, dates."""

from __future__ import annotations

JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_SCAN, _COMMENT = 0xDA, 0xFE
_KEPT = (0xE0, 0xEE)
"""Of the segments for applications: JFIF, and Adobe's, which says what the channels mean."""
_TOLD = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"iCCP")


def without_metadata(content: bytes) -> bytes | None:
    """The same JPEG or PNG file without comments, EXIF, profiles and dates; the bytes of its pixels stay as they are.

    None for other formats, and for files that are not built as these are. An orientation in EXIF is lost with it, so
    compare the pixels.
    """
    try:
        if content.startswith(JPEG):
            return _jpeg(content)
        if content.startswith(PNG):
            return _png(content)
    except (IndexError, ValueError):
        return None
    return None


def _jpeg(content: bytes) -> bytes:
    """Segments up to the first scan: FF, marker, length of two bytes that counts itself."""
    kept, at = [JPEG], 2
    while content[at + 1] != _SCAN:
        if content[at] != 0xFF or content[at + 1] == 0xFF:
            raise ValueError("no segment")
        marker, size = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if size < 2:
            raise ValueError("no length")
        if not (marker == _COMMENT or (0xE0 <= marker <= 0xEF and marker not in _KEPT)):
            kept.append(content[at : at + 2 + size])
        at += 2 + size
    end = content.find(b"\xff\xd9", at)  # behind the end cameras write more pictures, with words of their own
    return b"".join([*kept, content[at : end + 2] if end > at else content[at:]])


def _png(content: bytes) -> bytes:
    """Chunks: length of four bytes, name, data, checksum of four bytes; what follows the last one is left out."""
    kept, at, name = [PNG], len(PNG), b""
    while name != b"IEND":
        size = int.from_bytes(content[at : at + 4], "big")
        name = content[at + 4 : at + 8]
        if len(name) < 4:
            raise ValueError("no chunk")
        if name not in _TOLD:
            kept.append(content[at : at + 12 + size])
        at += 12 + size
    return b"".join(kept)
