"""A profile in TOML -> a dask cluster of SLURM jobs, each one worker."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

LEAST_WALLTIME_MIN = 10
GRACE_MIN = 3  # before its end a worker hands its movie back


class SlurmProfile(BaseModel):
    """What a job asks for. A job is one worker, and runs one movie at a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jobs: int = Field(10, ge=1, description="at most so many at a time")
    cores: int = Field(1, ge=1, description="of a job; a movie's frames are shared out to as many processes")
    memory: str = Field("4GB", description="of a job")
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
        InputError: no such file, no TOML, or something in it is unknown or out of bounds.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"the SLURM profile {path} cannot be read as TOML ({error})") from error
    try:
        profile = SlurmProfile.model_validate(told)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(SlurmProfile.model_fields)
        raise InputError(f"{path.name}: {wrong}; known are {known}") from error
    if minutes(profile.walltime) < LEAST_WALLTIME_MIN:
        raise InputError(f"{path.name}: walltime is under {LEAST_WALLTIME_MIN} minutes; a movie takes longer")
    return profile


def minutes(walltime: str) -> int:
    """Of SLURM's way to write them.

    >>> minutes("1-02:30:00")
    1590
    """
    days, hours, rest, _ = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", walltime).groups()  # type: ignore[union-attr]
    return (int(days or 0) * 24 + int(hours)) * 60 + int(rest)


def cluster_of(profile: SlurmProfile) -> Any:
    """The cluster, without a job yet; a context manager.

    Raises:
        InputError: dask-jobqueue is not installed.
    """
    from pipelines.cluster import DASHBOARD, EXTRA

    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise InputError(EXTRA) from error
    lifetime = minutes(profile.walltime) - GRACE_MIN
    return SLURMCluster(
        n_workers=0,
        processes=1,
        cores=1,  # threads of the worker; a second would wait for the first
        job_cpu=profile.cores,
        memory=profile.memory,
        walltime=profile.walltime,
        queue=profile.partition,
        account=profile.account,
        job_extra_directives=profile.directives,
        job_script_prologue=[
            "export DASK_DISTRIBUTED__WORKER__DAEMON=False",
            "export MPLBACKEND=Agg",
            *profile.before,
        ],
        # A worker that ends by itself hands its movie back; one that SLURM ends counts as having died of it.
        worker_extra_args=["--lifetime", f"{lifetime}m", "--no-dashboard"],
        python=profile.python,
        interface=profile.interface,
        local_directory=profile.scratch,
        log_directory=profile.logs,
        scheduler_options={"dashboard_address": DASHBOARD},
    )
