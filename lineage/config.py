"""The settings of a run: one frozen tree, read from TOML; unknown settings are refused."""

from __future__ import annotations

import tomllib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lineage.device import AUTO, WORDS
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VideoSettings(_Settings):
    """How the movie is read; what is left out is taken from its metadata."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)  # position = 1

    position: str | None = Field(None, description="which of several: name, or number from 0 as listed")
    well: str | None = Field(None, description="the well of the position")
    z: int | str | None = Field(
        None, description="of a z-stack: max or mean of its planes, the one in best focus, or one, from 0"
    )
    axes: str | None = Field(None, description="what the axes of a TIFF or Zarr are, as TCYX")
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
        True, description="where they can be told; false leaves DNA mass and intensity as measured"
    )


class TrackSettings(_Settings):
    """Who is who in the next frame, who divides and who fuses; lengths are in diameters of a nucleus."""

    max_speed: float = Field(0.08, gt=0, description="of a nucleus, in its diameters a minute")
    min_step: float = Field(0.4, gt=0, description="a nucleus may always seem to move this far")
    division_reach: float = Field(2.0, gt=0, description="from a mother to a daughter's first position")
    fusion_reach: float = Field(1.5, gt=0, description="from a parent to the fused cell's first position")
    max_gap_frames: int = Field(
        3, ge=1, le=9, description="for so many frames in a row a cell may go without a nucleus"
    )
    miss_rate: float = Field(0.01, gt=0, lt=1, description="share of nuclei missed or made up")
    time_limit_s: float = Field(
        600.0,
        gt=0,
        description="for each part of the integer program; after it the best lineage found is taken",
    )


class EventsSettings(_Settings):
    """What counts as an event."""

    regression_min: float = Field(
        120.0, ge=0, description="after a separation, in which a fusion is a regression of the furrow"
    )
    min_log_odds: float = Field(
        -4.0,
        description="from which a condensed stretch without division is proposed, if it is classified",
    )
    min_log_odds_unclassified: float = Field(
        0.0, description="likewise, without intensities or at too long an interval"
    )


class CropSettings(_Settings):
    """What the classifier sees of an event."""

    min_side_um: float = Field(58.0, gt=0, description="smallest side")
    max_side_um: float = Field(190.0, gt=0, description="largest side")
    margin_um: float = Field(12.0, ge=0, description="around the outermost nuclei")
    max_interval_min: float = Field(20.0, gt=0, description="above it events stay unclassified")
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
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the settings {path} cannot be read ({error}); give a TOML file") from error
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path.name} is not TOML: {error}") from error
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
