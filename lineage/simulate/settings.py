"""The settings of a simulated movie: one frozen record, read from options or TOML, every bound checked."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator


class CellLine(StrEnum):
    """The two lines of Delgado-Rodriguez et al. 2024."""

    U251 = "U251"  # glioblastoma
    PC3 = "PC3"  # prostate carcinoma


class Settings(BaseModel):
    """Settings of one simulated movie: one position of one well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The movie
    frames: int = Field(72, ge=2, le=9999, description="length of the movie")
    size: int = Field(400, ge=64, le=4096, description="side of the square field, pixels")
    pixel_size_um: float = Field(1.1518, gt=0.2, le=5, description="micrometres a pixel")
    minutes_per_frame: float = Field(10.0, gt=0, le=60, description="interval")
    seed: int = Field(1, ge=0, description="same seed, same pixels")

    # The population
    cell_line: CellLine = Field(CellLine.U251, description="U251 or PC3")
    founders: int = Field(
        12, ge=0, le=2000, description="cells in view at the start, at random phases of their cycle"
    )
    dose_gy: float = Field(4.0, ge=0, le=50, description="dose that the founders received, gray")
    irradiated_min_before_start: float = Field(
        0.0, ge=0, le=10_000, description="from irradiation to frame 0"
    )
    cycle_hours: float | None = Field(
        None, ge=8, le=100, description="median cycle time without dose; the cell line's if left out"
    )
    experiment: int = Field(0, ge=0, description="wells of one experiment draw their deviations together")
    well: int = Field(1, ge=1, description="movies of one well share its deviation")
    position: int = Field(1, ge=1, description="of the movie within its well")
    well_sd: float = Field(0.25, ge=0, le=2, description="between wells, of the log odds of what goes wrong")
    position_sd: float = Field(0.15, ge=0, le=2, description="likewise between the positions of a well")
    clone_sd: float = Field(0.6, ge=0, le=2, description="likewise between the clones of a position")

    # The microscope
    drift_px_per_hour: float = Field(0.3, ge=0, le=20, description="speed of the stage's slow drift")
    jump_frames: tuple[int, ...] = Field((), description="frames at which the stage jumps")
    jump_px: float = Field(12.0, ge=0, le=100, description="length of such a jump")
    bleaching: float = Field(0.15, ge=0, lt=1, description="share of the SiR-DNA light gone by frame 721")
    vignetting: float = Field(
        0.0, ge=0, le=0.9, description="share of the light missing in the darkest corner"
    )
    brightest_at: tuple[float, float] = Field(
        (0.5, 0.5), description="where the light is brightest, y and x as shares of the field"
    )
    focus_drift_um: float = Field(1.0, ge=0, le=20, description="how far the focus wanders")
    blank_frames: tuple[int, ...] = Field((), description="frames at which the lamp was off")
    blurred_frames: tuple[int, ...] = Field((), description="frames out of focus")
    bad_frame_share: float = Field(
        0.0, ge=0, le=0.5, description="share of further frames that are blank or blurred, half and half"
    )

    # Further channels
    fucci: bool = Field(False, description="draw two FUCCI channels as well, and write the true phases")

    @model_validator(mode="after")
    def _frames_are_of_the_movie(self) -> Settings:
        for name, minimum in (("jump_frames", 1), ("blank_frames", 0), ("blurred_frames", 0)):
            for frame in getattr(self, name):
                if not minimum <= frame < self.frames:
                    raise ValueError(f"{name}: {frame} was given; expected is {minimum} to {self.frames - 1}")
        if not all(0 <= share <= 1 for share in self.brightest_at):
            raise ValueError(f"brightest_at: {self.brightest_at} was given; expected is twice 0 to 1")
        return self

    @property
    def minutes(self) -> float:
        """Time of the last frame, minutes since the first."""
        return (self.frames - 1) * self.minutes_per_frame

    @property
    def field_um(self) -> float:
        """Side of the field, micrometres."""
        return self.size * self.pixel_size_um
