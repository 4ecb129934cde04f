"""The columns of a plate map, and what their cells may hold."""

from __future__ import annotations

import math
import re
from datetime import date

COPY = "plate.csv"  # the checked map, in the folder of the runs
REQUIRED = ("movie", "experiment_date", "plate", "well", "position", "dose_gy", "cell_line", "treatment")
NUMBERS = (
    "dose_gy",
    "dose_rate_gy_min",
    "irradiated_min_before_start",
    "drug_uM",
    "dye_nM",
    "exposure_ms",
)
OPTIONAL = (*NUMBERS[1:], "control", "note")
RUN_FOLDER = "run_folder"  # STEM.lineage if left out
PLATE_COLUMNS = (*REQUIRED[:1], RUN_FOLDER, *REQUIRED[1:], *OPTIONAL)
# All movies of a well share these, since a well is irradiated and treated as one.
SHARED_BY_A_WELL = ("dose_gy", "dose_rate_gy_min", "cell_line", "treatment", "drug_uM", "dye_nM", "control")
CONTROLS = ("unirradiated", "dye-free")
NO_TREATMENT = "none"

CONFIG = "config"
# The options of `python -m lineage.run` -> the settings that they stand for.
OPTIONS = {
    "z": "video.z",
    "axes": "video.axes",
    "nucleus_channel": "video.nucleus_channel",
    "phase_channel": "video.phase_channel",
    "pixel_size_um": "video.pixel_size_um",
    "minutes_per_frame": "video.minutes_per_frame",
    "labels": "labels",
    "nucleus_diameter_um": "segment.nucleus_diameter_um",
    "measure": "segment.measure",
    "dose_gy": "dose_gy",
    "device": "device",
    CONFIG: CONFIG,
}
NOT_A_COLUMN = {
    "list_only": "--list is for one movie",
    "gap_min": "--gap-min is for one movie in several files",
    "out": "--out holds for the whole plate",
    "overwrite": "delete a movie's run folder to begin it anew",
    "debug": "--debug holds for the whole plate",
}
PATHS = ("labels", "classify.model", CONFIG)


def setting_of(column: str) -> str | None:
    """The setting that a column holds; None if it holds none."""
    if column in OPTIONS:
        return OPTIONS[column]
    return column if "." in column else None


def iso_date(text: str) -> str | None:
    """A date in the form of ISO 8601; None if the text is no date, or an ambiguous one.

    >>> iso_date("20261130"), iso_date("30.11.2026")
    ('2026-11-30', None)
    """
    try:
        return date.fromisoformat(text.removesuffix(" 00:00:00")).isoformat()
    except ValueError:
        return None


def number_of(text: str) -> float | None:
    """A number from 0 up; None if the text is none, or is one for Python only.

    >>> number_of("2.5e1"), number_of("2,5"), number_of("1_0"), number_of("-1")
    (25.0, None, None, None)
    """
    if not re.fullmatch(r"\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.ASCII | re.IGNORECASE):
        return None
    number = float(text)
    return number if number < math.inf else None


def turned_into(text: str, *, dates: bool = True) -> str | None:
    """Tell whether a spreadsheet has changed a name such as 1-1 or 1E5.

    Args:
        text: the cell.
        dates: whether full dates count as changed; a plate may have one for its name, a well has not.

    Returns:
        What the name was changed into, in words; None if it was not.

    >>> turned_into("1-Jan"), turned_into("1.00E+05"), turned_into("2026-01-01", dates=False)
    ('a date', 'a number', None)
    """
    if _DAY_AND_MONTH.fullmatch(text) or (dates and _FULL_DATE.fullmatch(text)):
        return "a date"
    return "a number" if _POWER_OF_TEN.fullmatch(text) else None


# As spreadsheets write them in English, German, French and Spanish.
_MONTH = (
    "(jan|janv|ene|feb|févr|mar|mars|mär|märz|mrz|apr|avr|abr|may|mai|jun|juni|juin|jul|juli|juil|aug|août|ago|"
    r"sep|sept|oct|okt|nov|dec|dez|déc|dic)\.?"
)
_DAY_AND_MONTH = re.compile(
    rf"\d{{1,2}}[-. /]+{_MONTH}([-. /]+\d{{2,4}})?|{_MONTH}[-. /]+(\d{{1,2}}|\d{{4}})", re.IGNORECASE
)
_FULL_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T][\d:]+)?|\d{1,2}([./])\d{1,2}\2(\d\d|\d{4})")
_POWER_OF_TEN = re.compile(r"\d([.,]\d+)?E\+\d\d", re.IGNORECASE)
