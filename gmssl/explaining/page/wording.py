"""Numbers as the page writes them; each function is a filter of the templates, too."""

from __future__ import annotations

import math

from gmssl.explaining.accuracy import Share


def percent(value: float, digits: int = 1) -> str:
    """`12.5 %`; a dash for NaN."""
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def signed(value: float) -> str:
    """`+0.123` or `−0.123`."""
    return f"{value:+.3f}".replace("-", "−")


def number(value: float) -> str:
    """Four significant digits, with a true minus."""
    return "–" if math.isnan(value) else f"{value:.4g}".replace("-", "−")


def interval(share: Share) -> str:
    """`[10.1, 14.9] %`; a dash where it cannot be told."""
    return "–" if math.isnan(share.low) else f"[{100 * share.low:.1f}, {100 * share.high:.1f}] %"


def whole(count: int) -> str:
    """`1 234`, with a narrow space that does not break."""
    return f"{count:,}".replace(",", "\u202f")


def counted(count: int, noun: str) -> str:
    """`1 graph`, `2 graphs`, `2 matches`."""
    ending = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{whole(count)} {noun}{ending}"
