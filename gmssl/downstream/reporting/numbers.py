"""Numbers as the paper prints them: shares in per cent with two decimals, others in their unit."""

from __future__ import annotations

from gmssl.downstream.measures import Measured
from gmssl.downstream.reporting.judged import is_share

NONE = "–"
MINUS = "−"


def scale(metric: str) -> float:
    """What a score is multiplied by."""
    return 100.0 if is_share(metric) else 1.0


def plain(value: float | None) -> str:
    """Two decimals and a true minus sign."""
    if value is None:
        return NONE
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", MINUS)


def signed(value: float) -> str:
    """The same with a plus sign."""
    text = plain(value)
    return text if text[0] == MINUS or text == "0.00" else f"+{text}"


def between(interval: tuple[float, float] | None, by: float) -> str:
    """`[low, high]`."""
    return NONE if interval is None else f"[{plain(by * interval[0])}, {plain(by * interval[1])}]"


def mean_and_deviation(mean: float | None, deviation: float | None, by: float) -> str:
    """`mean ± deviation`; the mean alone of a single seed."""
    if mean is None:
        return NONE
    return plain(by * mean) + ("" if deviation is None else f" ± {plain(by * deviation)}")


def of(measured: Measured | None, metric: str) -> str:
    """The cell of a score."""
    if measured is None:
        return NONE
    return mean_and_deviation(measured.mean, measured.deviation, scale(metric))


def shown(metric: str, higher: bool) -> str:
    """The name of a score and its direction."""
    return f"{metric} {'↑' if higher else '↓'}"


def counted(number: int, what: str) -> str:
    """`3 seeds`, `1 seed`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
