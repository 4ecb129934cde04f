"""What a simulated movie is made from: one frozen record, every bound checked."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Settings of one simulated movie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(72, ge=2, le=9999, description="length of the movie")
    size: int = Field(400, ge=64, le=4096, description="side of the square field, pixels")
    founders: int = Field(
        12, ge=0, le=2000, description="cells at the start, at random phases of their cycle"
    )
    dose_gy: float = Field(4.0, ge=0, le=50, description="dose that the founders received, gray")
    seed: int = Field(1, ge=0, description="same seed, same pixels")
    pixel_size_um: float = Field(1.1518, gt=0.2, le=5, description="micrometres a pixel")
    minutes_per_frame: float = Field(10.0, gt=0, le=60, description="interval")
    cycle_hours: float = Field(18.0, ge=8, le=100, description="median cell-cycle time")
    drift_px_per_hour: float = Field(0.3, ge=0, le=20, description="speed of the stage's slow drift")
    jump_frames: tuple[int, ...] = Field((), description="frames at which the stage jumps")
    jump_px: float = Field(12.0, ge=0, le=100, description="length of such a jump")
    blank_frames: tuple[int, ...] = Field((), description="frames at which the lamp was off")

    @property
    def minutes(self) -> float:
        """Time of the last frame."""
        return (self.frames - 1) * self.minutes_per_frame

    @property
    def field_um(self) -> float:
        """Side of the field."""
        return self.size * self.pixel_size_um
