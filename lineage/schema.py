"""Columns, node keys, and the records that stages pass on, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import networkx as nx
    import pandas as pd

CROP_FRAMES = 12  # a mitosis is classified on two hours at ten minutes a frame, as the paper's clips are
MAX_CLIP_FRAMES = 24  # of clips that somebody else has cut; a run's crops have CROP_FRAMES
SEPARATION_INDEX = 3  # index, within a crop, of the first frame with separated chromatin
DECIDED = 0.5  # the probability from which a class is taken
# In the ImageJ metadata of a crop that reaches over the image's edge, as JSON: what of each frame lies within
# the image, as first row, end, first column, end, half-open.
IMAGE_BOXES = "image_boxes"
CROP_INTERVAL_MIN = 10.0  # the clips' interval; other movies are sampled at it


class InputError(ValueError):
    """What the user gave cannot be used: says what was found, what is wanted, what to do. Exit code 2."""


class Fate(StrEnum):
    """How a cell's life ends."""

    DIVIDED = "divided"
    SLIPPED = "slipped"
    DIED_INTERPHASE = "died_interphase"
    DIED_MITOSIS = "died_mitosis"
    FUSED = "fused"
    LEFT_FIELD = "left_field"
    LOST = "lost"
    END_OF_MOVIE = "end_of_movie"


class MitosisClass(StrEnum):
    """What kind of division it was."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    NONE = "none"  # a proposal that is no mitosis
    UNCLASSIFIED = "unclassified"


class Decision(StrEnum):
    """What an event counts as, all evidence together (`lineage.mitosis.verdict`)."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    UNDECIDED = "undecided"
    NOT_A_MITOSIS = "not_a_mitosis"


class LeftOut(StrEnum):
    """Why what looks like a mitosis is no event; it is in no table."""

    DIVIDED_TOO_SOON = "divided_too_soon"  # the less sure of two divisions in a row, which is undone
    SEPARATED_AGAIN = "separated_again"  # a later separation of a mitosis, whose daughters had fused
    ATTEMPTED_AGAIN = "attempted_again"  # an attempt near a surer one, or near the cell's division
    STILL_IN_MITOSIS = "still_in_mitosis"  # when the cell goes out of sight or the movie ends


class Flag(StrEnum):
    """What to be wary of in an event; in words in `lineage.report.words`."""

    WINDOW_PADDED = "window_padded"  # the movie begins or ends within the two hours
    SQUARE_PADDED = "square_padded"  # the crop reaches over the image's edge
    FRAME_REPLACED = "frame_replaced"  # an unusable frame was replaced by the nearest usable one
    RESAMPLED = "interval_resampled"  # the movie's interval is not the clips'
    INTERVAL_TOO_LONG = "interval_too_long"  # too few frames a mitosis to judge it
    NO_PHASE = "no_phase"
    NONE_AGAINST_TRACKING = (
        "none_against_tracking"  # called no mitosis, and the tracking is sure that it is one
    )


class EventType(StrEnum):
    """What an event is; only mitoses enter a fraction abnormal."""

    MITOSIS = "mitosis"
    FUSION = "fusion"
    DEATH = "death"


class Subtype(StrEnum):
    """What kind of mitosis, fusion or death it was; which goes first: `lineage.mitosis.subtypes`."""

    NORMAL = "normal"
    TRIPOLAR = "tripolar"
    TETRAPOLAR = "tetrapolar"  # four poles or more
    FURROW_REGRESSION = "furrow_regression"  # daughters reunite within two hours
    SLIPPAGE = "slippage"  # never separates, and returns to interphase
    DEATH_IN_MITOSIS = "death_in_mitosis"
    LAGGING = "lagging_chromatin"  # or a bridge
    MICRONUCLEI = "micronuclei"
    ABNORMAL = "abnormal"  # the classifier says so, and nothing else was seen
    UNCLASSIFIED = "unclassified"  # nothing abnormal was seen, and the classifier was not asked
    SISTER_FUSION = "sister_fusion"  # later: a fate, no part of the mitosis
    CELL_FUSION = "cell_fusion"
    DEATH_IN_INTERPHASE = "death_in_interphase"


# What is no normal mitosis, where it was seen well.
ABNORMAL_SUBTYPES = frozenset(Subtype) - {
    Subtype.NORMAL,
    Subtype.UNCLASSIFIED,
    Subtype.SISTER_FUSION,
    Subtype.CELL_FUSION,
    Subtype.DEATH_IN_INTERPHASE,
}


