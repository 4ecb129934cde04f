"""The settings of a run: one frozen tree, read from TOML; unknown settings are refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lineage.device import AUTO, WORDS
from lineage.io.toml import read_toml
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class VideoSettings(_Settings):
    """How the movie is read; what is left out is taken from its metadata."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # position = 1

    position: str | None = Field(
        None, description="which of several positions: its name, or its number from 0 as `--list` shows it"
    )
    well: str | None = Field(None, description="the well of the position, as A1")
    z: int | str | None = Field(
        None,
        description='of a z-stack: "max" or "mean" of its planes, the sharpest ("focus"), or one, from 0',
    )
    axes: str | None = Field(None, description="what the axes of a TIFF or Zarr are, as TCYX")
    nucleus_channel: int | None = Field(None, ge=0, description="number of the DNA stain's channel, from 0")
    phase_channel: int | None = Field(None, ge=0, description="number of the phase-contrast channel, from 0")
    pixel_size_um: float | None = Field(None, gt=0, description="side of a pixel, micrometres")
    minutes_per_frame: float | None = Field(
        None, gt=0, description="time from one frame to the next, minutes"
    )


class QualitySettings(_Settings):
    """Which frames can be used, and where the stage was."""

    min_peak_snr: float = Field(
        8.0,
        ge=0,
        description="a frame is blank if nothing of a nucleus's size stands out by this, over noise",
    )
    min_relative_contrast: float = Field(
        0.1, ge=0, description="a frame is blank below this share of its neighbours' contrast"
    )
    max_saturated_fraction: float = Field(
        0.02,
        ge=0,
        le=1,
        description="a frame is saturated if more of its pixels than its neighbours' are, by this share",
    )
    min_relative_focus: float = Field(
        0.6, ge=0, description="a frame is out of focus below this share of its neighbours' sharpness"
    )
    window_frames: int = Field(
        51, ge=3, le=100_001, description="how many frames around it are a frame's neighbours"
    )
    max_jump_px: float = Field(
        100.0, gt=0, description="the stage may jump this far from frame to frame, in pixels, by y and by x"
    )
    min_shift_px: float = Field(
        0.25, ge=0, description="smaller displacements of the stage, in pixels, are taken for none"
    )


