"""The settings of a run: one frozen tree, read from TOML; what it does not know it refuses."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VideoSettings(_Settings):
    """How the movie is read; what is left out is taken from its metadata."""

    position: str | None = Field(None, description="which of several positions that the names tell apart")
    nucleus_channel: int | None = Field(None, ge=0, description="index of the DNA stain's channel, from 0")
    phase_channel: int | None = Field(None, ge=0, description="index of the phase-contrast channel, from 0")
    pixel_size_um: float | None = Field(None, gt=0, description="side of a pixel")
    minutes_per_frame: float | None = Field(None, gt=0, description="time from frame to frame")


class QualitySettings(_Settings):
    """Which frames can be used, and where the stage was."""

    min_peak_snr: float = Field(
        8.0, ge=0, description="blank if nothing of a nucleus's size stands out by this"
    )
    min_relative_contrast: float = Field(
        0.1, ge=0, description="blank below this share of its neighbours' contrast"
    )
    max_saturated_fraction: float = Field(
        0.02, ge=0, le=1, description="saturated above this share more pixels"
    )
    min_relative_focus: float = Field(
        0.6, ge=0, description="out of focus below this share of its neighbours'"
    )
    window_frames: int = Field(51, ge=3, description="how many frames are its neighbours")
    max_jump_px: float = Field(100.0, gt=0, description="the stage may jump this far, by y and by x")
    min_shift_px: float = Field(0.25, ge=0, description="smaller displacements are taken for none")


class SegmentSettings(_Settings):
    """Where the nuclei are."""

    model: str = Field(
        "sir-dna", description="StarDist model: the bundled one, a folder, or a name of StarDist's own"
    )
    nucleus_diameter_um: float | None = Field(
        None, gt=0, description="of an interphase nucleus; estimated from the movie if left out"
    )
    workers: int | None = Field(None, ge=1, description="processes; all cores if left out")
    least_area: float = Field(
        0.08, ge=0, le=0.5, description="objects below this share of the median nucleus's area are left out"
    )


class TrackSettings(_Settings):
    """Who is who in the next frame."""

    max_speed: float = Field(0.08, gt=0, description="of a nucleus, in its diameters a minute")
    least_step: float = Field(
        0.4, gt=0, description="a nucleus may always seem to move this far; in diameters of a nucleus"
    )
    division_reach: float = Field(
        2.0, gt=0, description="from a mother to a daughter's first place, in diameters of a nucleus"
    )
    max_gap_frames: int = Field(
        3, ge=1, le=10, description="about how many frames a track may go without a nucleus"
    )
    miss_rate: float = Field(0.01, gt=0, lt=1, description="share of nuclei missed or made up")


class HypothesesSettings(_Settings):
    """What may have happened to tracklets."""

    division_reach: float = Field(
        2.0, gt=0, description="from a mother to a daughter's first place, in diameters of a nucleus"
    )
    fusion_reach: float = Field(
        1.5, gt=0, description="from a parent to the fused cell's first place, in diameters of a nucleus"
    )
    most_gap_frames: int = Field(4, ge=1, le=10, description="from an end to the beginning that goes on")


class ResolveSettings(_Settings):
    """The integer program."""

    time_limit_s: float = Field(
        600.0, gt=0, description="after it, the best lineage found is taken, and said so"
    )


class EventsSettings(_Settings):
    """What counts as an event."""

    regression_min: float = Field(
        120.0, ge=0, description="after a separation, in which a fusion is a regression of the furrow"
    )
    least_log_odds: float = Field(
        -4.0, description="from which a condensed stretch without division is proposed, if it will be judged"
    )
    least_log_odds_unjudged: float = Field(
        0.0, description="likewise, without intensities or at too long an interval"
    )


class CropSettings(_Settings):
    """What the classifier sees of an event."""

    least_side_um: float = Field(58.0, gt=0, description="smallest square")
    most_side_um: float = Field(190.0, gt=0, description="largest square")
    margin_um: float = Field(12.0, ge=0, description="around the outermost nuclei")
    longest_interval_min: float = Field(20.0, gt=0, description="above it events stay unclassified")
    size_px: int = Field(96, ge=32, le=512, description="side of the crops as saved")


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
    video: VideoSettings = VideoSettings()
    quality: QualitySettings = QualitySettings()
    segment: SegmentSettings = SegmentSettings()
    hypotheses: HypothesesSettings = HypothesesSettings()
    track: TrackSettings = TrackSettings()
    resolve: ResolveSettings = ResolveSettings()
    events: EventsSettings = EventsSettings()
    crop: CropSettings = CropSettings()
    classify: ClassifySettings = ClassifySettings()


def read(path: Path | None, options: Mapping[str, Any]) -> Config:
    """The settings of a TOML file, and of the command line above them.

    Args:
        path: the TOML file; None for the defaults.
        options: dotted names, `{"video.pixel_size_um": 1.1}`; None means not given.

    Raises:
        InputError: no such file, no TOML, or a setting that is unknown or out of bounds.
    """
    settings: dict[str, Any] = {}
    if path is not None:
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the settings {path} cannot be read ({error}); give a TOML file") from error
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path.name} is not TOML: {error}") from error
    for name, value in options.items():
        if value is None:
            continue
        *sections, key = name.split(".")
        place = settings
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise InputError(f"setting {section} = {place!r}: wanted a section, [{section}]")
        place[key] = value
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


def _known(section: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for name in section:
        annotation = model.model_fields[str(name)].annotation
        assert isinstance(annotation, type)
        model = annotation
    return list(model.model_fields)
