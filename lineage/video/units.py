"""Lengths and times as microscopes write them -> micrometres and minutes, and whether they are credible."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

CREDIBLE_UM = (0.02, 10.0)  # side of a pixel: finer than any lens resolves, coarser than half a nucleus
CREDIBLE_MIN = (1 / 60, 360.0)  # interval: a second to six hours
# A playback speed is never slower than this; a rate that is, is that of the acquisition.
SLOWEST_PLAYBACK_FPS = 0.1

_UM = {
    **dict.fromkeys(("µm", "um", "mum", "micron", "microns", "micrometer", "micrometre"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 1e-3),
    **dict.fromkeys(("å", "angstrom"), 1e-4),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1e3),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 1e4),
    **dict.fromkeys(("m", "meter", "metre"), 1e6),
    **dict.fromkeys(("inch", "in"), 25400.0),
}
_MIN = {
    **dict.fromkeys(("s", "sec", "second"), 1 / 60),
    **dict.fromkeys(("ms", "msec", "millisecond"), 1 / 60_000),
    **dict.fromkeys(("µs", "us", "microsecond"), 1 / 6e7),
    **dict.fromkeys(("min", "mins", "minute"), 1.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour"), 60.0),
    **dict.fromkeys(("d", "day"), 1440.0),
}
_RATES = ("fps", "hz")
_UNCALIBRATED = ("", "pixel", "pixels", "px", "null", "none", "frame", "frames")


@dataclass(frozen=True)
class Measure:
    """A length or a time as a file states it.

    `value` is in micrometres or minutes, None where it is not known; `stated` is in the file's own words,
    empty where it states nothing. `unclear` is why a statement cannot be used: then the user must give the
    value, since a statement of the file is never replaced by an assumption.
    """

    value: float | None = None
    stated: str = ""
    unclear: str = ""


SILENT = Measure()


def number(text: object) -> float | None:
    """A finite number, also with a decimal comma.

    >>> number("0,65"), number(" 5e-1 "), number("five"), number(float("nan"))
    (0.65, 0.5, None, None)
    """
    try:
        value = float(str(text).strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def length(value: object, unit: str | None) -> Measure:
    r"""A length in micrometres.

    >>> length("0,65", "\\u03BCm").value, length(650, "nm").value, length(0.65, "Âµm").value
    (0.65, 0.65, 0.65)
    >>> length(1, "pixel").value, length(1, "furlong").unclear
    (None, 'its unit is not known')
    """
    return _measure(value, unit, _UM)


def duration(value: object, unit: str | None) -> Measure:
    """A time in minutes; a text may hold its own unit, and a rate is the time between its frames.

    >>> duration(600, "sec").value, duration("5 min", "sec").value, duration("0.05 fps", None).value
    (10.0, 5.0, 0.333333333)
    """
    return _measure(value, unit, _MIN)


def pixel_size(y: Measure, x: Measure) -> Measure:
    """The side of a square pixel; where one side is not stated it is as long as the other.

    >>> pixel_size(length(0.6, "um"), length(0.65, "um")).unclear
    'x and y differ, and square pixels are wanted'
    """
    if not y.stated or not x.stated:
        return x if x.stated else y
    if y.value is None or x.value is None:
        return x if x.value is None else y
    if math.isclose(y.value, x.value, rel_tol=0.01):
        return x
    return Measure(None, f"{x.stated} by {y.stated}", "x and y differ, and square pixels are wanted")


def is_credible(value: float, bounds: tuple[float, float]) -> bool:
    """Whether a value lies within bounds, these included."""
    return bounds[0] <= value <= bounds[1]


def _measure(value: object, unit: str | None, table: dict[str, float]) -> Measure:
    if value is None or str(value).strip() == "":
        return SILENT
    text = re.fullmatch(r"\s*([-+]?[\d.,]+(?:[eE][-+]?\d+)?)\s*(\D*?)\s*", str(value))
    found = number(text[1]) if text else number(value)
    unit = text[2] if text and text[2] else unit
    stated = f"{value} {unit or ''}".strip() if not (text and text[2]) else str(value).strip()
    if found is None:
        return Measure(None, stated, "it is no number")
    if found <= 0:
        return Measure(None, stated)
    name = _unit_name(unit or "")
    if name in _RATES and table is _MIN:
        return Measure(round(1 / found / 60, 9), stated)
    if name in _UNCALIBRATED:
        return Measure(None, f"{stated} without a unit" if name == "" else stated)
    factor = table.get(name) or table.get(name.removesuffix("s"))
    if factor is None:
        return Measure(None, stated, "its unit is not known")
    return Measure(float(f"{found * factor:.9g}"), stated)


def _unit_name(unit: str) -> str:
    """A unit's spelling in lower case, its micro sign U+00B5 however it was written or garbled."""
    # ImageJ writes what is not ASCII as an escape; a wrong encoding turns the sign into two letters, or one
    # that is none.
    name = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), unit.strip())
    name = unicodedata.normalize("NFKC", name.replace("Âµ", "µ").replace("Î¼", "µ").replace("&#181;", "µ"))
    return re.sub("^[\u03bc\ufffd?]", "µ", name.lower().rstrip("."))
