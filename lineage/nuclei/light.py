"""Measured nuclei -> how uneven the light was and how the stain bleached; and nuclei without either.

A nucleus keeps its DNA from one hour to the next, unless it replicates it. So what the same nucleus gains or
loses as it moves across the field is the light, and what all lose wherever they are is the stain. Both are
read in one fit from the ratios of a nucleus's DNA mass, some hours apart: how cells differ from each other,
which of them grow where, and how many wait in G2 cancels out. Nuclei that replicate their DNA or divide
are outliers, to which the fit gives no weight.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from lineage.schema import Geometry, Video

APART_H = 6.0  # from a nucleus to the same one later; a third of the movie at most
MIN_APART_H = 3.0  # nuclei have to get somewhere in between
SMOOTHED_H = 1.0  # over which a nucleus's noise is taken out
STEP = 0.4  # of a diameter: the nearest nucleus within it, one frame later, is the same
WIDTH = 0.05  # of the logarithms: what differs more from what most nuclei do has hardly any weight
ROUNDS = 60
MAX_PAIRS = 100_000  # are enough
MIN_NUCLEI = 50  # followed for as long; with fewer, one that replicates its DNA may look like the light
MIN_CERTAINTY = 50.0  # of the field, as chi-squared of 5; of 55 movies in even light the highest was 28
MIN_CONTRAST = 1.15  # brightest over darkest place; a flatter field is taken for even
MAX_CONTRAST = 3.0  # light this uneven is a mistake of the estimate: no microscope in use has it
MIN_LOSS = 0.1  # of the stain, by the end; less is left alone
MIN_ERRORS = 4.0  # such a loss has to be so many standard errors
PERIOD_H = 12.0  # in which the rate of bleaching is taken to be constant
MAX_PERIODS = 6
LARGE_CONTRAST, LARGE_LOSS = 1.5, 0.5  # from which there is a warning
_EVEN = (0.0,) * 5
_GRID = 25


@dataclass(frozen=True)
class Light:
    """What the light did to the measured DNA, relative to the field's mean and the first usable frame."""

    shape: tuple[int, int]  # (Y, X) of a frame
    field: tuple[float, ...] = _EVEN  # log of the light: of y, x, y^2, x^2, y x, from -1 to 1 over the frame
    bleaching: tuple[float, ...] = ()  # (T,) share of the stain's light that is left; none: it stays the same
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.field) != len(_EVEN) or not np.isfinite(self.field).all():
            raise ValueError(f"light: a field of {len(self.field)} numbers, wanted are {len(_EVEN)}")
        if not all(0 < left <= 1 for left in self.bleaching):
            raise ValueError("light: what is left of the stain is not between 0 and 1")

    @property
    def is_even(self) -> bool:
        """Whether nothing is corrected for place."""
        return not any(self.field)

    def flat_field(self, y_px: np.ndarray, x_px: np.ndarray) -> np.ndarray:
        """(N,) the light in these places over its mean."""
        of_field = np.exp(_terms(_middles(_GRID), _middles(_GRID)[:, None]) @ self.field).mean()
        height, width = self.shape
        return np.exp(_terms(_scaled(y_px, height), _scaled(x_px, width)) @ self.field) / of_field

    def map(self, rows: int, columns: int) -> np.ndarray:
        """(rows, columns) of the flat field, each for a part of the frame."""
        height, width = self.shape
        y, x = (
            (np.arange(rows) + 0.5) * height / rows - 0.5,
            (np.arange(columns) + 0.5) * width / columns - 0.5,
        )
        return self.flat_field(*np.meshgrid(y, x, indexing="ij"))

    @property
    def contrast(self) -> float:
        """The brightest place over the darkest; 1 where the light is even."""
        there = self.map(_GRID, _GRID)
        return float(there.max() / there.min())

    @property
    def loss(self) -> float:
        """Share of the stain's light gone by the last frame."""
        return 1 - self.bleaching[-1] if self.bleaching else 0.0

    def correct(self, nuclei: pd.DataFrame) -> pd.DataFrame:
        """A new table, with `dna_mass` and `mean_intensity` as in even light and before bleaching."""
        light = np.ones(len(nuclei))
        if not self.is_even:
            light = self.flat_field(nuclei["y_px"].to_numpy(float), nuclei["x_px"].to_numpy(float))
        if self.bleaching:
            light = light * np.asarray(self.bleaching)[nuclei["frame"].to_numpy(int)]
        return nuclei.assign(
            dna_mass=nuclei["dna_mass"] / light, mean_intensity=nuclei["mean_intensity"] / light
        )

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def read(cls, found: dict[str, Any], *, n_frames: int) -> Light:
        """From `as_dict`. Raises ValueError if it is not of a movie of `n_frames`."""
        height, width = found["shape"]
        lists = {name: tuple(found[name]) for name in ("field", "bleaching", "notes", "warnings")}
        if lists["bleaching"] and len(lists["bleaching"]) != n_frames:
            raise ValueError(f"light: {len(lists['bleaching'])} frames for {n_frames}")
        return cls((int(height), int(width)), **lists)