class SegmentSettings(_Settings):
    """Where the nuclei are."""

    model: str = Field(
        "sir-dna", description="StarDist model: the bundled one, a folder, or a name of StarDist's own"
    )
    nucleus_diameter_um: float | None = Field(
        None, gt=0, description="usual diameter of an interphase nucleus, micrometres; estimated if left out"
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="how many processes find nuclei; as many as there are cores if left out",
    )
    min_area: float = Field(
        0.08, ge=0, le=0.5, description="objects below this share of the median nucleus's area are left out"
    )
    measure: tuple[str | int, ...] | None = Field(
        None,
        description="further channels to measure, by name or number; all if left out, [] for none",
    )
    fucci: tuple[str | int, str | int] | None = Field(
        None, description="the channel that is bright in G1, and the one that is bright in S, G2 and M"
    )

    @field_validator("measure", "fucci", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        """One name or number, or names with commas between them, as a plate map's cell holds them."""
        if isinstance(given, str):
            return tuple(name.strip() for name in given.split(",") if name.strip())
        return (given,) if isinstance(given, int) else given


class LightSettings(_Settings):
    """Whether uneven light and bleaching of the DNA stain are taken out of what is measured."""

    correct: bool = Field(
        True, description="take them out where they can be told; false leaves all as measured"
    )


class TrackSettings(_Settings):
    """Who is who in the next frame, who divides and who fuses; lengths are in diameters of a nucleus."""

    max_speed: float = Field(
        0.08, gt=0, description="the fastest that a nucleus moves, in diameters a minute"
    )
    min_step: float = Field(0.4, gt=0, description="a nucleus may always move this far from frame to frame")
    division_reach: float = Field(
        2.0, gt=0, description="how far a daughter may first be seen from where her mother was last seen"
    )
    fusion_reach: float = Field(
        1.5, gt=0, description="how far a fused cell may first be seen from where a parent was last seen"
    )
    max_gap_frames: int = Field(
        3, ge=1, le=9, description="for how many frames in a row a cell may go without a nucleus"
    )
    miss_rate: float = Field(
        0.01, gt=0, lt=1, description="the share of nuclei that the segmentation misses, or makes up"
    )
    min_life_min: float = Field(
        240.0, ge=0, description="minutes after its birth before which no cell divides"
    )
    time_limit_s: float = Field(
        600.0,
        gt=0,
        description="seconds for each part of the integer program; then the best lineage found is taken",
    )


class EventsSettings(_Settings):
    """What counts as an event."""

    regression_min: float = Field(
        120.0,
        ge=0,
        description="minutes after a separation in which a fusion of the daughters is a furrow regression",
    )
    min_log_odds: float = Field(
        -4.0,
        description="log-odds from which a condensed stretch without division is proposed as a mitosis",
    )
    min_log_odds_unclassified: float = Field(
        0.0, description="the same where nothing is classified: masks alone, or too long an interval"
    )


class CropSettings(_Settings):
    """What the classifier sees of an event."""

    min_side_um: float = Field(58.0, gt=0, description="smallest side of the square, micrometres")
    max_side_um: float = Field(190.0, gt=0, description="largest side of the square, micrometres")
    margin_um: float = Field(12.0, ge=0, description="room around the outermost nuclei, micrometres")
    max_interval_min: float = Field(
        20.0, gt=0, description="minutes from frame to frame, above which nothing is classified"
    )
    size_px: int = Field(96, ge=32, le=512, description="side of the crops as saved, pixels")


class ClassifySettings(_Settings):
    """Normal or abnormal."""

    model: Path | None = Field(
        None, description="classifier weights (.safetensors); the bundled ones if left out"
    )


class Config(_Settings):
    """All settings of a run."""

    dose_gy: float | None = Field(
        None, ge=0, description="dose the cells were given; carried into the results"
    )
    labels: Path | None = Field(None, description="existing masks in place of a segmentation")
    tracks: Path | None = Field(None, description="existing tracks in place of our own tracking")
    device: str = Field(
        AUTO,
        pattern=f"^({WORDS})$",
        description="where torch computes: auto (a GPU, if there is one), cpu, cuda, cuda:1 or mps; what "
        "is done is not done again for it",
    )
    video: VideoSettings = VideoSettings()
    quality: QualitySettings = QualitySettings()
    segment: SegmentSettings = SegmentSettings()
    light: LightSettings = LightSettings()
    track: TrackSettings = TrackSettings()
    events: EventsSettings = EventsSettings()
    crop: CropSettings = CropSettings()
    classify: ClassifySettings = ClassifySettings()


# Settings of earlier versions -> their names now; they are read for one version more, with a warning.
RENAMED = {
    "segment.least_area": "segment.min_area",
    "track.least_step": "track.min_step",
    "hypotheses.division_reach": "track.division_reach",
    "hypotheses.fusion_reach": "track.fusion_reach",
    "hypotheses.most_gap_frames": "track.max_gap_frames",
    "resolve.time_limit_s": "track.time_limit_s",
    "events.least_log_odds": "events.min_log_odds",
    "events.least_log_odds_unjudged": "events.min_log_odds_unclassified",
    "crop.least_side_um": "crop.min_side_um",
    "crop.most_side_um": "crop.max_side_um",
    "crop.longest_interval_min": "crop.max_interval_min",
}


def _warn(sentence: str) -> None:
    warnings.warn(sentence, FutureWarning, stacklevel=4)


def read(
    path: Path | None,
    options: Mapping[str, Any],
    *,
    warn: Callable[[str], None] = _warn,
) -> Config:
    """Read the settings of a TOML file, and of the command line above them.

    Args:
        path: the TOML file; None for the defaults.
        options: dotted names, `{"video.pixel_size_um": 1.1}`; None means not given.
        warn: called with a sentence for each setting that goes by the name of an earlier version.

    Raises:
        InputError: no such file, no TOML, or a setting that is unknown or out of bounds.
    """
    settings: dict[str, Any] = {}
    if path is not None:
        settings = read_toml(path, "the settings")
    _rename(settings, warn)
    for name, value in options.items():
        if value is not None:
            _set(settings, name, value)
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        known = ""
        if first["type"] == "extra_forbidden":
            known = f"; known here: {', '.join(_known(first['loc'][:-1]))}"
            raise InputError(f"unknown setting {where}{known}") from error
        raise InputError(f"setting {where} = {first['input']!r}: {first['msg']}") from error


def _set(settings: dict[str, Any], name: str, value: Any) -> None:
    """Set one setting, given by its dotted name."""
    *sections, key = name.split(".")
    for section in sections:
        settings = settings.setdefault(section, {})
        if not isinstance(settings, dict):
            raise InputError(f"setting {section} = {settings!r}: wanted a section, [{section}]")
    settings[key] = value


def _rename(settings: dict[str, Any], warn: Callable[[str], None]) -> None:
    """Give settings of earlier versions their names of now."""
    for old, new in RENAMED.items():
        section, key = old.split(".")
        given = settings.get(section)
        if not isinstance(given, dict) or key not in given:
            continue
        value = given.pop(key)
        if key == "most_gap_frames" and isinstance(value, int):
            value -= 1  # it counted the frames from one nucleus to the next
        new_section, new_key = new.split(".")
        if settings.get(new_section, {}).get(new_key, value) != value:
            raise InputError(f"setting {old} is {new} now, and both are given, with two values: give {new}")
        warn(f"the setting {old} is {new} now; its earlier name will not be known to the next version")
        _set(settings, new, value)
    for section in ("hypotheses", "resolve"):
        if settings.get(section) == {}:
            del settings[section]


def _known(section: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for name in section:
        annotation = model.model_fields[str(name)].annotation
        assert isinstance(annotation, type)
        model = annotation
    return list(model.model_fields)