class State(StrEnum):
    """First estimate of where a nucleus is in the cell cycle."""

    INTERPHASE = "interphase"
    PROMETAPHASE = "prometaphase"  # condensed; chromosomes not yet in a plate
    METAPHASE = "metaphase"  # condensed, in a plate
    ANAPHASE = "anaphase"  # condensed, one of those that separate; telophase too
    DEAD = "dead"  # pyknotic or in fragments


MITOTIC_STATES = (State.PROMETAPHASE, State.METAPHASE, State.ANAPHASE)


class CyclePhase(StrEnum):
    """What two FUCCI channels show of the cell cycle (`lineage.nuclei.fucci`); column `phase`."""

    G1 = "G1"
    S_G2_M = "S/G2/M"


class CellKey(StrEnum):
    """Attributes of a node of the annotated tree; a key that does not apply to a cell is left out."""

    FIRST_FRAME = "first_frame"
    LAST_FRAME = "last_frame"  # the last frame the cell is seen in, inclusive
    BIRTH_MIN = "birth_min"
    END_MIN = "end_min"
    Y_UM = "y_um"  # where it is first seen, drift taken out
    X_UM = "x_um"
    FATE = "fate"
    GENERATION = "generation"  # founders are 0
    FOUNDER = "founder"  # the lowest-numbered ancestor without parents
    DNA_MASS = "dna_mass"  # median over its life
    AREA_UM2 = "area_um2"  # median over its life
    N_SLIPPAGES = "n_slippages"
    EVENT_ID = "event_id"  # set on mothers only, as are the six below
    SUBTYPE = "subtype"
    VERDICT = "verdict"
    P_VERDICT = "p_verdict"
    MITOSIS = "mitosis_class"
    P_ABNORMAL = "p_abnormal"
    P_NONE = "p_none"


