"""Lengths and times as microscopes write them -> micrometres and minutes."""

from __future__ import annotations

import math
import re

_UM = {
    "µm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometers": 1.0,
    "micrometre": 1.0, "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3, "å": 1e-4, "angstrom": 1e-4,
    "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3, "cm": 1e4, "centimeter": 1e4, "m": 1e6, "meter": 1e6,
    "metre": 1e6, "inch": 25400.0, "in": 25400.0,
}  # fmt: skip
_MIN = {
    "s": 1 / 60, "sec": 1 / 60, "second": 1 / 60, "seconds": 1 / 60, "ms": 1 / 60_000, "msec": 1 / 60_000,
    "millisecond": 1 / 60_000, "µs": 1 / 6e7, "microsecond": 1 / 6e7, "min": 1.0, "minute": 1.0,
    "minutes": 1.0, "h": 60.0, "hr": 60.0, "hour": 60.0, "hours": 60.0, "d": 1440.0, "day": 1440.0,
}  # fmt: skip


def to_um(value: float | None, unit: str | None) -> float | None:
    r"""Micrometres, or None where the value is no length or the unit is not one.

    >>> to_um(650, "nm"), to_um(0.65, "\\u00B5m"), to_um(1, "pixel"), to_um(0, "um")
    (0.65, 0.65, None, None)
    """
    return _convert(value, unit, _UM)


def to_minutes(value: float | None, unit: str | None) -> float | None:
    """Minutes, or None where the value is no time or the unit is not one.

    >>> to_minutes(600, "sec"), to_minutes(float("nan"), "s")
    (10.0, None)
    """
    return _convert(value, unit, _MIN)


def square_um(y_um: float | None, x_um: float | None) -> float | None:
    """The side of a pixel, or None unless both sides are known and agree to 1 %."""
    if y_um is None or x_um is None or not math.isclose(y_um, x_um, rel_tol=0.01):
        return None
    return x_um


def _convert(value: float | None, unit: str | None, table: dict[str, float]) -> float | None:
    if value is None or unit is None or not (math.isfinite(value) and value > 0):
        return None
    # ImageJ writes the micro sign as an escape; there are two letters for it in Unicode.
    name = re.sub(r"\\u00b5|μ", "µ", unit.strip().lower())
    return None if name not in table else round(value * table[name], 9)
