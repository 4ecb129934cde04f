"""The words of a plate map: its columns, and what may stand under them."""

from __future__ import annotations

import math
from datetime import date

COPY = "plate.csv"  # the checked map, in the folder of the runs
TEXTS = ("experiment_date", "plate", "well", "position", "cell_line", "treatment")
REQUIRED = ("movie", "experiment_date", "plate", "well", "position", "dose_gy", "cell_line", "treatment")
NUMBERS = (
    "dose_gy", "dose_rate_gy_min", "irradiated_min_before_start", "drug_uM", "dye_nM", "exposure_ms",
)  # fmt: skip
OPTIONAL = (*NUMBERS[1:], "control", "note")
RUN_FOLDER = "run_folder"  # STEM.lineage if left out
OWN = (*REQUIRED[:1], RUN_FOLDER, *REQUIRED[1:], *OPTIONAL)
# A well is irradiated and treated as one.
SHARED_BY_A_WELL = ("dose_gy", "dose_rate_gy_min", "cell_line", "treatment", "drug_uM", "dye_nM", "control")
CONTROLS = ("unirradiated", "dye-free")
NO_TREATMENT = "none"

CONFIG = "config"
# The options of `python -m lineage.run`, and the settings they are.
OPTIONS = {
    "nucleus_channel": "video.nucleus_channel",
    "phase_channel": "video.phase_channel",
    "pixel_size_um": "video.pixel_size_um",
    "minutes_per_frame": "video.minutes_per_frame",
    "labels": "labels",
    "nucleus_diameter_um": "segment.nucleus_diameter_um",
    "dose_gy": "dose_gy",
    CONFIG: CONFIG,
}
NOT_A_COLUMN = {
    "out": "--out holds for the whole plate",
    "overwrite": "delete a movie's run folder to begin it anew",
    "debug": "--debug holds for the whole plate",
}
PATHS = ("labels", "classify.model", CONFIG)


def setting_of(column: str) -> str | None:
    """The setting a column holds; None for a column of ours or one that is unknown."""
    if column in OPTIONS:
        return OPTIONS[column]
    return column if "." in column else None


def iso_date(text: str) -> str | None:
    """A date as ISO 8601 writes it; None if it is none, or may be read in two ways.

    >>> iso_date("20261130"), iso_date("30.11.2026")
    ('2026-11-30', None)
    """
    try:
        return date.fromisoformat(text.removesuffix(" 00:00:00")).isoformat()
    except ValueError:
        return None


def number_of(text: str) -> float | None:
    """A number from 0 up; None if it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None