def p_abnormal(probabilities: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """(N, K) -> (N,): the probability of abnormal, given that it is a mitosis.

    >>> p_abnormal(np.array([[0.3, 0.1, 0.6]]), ("normal", "abnormal", "none"))
    array([0.25])
    """
    normal, abnormal = (
        probabilities[:, classes.index(c)] for c in (MitosisClass.NORMAL, MitosisClass.ABNORMAL)
    )
    return abnormal / (normal + abnormal)


def mitosis_class(p_abnormal: float, p_none: float | None) -> MitosisClass:
    """The classifier's class of an event; whether it is a mitosis at all is asked first.

    >>> mitosis_class(0.9, 0.5).value, mitosis_class(0.5, None).value
    ('none', 'abnormal')
    """
    if p_none is not None and p_none >= DECIDED:
        return MitosisClass.NONE
    return MitosisClass.ABNORMAL if p_abnormal >= DECIDED else MitosisClass.NORMAL


# What a nucleus may look like (`lineage.nuclei.appearance`): a state, or what says nothing of its cycle.
LOOKS = (*(s.value for s in State), "debris", "multinucleated")

# y_px, x_px: where the nucleus lies in that frame's image.
# y_um, x_um: the same, drift-corrected (in the first usable frame's coordinates).
# look_*: how likely it looks so, as if all looks were equally frequent; NaN where there are no grey levels.
# rounding: of the cell around it, from phase contrast (`lineage.nuclei.rounding`); NaN without it.
LOOK_COLUMNS = tuple(f"look_{name}" for name in LOOKS)
NUCLEUS_COLUMNS = (
    "detection_id", "frame", "time_min", "label", "y_px", "x_px", "y_um", "x_um", "area_um2", "dna_mass",
    "mean_intensity", "eccentricity", "solidity", "texture", "rounding", "probability", *LOOK_COLUMNS,
)  # fmt: skip
STATE_COLUMNS = ("condensation", "p_mitotic", "p_dead", "state")
DETECTION_COLUMNS = (*NUCLEUS_COLUMNS[:4], "tracklet_id", *NUCLEUS_COLUMNS[4:], *STATE_COLUMNS)
TRACKLET_COLUMNS = (
    "tracklet_id", "first_frame", "last_frame", "birth_min", "end_min", "parent_ids", "daughter_ids", "fate",
    "generation", "founder_id", "y_um", "x_um", "dna_mass", "area_um2", "n_slippages", "event_id",
    "subtype", "verdict", "p_verdict", "mitosis_class", "p_abnormal", "p_none",
)  # fmt: skip
LINEAGE_COLUMNS = (
    "founder_id", "first_frame", "last_frame", "birth_min", "end_min", "n_cells", "n_generations",
    "n_mitoses", "n_normal", "n_abnormal", "n_undecided", "n_unclassified", "n_alive_at_end", "n_lost",
)  # fmt: skip
# The ring is what lies so far from the outline, and nearer to this nucleus than to any other. What is closer
# is brightened by the nucleus's own blur.
RING_UM = (1.5, 5.0)
# Of a nucleus in a further channel, in columns NAME_mean, ... (`lineage.nuclei.signals`).
SIGNAL_MEASURES = ("mean", "sum", "std", "ring_mean", "foci")
# Courses of further channels along the lineage; `event_id` is that of the mitosis they are aligned to.
SIGNAL_COLUMNS = ("tracklet_id", "channel", "aligned", "time_min", "mean", "ring_ratio", "event_id")
EVENT_COLUMNS = (
    "event_id", "mother_id", "daughter_ids", "frame", "time_min", "y_px", "x_px", "y_um", "x_um",
    "event_type", "subtype", "verdict", "p_verdict", "verdict_because", "mitosis_class", "p_abnormal",
    "p_none", "confidence", "n_poles", "separated", "returned", "onset_min", "refusion_after_min",
    "died_after_min", "n_micronuclei", "bridge", "linked_event_id", "evidence_mass_ratio",
    "evidence_daughters_mass_ratio", "evidence_condensation", "evidence_rounding",
    "evidence_separation_um", "evidence_lasts_min", "evidence_log_odds", "source", "side_um", "flags",
)  # fmt: skip
EVIDENCE = (
    "mass_ratio", "daughters_mass_ratio", "condensation", "rounding", "separation_um", "lasts_min",
    "log_odds",
)  # fmt: skip
NOT_ASSESSABLE = "not assessable"  # smaller than what the movie's pixels show
HYPOTHESIS_COLUMNS = ("kind", "tracklet", "first", "second", "log_likelihood")
QUALITY_COLUMNS = (
    "frame", "time_min", "usable", "reason", "mean_intensity", "saturated_fraction", "focus",
    "drift_y_px", "drift_x_px",
)  # fmt: skip


def signal_columns(name: str) -> tuple[str, ...]:
    """The columns of nuclei that a further channel has; `name` is the channel's, made safe for a column."""
    return tuple(f"{name}_{measure}" for measure in SIGNAL_MEASURES)


def signal_names(columns: Iterable[str]) -> list[str]:
    """The further channels whose columns a table of nuclei has.

    >>> signal_names(["area_um2", "p53_mean", "p53_sum", "p53_std", "p53_ring_mean", "p53_foci"])
    ['p53']
    """
    known = list(columns)
    names = [c.removesuffix("_foci") for c in known if c.endswith("_foci")]
    return [name for name in names if set(signal_columns(name)) <= set(known)]


def ordered_columns(table: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """`columns` first, then all others as they stand: measurements of further channels."""
    first = list(columns)
    return table[[*first, *(c for c in table.columns if c not in first)]]


def check_columns(table: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Raise ValueError unless `table` has all of `columns`.

    Args:
        table: to be checked.
        columns: that it must have.
        name: what the message calls it.
    """
    if missing := [c for c in columns if c not in table.columns]:
        raise ValueError(f"{name} lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}")


# What columns of ours hold: whole numbers, one of a list of words, yes or no, words; all others numbers.
_WHOLE = frozenset({
    "frame", "label", "tracklet_id", "founder_id", "mother_id", "first_frame", "last_frame", "generation",
    "mother", "detection_id",
})  # fmt: skip
_ONE_OF: dict[str, frozenset[str]] = {
    "event_type": frozenset(EventType),
    "mitosis_class": frozenset(MitosisClass) | {""},
    "verdict": frozenset(Decision) | {""},
    "fate": frozenset(Fate),
    "state": frozenset(State),
}
_YES_OR_NO = frozenset({"usable", "dies"})
_WORDS = frozenset({
    "daughter_ids", "parent_ids", "subtype", "flags", "reason", "source", "separated", "returned",
    "n_micronuclei", "bridge", "verdict_because",
})  # fmt: skip


def check_values(table: pd.DataFrame) -> None:
    """Raise ValueError if a column of ours holds what it may not; columns that we do not know are free.

    >>> import pandas as pd
    >>> check_values(pd.DataFrame({"frame": [0, 1], "fate": ["divided", "eaten"]}))
    Traceback (most recent call last):
    ...
    ValueError: fate is 'eaten' in row 2
    """
    for k, name in enumerate(table):
        column = table[name]
        kind = column.dtype.kind
        is_whole = name in _WHOLE or (k == 0 and name == "event_id")  # of a cell it may be left out
        if kind in "iu" or (kind == "b" and name in _YES_OR_NO) or (kind == "f" and not is_whole):
            continue  # for most, this is all
        if name in _ONE_OF:
            bad = ~column.fillna("").isin(_ONE_OF[str(name)] | {""})
        elif name in _YES_OR_NO:
            bad = ~column.astype(str).isin(("True", "False"))
        elif is_whole:
            bad = ~_numbers(column).mod(1).eq(0)
        elif name in _KNOWN - _WORDS:
            bad = _numbers(column).isna() & column.notna()
        else:
            continue
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ValueError(f"{name} is {str(column.iloc[row])!r} in row {row + 1}")


def _numbers(column: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").replace([np.inf, -np.inf], np.nan)


_KNOWN = frozenset({
    *DETECTION_COLUMNS, *TRACKLET_COLUMNS, *LINEAGE_COLUMNS, *EVENT_COLUMNS, *QUALITY_COLUMNS, "log_odds",
})  # fmt: skip

TEXT_COLUMNS = tuple(sorted(_WORDS | set(_ONE_OF)))


def column_type(name: str) -> str:
    """What pandas calls the type of a column of ours, whatever a table holds in it; of others, "".

    >>> [column_type(c) for c in ("event_id", "n_micronuclei", "time_min", "n_cadherin_mean")]
    ['Int64', 'string', 'Float64', '']
    """
    if name in TEXT_COLUMNS:
        return "string"
    if name in _WHOLE or (name in _KNOWN and name.startswith(("n_", "event_id", "linked_event_id"))):
        return "Int64"
    return "boolean" if name in _YES_OR_NO else "Float64" if name in _KNOWN else ""


@dataclass(frozen=True)
class Geometry:
    """How long and large a movie is, in frames and pixels, and in minutes and micrometres."""

    n_frames: int
    shape: tuple[int, int]  # (Y, X) of a frame, pixels
    pixel_size_um: float
    minutes_per_frame: float

    @property
    def shape_um(self) -> tuple[float, float]:
        """(Y, X) of a frame, micrometres."""
        return self.shape[0] * self.pixel_size_um, self.shape[1] * self.pixel_size_um


@dataclass(frozen=True, eq=False)
class Video:
    """A movie, read a frame at a time.

    `assumed` holds one sentence for each thing that the file did not say and that was taken on trust;
    `notes` one for each choice that was made from its metadata; `warnings` one for whatever is not there, or
    not as it should be.
    """

    path: Path
    n_frames: int
    shape: tuple[int, int]  # (Y, X)
    dtype: np.dtype  # of the channel with the DNA stain
    channels: tuple[str, ...]
    nucleus: int  # index of the channel with the DNA stain
    phase: int | None  # index of the phase-contrast channel
    pixel_size_um: float
    minutes_per_frame: float
    read: Callable[[int, int], np.ndarray]  # (t, channel) -> (Y, X)
    assumed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    intensities: bool = True  # False: there are masks alone
    warnings: tuple[str, ...] = ()
    missing: tuple[int, ...] = ()  # frames that were not taken, or got lost; they read as zeros
    position: str = ""  # which of several in `path`
    selection: tuple[str, ...] = ()  # the user's choices that change pixels: which planes of z, which axes
    files: tuple[Path, ...] = ()  # what is read; all of `path` if empty
    sha256: str = ""  # of the pixels, where they come from memory and from no file
    parts: tuple[Path, ...] = ()  # where it is several files in order of time
    gap_min: float | None = None  # between these, as it was given
    started_min: float | None = None  # when the first frame was taken, by a clock; None where it is not known

    def __post_init__(self) -> None:
        indices = [i for i in (self.nucleus, self.phase) if i is not None]
        if not all(0 <= i < len(self.channels) for i in indices):
            raise ValueError(f"channels {indices} of {len(self.channels)}")
        if not (self.pixel_size_um > 0 and self.minutes_per_frame > 0):
            raise ValueError(
                f"pixel size {self.pixel_size_um}, interval {self.minutes_per_frame}: not positive"
            )

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files and folders that it is read from; none where it lies in memory."""
        return () if self.sha256 else self.files or (self.path,)

    @property
    def geometry(self) -> Geometry:
        """Its length and size."""
        return Geometry(self.n_frames, self.shape, self.pixel_size_um, self.minutes_per_frame)

    def frame(self, t: int, channel: int) -> np.ndarray:
        """(Y, X), the file's own numbers. Raises IndexError outside the movie."""
        if not (0 <= t < self.n_frames and 0 <= channel < len(self.channels)):
            raise IndexError(f"frame {t}, channel {channel} of {self.n_frames} x {len(self.channels)}")
        return self.read(t, channel)


# A cell is not followed across more missing frames than this that last longer than this: by then it may be
# anywhere, and may have divided.
GAP_FRAMES, GAP_MIN = 3, 60.0


def long_gaps(usable: np.ndarray, minutes_per_frame: float) -> np.ndarray:
    """The usable frames before gaps that no cell is followed across.

    Args:
        usable: (T,) bool.
        minutes_per_frame: interval.

    >>> usable = np.ones(20, bool)
    >>> usable[[3, 4, 10, 11, 12, 13, 14, 15]] = False
    >>> long_gaps(usable, 10.0), long_gaps(usable, 5.0)
    (array([9]), array([], dtype=int64))
    """
    frames = np.flatnonzero(usable)
    step = np.diff(frames)
    return frames[:-1][(step - 1 > GAP_FRAMES) & (step * minutes_per_frame > GAP_MIN)]


@dataclass(frozen=True, eq=False)
class FrameQuality:
    """Which frames can be used, and where the stage was.

    `table` has QUALITY_COLUMNS, one row a frame. `drift_y_px, drift_x_px` is how far the whole field has
    moved since the first usable frame: position in the image minus drift is position on the dish.
    """

    table: pd.DataFrame
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_columns(self.table, QUALITY_COLUMNS, "quality")
        if not np.array_equal(self.table["frame"], np.arange(len(self.table))):
            raise ValueError("quality: one row a frame, from 0, in order")

    @cached_property
    def usable(self) -> np.ndarray:
        """(T,) bool."""
        return self.table["usable"].to_numpy(bool)

    @property
    def last_frames(self) -> tuple[int, ...]:
        """Frames after which cells are out of sight: those before long gaps, and the last usable one."""
        usable = np.flatnonzero(self.usable)
        if not len(usable):
            return (len(self.table) - 1,)
        times = self.table["time_min"].to_numpy(float)
        before_gaps = long_gaps(self.usable, float(times[1] - times[0]) if len(times) > 1 else 0.0)
        return (*before_gaps.tolist(), int(usable[-1]))

    @cached_property
    def drift_px(self) -> np.ndarray:
        """(T, 2) float: y, x."""
        return self.table[["drift_y_px", "drift_x_px"]].to_numpy(float)


class Hypothesis(StrEnum):
    """What may have happened to a tracklet."""

    FALSE_POSITIVE = "false_positive"
    START = "start"
    END = "end"
    DEATH = "death"  # ends because the cell dies
    LINK = "link"  # goes on as another tracklet
    DIVISION = "division"  # into two, three or four
    FUSION = "fusion"  # of two


@dataclass(frozen=True, eq=False)
class Tracklets:
    """Unbranched stretches of tracks, and btrack's hypotheses about them.

    `detections` has DETECTION_COLUMNS; `tracklet_id` counts from 0, -1 where a detection is in no tracklet.
    `hypotheses` has HYPOTHESIS_COLUMNS; `tracklet, first, second` are tracklet ids, -1 where the kind has
    none: a link goes to `first`, a division to `first` and `second`.
    """

    detections: pd.DataFrame
    hypotheses: pd.DataFrame
    step_um: float  # how far nearly all nuclei go between two usable frames
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_columns(self.detections, DETECTION_COLUMNS, "detections")
        check_columns(self.hypotheses, HYPOTHESIS_COLUMNS, "hypotheses")


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """What may have happened to tracklets: each explains the ends of some and the beginnings of others."""

    kind: np.ndarray  # (H,) Hypothesis
    ends: np.ndarray  # (H, 2) tracklets that end by it, -1 for none
    starts: np.ndarray  # (H, 4) tracklets that begin by it, -1 for none
    log_odds: np.ndarray  # (H,)
    n_given: int = 0  # so many of the last are what a person says
    notes: tuple[str, ...] = ()  # how they were found

    def __post_init__(self) -> None:
        n = len(self.kind)
        if self.ends.shape != (n, 2) or self.starts.shape != (n, 4) or self.log_odds.shape != (n,):
            raise ValueError(f"{n} hypotheses, {self.ends.shape}, {self.starts.shape}, {self.log_odds.shape}")
        if not np.isfinite(self.log_odds).all():
            raise ValueError("log-odds are not all finite")

    def subset(self, kept: np.ndarray) -> Hypotheses:
        """Those of which `kept`, (H,) bool, says so."""
        columns = {name: getattr(self, name)[kept] for name in ("kind", "ends", "starts", "log_odds")}
        return replace(self, **columns, n_given=int(kept[len(kept) - self.n_given :].sum()))


@dataclass(frozen=True, eq=False)
class Lineage:
    """Who became whom.

    `detections` has DETECTION_COLUMNS; `tracklet_id` is the cell, -1 where a detection belongs to none.
    `graph` has a node for each cell and an edge from mother to daughter, with `log_odds` against the next
    best lineage; a cell that was seen to die has `dies`. `notes` says how it was found, and
    `n_divided_too_soon` how many divisions tracking undid since a daughter divides too soon.
    """

    detections: pd.DataFrame
    graph: nx.DiGraph
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    n_divided_too_soon: int = 0

    def __post_init__(self) -> None:
        check_columns(self.detections, DETECTION_COLUMNS, "detections")
        seen = set(self.detections["tracklet_id"]) - {-1}
        if seen != set(self.graph.nodes):
            raise ValueError(f"{len(seen)} cells have detections, {len(self.graph)} are in the graph")


@dataclass(frozen=True)
class MitosisEvent:
    """A candidate mitosis, or what became of one: a fusion, a death.

    `frame` is the first with separated chromatin; where nothing separates, the exit from mitosis; of a fusion
    the fused cell's first; of a death the first blebbing. Minutes count from `frame`, but those to a death
    in mitosis from its onset. None is what was not seen, and of micronuclei and bridges what cannot be seen
    at the movie's pixel size.
    """

    event_id: int
    mother: int
    daughters: tuple[int, ...]
    frame: int
    y_px: float
    x_px: float
    y_um: float
    x_um: float
    source: str  # who proposed it
    event_type: EventType = EventType.MITOSIS
    confidence: float = float("nan")  # log-odds against the next best explanation
    n_poles: int = 0  # bodies that separate, 0 where none do
    separated: bool = False
    returned: bool = False  # to interphase, without having separated
    onset_frame: int | None = None  # the first in which chromatin is condensed
    refusion_after_min: float | None = None  # daughters are one cell again
    died_after_min: float | None = None
    n_micronuclei: int | None = None
    bridge: bool | None = None
    linked_event: int | None = None  # of a fusion, the division that it undoes
    evidence: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.event_id < 0 or self.frame < 0:
            raise ValueError(f"event {self.event_id} at frame {self.frame}: neither may be negative")


@dataclass(frozen=True, eq=False)
class Crops:
    """What the classifier sees of each event. Channels are (phase, dna); a missing channel is zeros."""

    event_ids: np.ndarray  # (N,) int64
    pixels: np.ndarray  # (N, T, 2, H, W), T from CROP_FRAMES to MAX_CLIP_FRAMES, the movie's own numbers
    side_um: np.ndarray  # (N,) float64, side of the square
    flags: tuple[str, ...]  # (N,) words, space-separated: what was padded, missing or resampled

    def __post_init__(self) -> None:
        n, shape = len(self.event_ids), self.pixels.shape
        is_film = len(shape) == 5 and shape[2] == 2 and CROP_FRAMES <= shape[1] <= MAX_CLIP_FRAMES
        if not is_film or {len(self.pixels), len(self.side_um), len(self.flags)} != {n}:
            raise ValueError(f"{n} events, pixels {self.pixels.shape}, {len(self.side_um)} sides")


@dataclass(frozen=True, eq=False)
class Predictions:
    """The classifier's predictions."""

    event_ids: np.ndarray  # (N,) int64
    probabilities: np.ndarray  # (N, K) float32, rows sum to 1
    classes: tuple[str, ...]  # K names, in column order

    def __post_init__(self) -> None:
        if self.probabilities.shape != (len(self.event_ids), len(self.classes)):
            raise ValueError(f"{self.probabilities.shape} for {len(self.event_ids)} events, {self.classes}")
        if len(self.event_ids) and not np.allclose(self.probabilities.sum(axis=1), 1, atol=1e-4):
            raise ValueError("probabilities do not sum to 1")
