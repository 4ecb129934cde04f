"""Tracks as another program wrote them: the one record that every reader gives, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage.schema import InputError, check_columns

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# One row a spot: a nucleus of a track in one frame. `radius` is NaN and `label` -1 where the file has none.
SPOT_COLUMNS = ("spot_id", "frame", "y", "x", "radius", "label")
PIXELS, MICROMETRES = "px", "um"  # of y, x and radius
_MICROMETRE_WORDS = {"um", "µm", "μm", "micron", "microns", "micrometer", "micrometre", "micrometers"}
_PIXEL_WORDS = {"px", "pixel", "pixels"}
_MINUTES = {"s": 1 / 60, "min": 1.0, "h": 60.0}
_TIME_WORDS = {
    "s": "s", "sec": "s", "second": "s", "seconds": "s", "min": "min", "minute": "min", "minutes": "min",
    "h": "h", "hour": "h", "hours": "h",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class GivenTracks:
    """Who is who from frame to frame, by another program.

    Positions are those in the image, drift left in, and 0 is the middle of the first pixel. What a file does
    not say is None.
    """

    source: str  # the file's name
    form: str  # the format's
    spots: pd.DataFrame  # SPOT_COLUMNS
    links: np.ndarray  # (M, 2) spot_id: a spot, and the same cell's or a daughter's in a later frame
    unit: str = PIXELS
    pixel_size_um: float | None = None
    minutes_per_frame: float | None = None
    image: tuple[int | None, int | None, int | None] = (None, None, None)  # (T, Y, X) of the movie
    masks: Path | None = None  # in which a spot's `label` is its nucleus
    notes: tuple[str, ...] = ()  # what of the file is not used

    def __post_init__(self) -> None:
        check_columns(self.spots, SPOT_COLUMNS, "spots")
        if self.unit not in (PIXELS, MICROMETRES):
            raise ValueError(f"unit {self.unit}: {PIXELS} or {MICROMETRES}")
        if self.links.shape != (len(self.links), 2):
            raise ValueError(f"links are {self.links.shape}, wanted (M, 2)")
        if not len(self.spots):
            raise InputError(f"{self.source} holds no tracks; wanted is {self.form} with at least one spot")
        self._check_spots()
        self._check_links()

    def _check_spots(self) -> None:
        spots = self.spots
        if (again := spots["spot_id"].duplicated()).any():
            twice = spots["spot_id"][again].iloc[0]
            raise InputError(f"{self.source}: spot {twice} is there twice; each needs a number of its own")
        if (before := spots["frame"] < 0).any():
            one = spots[before].iloc[0]
            raise InputError(
                f"{self.source}: spot {one['spot_id']:g} is in frame {one['frame']:g}; frames count from 0"
            )
        is_somewhere = np.isfinite(spots[["y", "x"]].to_numpy(float)).all(axis=1) | (spots["label"] >= 0)
        if not is_somewhere.all():
            one = spots[~is_somewhere].iloc[0]
            raise InputError(f"{self.source}: spot {one['spot_id']:g} has no position")

    def _check_links(self) -> None:
        frame = pd.Series(self.spots["frame"].to_numpy(), index=self.spots["spot_id"])
        known = np.isin(self.links, frame.index)
        if not known.all():
            stranger = self.links[~known][0]
            raise InputError(f"{self.source}: a link names spot {stranger}, and there is no such spot")
        ends = frame.reindex(self.links.ravel()).to_numpy().reshape(self.links.shape)
        if (wrong := ends[:, 0] >= ends[:, 1]).any():
            (a, b), (t, later) = self.links[wrong][0], ends[wrong][0]
            raise InputError(
                f"{self.source}: {int(wrong.sum())} links do not lead to a later frame, first from spot "
                f"{a} in "
                f"frame {t} to spot {b} in frame {later}; wanted are links forward in time"
            )


def table(rows: Iterable[tuple]) -> pd.DataFrame:
    """Rows in the order of SPOT_COLUMNS -> spots, typed."""
    found = pd.DataFrame(list(rows), columns=list(SPOT_COLUMNS))
    return typed(found)


def typed(spots: pd.DataFrame) -> pd.DataFrame:
    """SPOT_COLUMNS as whole numbers and floats."""
    whole = ("spot_id", "frame", "label")
    return spots.astype({c: np.int64 if c in whole else float for c in SPOT_COLUMNS}).reset_index(drop=True)


def consecutive(spots: pd.DataFrame, track: pd.Series, source: str) -> tuple[np.ndarray, dict, dict]:
    """Links of the spots of each track in order of frame, and the first and last spot of each.

    Args:
        spots: SPOT_COLUMNS.
        track: the track of each, by the same index.
        source: named in messages.

    Returns:
        (M, 2) spot_id; track -> spot_id of its first; track -> of its last.

    Raises:
        InputError: a track has two spots in one frame.
    """
    sorted_ = spots.assign(track=track).sort_values(["track", "frame"], kind="stable")
    again = sorted_.duplicated(["track", "frame"])
    if again.any():
        one = sorted_[again].iloc[0]
        raise InputError(
            f"{source}: track {one['track']:g} has two positions in frame {one['frame']:g}; wanted is one a "
            "frame: a mother ends where her daughters begin"
        )
    ids, number = sorted_["spot_id"].to_numpy(), sorted_["track"].to_numpy()
    goes_on = number[:-1] == number[1:]
    ends = sorted_.groupby("track")["spot_id"]
    links = np.column_stack([ids[:-1][goes_on], ids[1:][goes_on]])
    return links, ends.first().to_dict(), ends.last().to_dict()


def length_unit(word: str) -> str | None:
    """PIXELS, MICROMETRES, or None for another.

    >>> length_unit("Micron"), length_unit("pixels"), length_unit("inch")
    ('um', 'px', None)
    """
    plain = word.strip().lower()
    return MICROMETRES if plain in _MICROMETRE_WORDS else PIXELS if plain in _PIXEL_WORDS else None


def in_minutes(interval: float, word: str) -> float | None:
    """A time in minutes; None where the unit is none of time.

    >>> in_minutes(600, "sec"), in_minutes(1, "frame")
    (10.0, None)
    """
    unit = _TIME_WORDS.get(word.strip().lower())
    return None if unit is None else interval * _MINUTES[unit]


def left_out_z(z: np.ndarray) -> tuple[str, ...]:
    """A note where positions have a depth: ours have none."""
    known = z[np.isfinite(z)]
    if not len(known) or np.ptp(known) == 0:
        return ()
    return (f"z is left out: positions reach from {known.min():g} to {known.max():g} in it",)
