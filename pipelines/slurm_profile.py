"""A TOML file -> what a SLURM job asks for, checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lineage.io.toml import read_toml
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

MIN_WALLTIME_MIN = 10


class SlurmProfile(BaseModel):
    """What a job asks for. A job is one worker, and runs one movie at a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jobs: int = Field(10, ge=1, description="jobs at a time, at most")
    cores: int = Field(1, ge=1, description="of a job; as many processes share the frames of a movie")
    memory: str = Field("4GB", pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$", description="of a job")
    walltime: str = Field("12:00:00", pattern=r"^(\d+-)?\d{1,2}:\d\d:\d\d$", description="[D-]HH:MM:SS")
    partition: str | None = Field(None, description="SLURM's --partition")
    account: str | None = Field(None, description="SLURM's --account")
    directives: list[str] = Field([], description="further #SBATCH lines, such as --constraint=avx512")
    before: list[str] = Field([], description="shell lines of a job before the worker: module load ...")
    python: str | None = Field(None, description="this Python if left out; the jobs must see it")
    interface: str | None = Field(None, description="network between jobs and this machine, such as ib0")
    scratch: str | None = Field(None, description="a folder on the node's own disk")
    logs: str | None = Field(None, description="a folder for the jobs' output")


def read_profile(path: Path) -> SlurmProfile:
    """Read a profile.

    Raises:
        InputError: no such file, no TOML, or a setting that is unknown or out of bounds.
    """
    try:
        profile = SlurmProfile.model_validate(read_toml(path, "the SLURM profile"))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(SlurmProfile.model_fields)
        raise InputError(f"{path.name}: {wrong}; known are {known}") from error
    if minutes(profile.walltime) < MIN_WALLTIME_MIN:
        raise InputError(f"{path.name}: walltime is under {MIN_WALLTIME_MIN} minutes; a movie takes longer")
    return profile


def minutes(walltime: str) -> int:
    """A walltime as SLURM writes it, in minutes.

    >>> minutes("1-02:30:00")
    1590
    """
    days, hours, rest, _ = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", walltime).groups()  # type: ignore[union-attr]
    return (int(days or 0) * 24 + int(hours)) * 60 + int(rest)