def estimate_light(nuclei: pd.DataFrame, video: Video, *, correct: bool = True) -> Light:
    """Read flat field and bleaching from the measured nuclei; where they do not tell, nothing is corrected.

    Args:
        nuclei: NUCLEUS_COLUMNS, as measured.
        video: the movie that they are of.
        correct: False leaves everything as it was measured.

    Returns:
        Light; `notes` says what was found or why nothing is corrected, `warnings` what is large.
    """
    geometry = video.geometry
    if not correct or not video.intensities:
        return Light(geometry.shape)
    hours = geometry.n_frames * geometry.minutes_per_frame / 60
    if hours < 3 * MIN_APART_H:
        note = (
            f"light: the movie is {hours:.1f} h long, and {3 * MIN_APART_H:.0f} h are needed to tell uneven "
            "light and bleaching; nothing is corrected"
        )
        return Light(geometry.shape, notes=(note,))
    pairs = _pairs(nuclei, geometry)
    followed = len(np.unique(pairs["track"])) if pairs else 0
    if followed < MIN_NUCLEI:
        note = (
            f"light: {followed} nuclei could be followed for long enough, and {MIN_NUCLEI} are needed to "
            "tell uneven light and bleaching; nothing is corrected"
        )
        return Light(geometry.shape, notes=(note,))
    found = _fit(pairs, geometry)
    field, notes = _believed_field(found, geometry.shape)
    bleaching, more = _believed_bleaching(found, geometry)
    light = Light(geometry.shape, field, bleaching, (*notes, *more))
    return replace(light, warnings=_warnings(light))


@dataclass(frozen=True, eq=False)
class _Fit:
    field: np.ndarray  # (5,)
    certainty: float  # chi-squared of `field`
    log_per_frame: np.ndarray  # (P,) change of the stain's light in each period
    error: np.ndarray  # (P, P) covariance of it
    first: int  # frame
    last: int  # frame


def _pairs(nuclei: pd.DataFrame, geometry: Geometry) -> dict[str, np.ndarray]:
    """The same nucleus twice, `APART_H` apart: track, frame, log ratio of masses, difference of the terms."""
    table = nuclei[(nuclei["dna_mass"] > 0)].sort_values("frame", kind="stable")
    if table.empty:
        return {}
    frame = table["frame"].to_numpy(int)
    n, per_h = int(frame[-1] - frame[0]) + 1, 60 / geometry.minutes_per_frame
    apart = max(1, min(round(APART_H * per_h), n // 3))
    numbers = _followed(table)
    columns = ["mass", "y_px", "x_px"]
    table = table.assign(track=numbers, mass=np.log(table["dna_mass"]))
    table = table.sort_values(["track", "frame"], ignore_index=True)
    window = 2 * round(SMOOTHED_H * per_h / 2) + 1
    # Not across the whole distance: two means of the same frames would be alike.
    smooth = table.groupby("track")[columns].rolling(min(window, apart), center=True, min_periods=1).mean()
    table = table[["track", "frame"]].join(smooth.reset_index(drop=True))
    later = table.assign(frame=table["frame"] - apart)
    both = table.merge(later, on=["track", "frame"], suffixes=("", "_later"))
    if both.empty:
        return {}
    both = both.iloc[:: len(both) // MAX_PAIRS + 1]
    height, width = geometry.shape
    before, after = (
        _terms(
            _scaled(both["y_px" + when].to_numpy(), height), _scaled(both["x_px" + when].to_numpy(), width)
        )
        for when in ("", "_later")
    )
    return {
        "track": both["track"].to_numpy(),
        "frame": both["frame"].to_numpy() + apart / 2,
        "change": (both["mass_later"] - both["mass"]).to_numpy(),
        "terms": after - before,
        "apart": np.array(apart),
        "frames": np.array([frame[0], frame[-1]]),
    }


def _followed(table: pd.DataFrame) -> np.ndarray:
    """(N,) a number for each nucleus that is the other's nearest, from frame to frame; a rough tracking."""
    from scipy.spatial import KDTree

    positions, frame = table[["y_um", "x_um"]].to_numpy(float), table["frame"].to_numpy(int)
    reach = STEP * 2 * np.sqrt(float(table["area_um2"].median()) / np.pi)
    track = np.arange(len(table))
    before = np.zeros(0, int)
    starts = np.flatnonzero(np.r_[True, np.diff(frame) > 0])
    for rows in np.split(track.copy(), starts[1:]):
        if len(before):
            distance, nearest = KDTree(positions[before]).query(positions[rows], distance_upper_bound=reach)
            _, back = KDTree(positions[rows]).query(positions[before])
            same = np.flatnonzero(np.isfinite(distance))
            same = same[back[nearest[same]] == same]
            track[rows[same]] = track[before[nearest[same]]]
        before = rows
    return track


def _fit(pairs: dict[str, np.ndarray], geometry: Geometry) -> _Fit:
    """What most nuclei do: the mode of the log ratios, as a function of where they went and when."""
    change, track, apart = pairs["change"], pairs["track"], int(pairs["apart"])
    first, last = pairs["frames"].tolist()
    hours = (last - first + 1) * geometry.minutes_per_frame / 60
    periods = int(np.clip(hours // PERIOD_H, 1, MAX_PERIODS))
    period = ((pairs["frame"] - first) * periods // (last - first + 1)).astype(int)
    x = np.concatenate([pairs["terms"], apart * np.eye(periods)[period]], axis=1)
    # In log units over the frame's half width about 1 is to be expected; without it, corners where no
    # nucleus went could be anything.
    prior = np.diag(np.r_[np.full(5, apart * WIDTH**2), np.full(periods, 1e-9)])
    beta = np.r_[_EVEN, np.full(periods, _mode(change) / apart)]
    for _ in range(ROUNDS):
        weight = np.exp(-0.5 * ((change - x @ beta) / WIDTH) ** 2)
        weighed = x * weight[:, None]
        beta = np.linalg.solve(weighed.T @ x + prior, weighed.T @ change)
    rest = (change - x @ beta) / WIDTH
    weight = np.exp(-0.5 * rest**2)
    steepness = max(float(np.average(1 - rest**2, weights=weight)), 0.2)
    bread = np.linalg.inv((x * weight[:, None]).T @ x * steepness + prior)
    # A nucleus's pairs overlap, so its sum counts once.
    order = np.unique(track, return_inverse=True)[1]
    sums = np.zeros((order.max() + 1, x.shape[1]))
    np.add.at(sums, order, x * (weight * rest * WIDTH)[:, None])
    # The last term: nuclei that stand still say nothing of the field, and differ in nothing.
    covariance = bread @ (sums.T @ sums) @ bread + np.diag(np.r_[np.full(5, 1e-9), np.zeros(periods)])
    field = beta[:5]
    certainty = float(field @ np.linalg.solve(covariance[:5, :5], field))
    return _Fit(field, certainty, beta[5:], covariance[5:, 5:], first, last)


def _mode(values: np.ndarray) -> float:
    at = np.arange(-0.7, 0.7, WIDTH / 10)
    counts, _ = np.histogram(values, np.r_[at, 0.7])
    bell = np.exp(-0.5 * (np.arange(-40, 41) / 10) ** 2)
    return float(at[np.convolve(counts, bell, "same").argmax()])


def _believed_field(found: _Fit, shape: tuple[int, int]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The field, even where it may be; and what there is to say."""
    light = Light(shape, tuple(round(float(b), 7) for b in found.field))
    if found.certainty < MIN_CERTAINTY or light.contrast < MIN_CONTRAST:
        return _EVEN, ("light: no unevenness that is more than chance; it is taken for even",)
    if light.contrast > MAX_CONTRAST:
        return _EVEN, (
            f"light: its brightest place would have {light.contrast:.2f} times the light of its darkest, "
            "which is not credible; it is taken for even",
        )
    return light.field, (
        f"light: its brightest place has {light.contrast:.2f} times the light of its darkest; "
        "DNA mass and intensity are corrected for it",
    )


def _believed_bleaching(found: _Fit, geometry: Geometry) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Share of the stain's light that is left in each frame, and what there is to say."""
    n = len(found.log_per_frame)
    length = (found.last - found.first) / n
    total = length * float(found.log_per_frame.sum())
    error = length * float(np.sqrt(found.error.sum()))
    if 1 - np.exp(total) < MIN_LOSS or -total < MIN_ERRORS * error:
        return (), ("light: the stain bleaches too little to tell; nothing is corrected",)
    edges = found.first + length * np.arange(n + 1)
    # A stain does not come back: what is gained later was never lost.
    gained = np.r_[0, np.cumsum(length * found.log_per_frame)]
    log_left = np.minimum(np.maximum.accumulate(gained[::-1])[::-1], 0)
    left = np.exp(np.interp(np.arange(geometry.n_frames), edges, log_left))
    return tuple(np.round(left, 7).tolist()), (
        f"light: the stain loses {1 - left[-1]:.0%} of its light by the last frame; DNA mass and intensity "
        "are corrected for it",
    )


def _warnings(light: Light) -> tuple[str, ...]:
    found = []
    if light.contrast >= LARGE_CONTRAST:
        found.append(
            f"light: the brightest place has {light.contrast:.1f} times the light of the darkest; nuclei are "
            "measured as in even light, but where it is dark some may not be found"
        )
    if light.loss >= LARGE_LOSS:
        found.append(
            f"light: the stain loses {light.loss:.0%} of its light by the last frame; nuclei are measured as "
            "at the first, but late ones may not be found"
        )
    return tuple(found)


def _terms(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(..., 5) of places from -1 to 1."""
    y, x = np.broadcast_arrays(np.asarray(y, float), np.asarray(x, float))
    return np.stack([y, x, y * y, x * x, y * x], axis=-1)


def _scaled(place: np.ndarray, length: int) -> np.ndarray:
    """Pixels, from -1 at the first edge to 1 at the other."""
    return (2 * np.asarray(place, float) + 1) / length - 1


def _middles(n: int) -> np.ndarray:
    return (2 * np.arange(n) + 1) / n - 1
