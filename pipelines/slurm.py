"""A profile and a running scheduler -> SLURM jobs, each of which is one worker."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lineage.schema import InputError
from pipelines.slurm_profile import minutes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from distributed import Client

    from lineage.progress import Screen
    from pipelines.slurm_profile import SlurmProfile

GRACE_MIN = 3  # so long before the walltime ends, a worker gives its movie back
POLL_EVERY_S = 15.0  # not more often, as SLURM's controller serves the whole cluster
SETTLE_S = 30.0  # a job may not be listed yet for so long after it was submitted
MAX_FAILED_IN_A_ROW = 3  # if as many jobs end before they work, there is no use in submitting more
TIMEOUT_S = 120.0


class Jobs:
    """The jobs of one start.

    All have one name, by which SLURM finds them; the name of a worker is the number of its job.
    """

    def __init__(self, profile: SlurmProfile, client: Client) -> None:
        self.max_jobs = profile.jobs
        self.client = client
        self.name = f"plate-{uuid4().hex[:8]}"
        self.address = client.scheduler_info()["address"]
        self.script = job_script(profile, self.address, self.name)
        self.submitted: dict[str, float] = {}  # jobs not known to have ended, and when they were submitted
        self.arrived: set[str] = set()  # jobs whose worker has registered with the scheduler
        self.failed_in_a_row = 0
        self.next_poll = 0.0
        self.state = ""

    def supervise(self, movies_left: int) -> str:
        """Submit jobs that are missing and cancel those without work, at most every POLL_EVERY_S.

        Args:
            movies_left: how many are not done yet.

        Returns:
            The state of the jobs, in words.

        Raises:
            InputError: SLURM refuses all jobs, or they end before they can work.
        """
        if time.monotonic() >= self.next_poll:
            self.state = self._supervise(movies_left)
            self.next_poll = time.monotonic() + POLL_EVERY_S
        return self.state

    def _supervise(self, movies_left: int) -> str:
        try:
            queue = self.queue()
        except InputError as error:
            return f"{error}; trying again"
        workers = self.workers()
        self.forget_ended(queue, workers)
        surplus = len(self.submitted) - min(self.max_jobs, movies_left)
        if surplus < 0:
            refused = self.submit(-surplus)
        else:
            waiting = [job for job in self.submitted if queue.get(job, "").startswith("waiting")]
            idle = [job for job in self.submitted if workers.get(job) == 0]
            refused = self.cancel((waiting + idle)[:surplus])
        states = Counter("running" if job in workers else queue.get(job, "waiting") for job in self.submitted)
        counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
        return f"SLURM jobs: {counts or 'none'}{refused}"

    def queue(self) -> dict[str, str]:
        """SLURM's number of each job that has not ended -> whether it waits (and why) or starts."""
        listed = _slurm("squeue", "--noheader", "--name", self.name, "--format", "%i %T %r")
        lines = [line.split(maxsplit=2) for line in listed.splitlines()]
        return {
            job: f"waiting ({reason})" if state == "PENDING" else "starting"
            for job, state, reason in lines
            if state != "COMPLETING"
        }

    def workers(self) -> dict[str, int]:
        """Number of each job whose worker has registered -> how many movies it has."""

        def movies_of(dask_scheduler: Any) -> dict[str, int]:
            return {str(w.name): len(w.processing) for w in dask_scheduler.workers.values()}

        return dict(self.client.run_on_scheduler(movies_of))

    def forget_ended(self, queue: Mapping[str, str], workers: Mapping[str, int]) -> None:
        """Forget the jobs that have ended.

        Args:
            queue: what SLURM lists.
            workers: what the scheduler lists.

        Raises:
            InputError: several in a row ended before their worker registered.
        """
        if workers.keys() - self.arrived:
            self.failed_in_a_row = 0
        self.arrived |= workers.keys()
        submitted_before = time.monotonic() - SETTLE_S
        listed = queue.keys() | workers.keys()
        for job in [j for j, at in self.submitted.items() if j not in listed and at <= submitted_before]:
            del self.submitted[job]
            self.failed_in_a_row += job not in self.arrived
        if self.failed_in_a_row >= MAX_FAILED_IN_A_ROW and not workers:
            raise InputError(
                f"{self.failed_in_a_row} SLURM jobs ended before they could work; their output says why "
                "(slurm-NUMBER.out here, or in the profile's logs). They need the profile's python, and must "
                f"reach this machine at {self.address} (for another network give the profile's interface)"
            )

    def submit(self, jobs: int) -> str:
        """Submit so many jobs.

        Returns:
            Why SLURM accepts no more; empty if it accepts all.

        Raises:
            InputError: SLURM refuses, and there is no other job that could do the work.
        """
        for _ in range(jobs):
            try:
                job = _slurm("sbatch", "--parsable", stdin=self.script).strip().split(";")[0]
            except InputError as error:
                if not self.submitted:
                    raise
                return f"; {error}"
            self.submitted[job] = time.monotonic()
        return ""

    def cancel(self, jobs: list[str]) -> str:
        """Cancel some jobs.

        Returns:
            Why SLURM refuses, as it does where a job has just ended; empty if it does not.
        """
        for job in jobs:
            del self.submitted[job]
        try:
            if jobs:
                _slurm("scancel", *jobs)
        except InputError as error:
            return f"; {error}"
        return ""

    def cancel_all(self) -> str:
        """Cancel all jobs of this start, by their name: so also one whose number sbatch did not get to print.

        Returns:
            Why SLURM refuses; empty if it does not.
        """
        try:
            _slurm("scancel", "--name", self.name)
        except InputError as error:
            return f"{error}; jobs called {self.name} may be left, and end within minutes of their beginning"
        return ""


def check_slurm() -> None:
    """Raise InputError if SLURM's commands are not installed."""
    _slurm("sbatch", "--version")


@contextmanager
def slurm_jobs(profile: SlurmProfile, client: Client, *, screen: Screen) -> Iterator[Jobs]:
    """Prepare jobs; whatever was submitted of them is cancelled at the end.

    Args:
        profile: what a job asks for.
        client: of the scheduler that the workers register with.
        screen: gets a line if SLURM refuses to cancel.

    Yields:
        The jobs, none of them submitted yet.

    Raises:
        InputError: dask-jobqueue is not installed.
    """
    jobs = Jobs(profile, client)
    try:
        yield jobs
    finally:
        if refused := jobs.cancel_all():
            screen.log(refused, "yellow")


def job_script(profile: SlurmProfile, address: str, name: str) -> str:
    """Write the script of a job, which starts one worker.

    Args:
        profile: what the job asks for.
        address: of the scheduler.
        name: of the job.

    Returns:
        The text for sbatch.

    Raises:
        InputError: dask-jobqueue is not installed.
    """
    from pipelines.cluster import EXTRA

    interrupt = signal.getsignal(signal.SIGINT)
    try:
        from dask_jobqueue.slurm import SLURMJob
    except ImportError as error:
        raise InputError(EXTRA) from error
    # The import changes the handler: Ctrl-C would be a sys.exit(), without a message and with exit code 0.
    signal.signal(signal.SIGINT, interrupt)
    lifetime = minutes(profile.walltime) - GRACE_MIN
    job = SLURMJob(
        address,
        name="$SLURM_JOB_ID",
        job_name=name,
        processes=1,
        cores=1,  # threads of the worker; a second one would only wait for the first
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
        # A worker that stops by itself gives its movie back. Of one that SLURM kills, dask thinks that the
        # movie killed it.
        worker_extra_args=["--lifetime", f"{lifetime}m", "--no-dashboard"],
        python=profile.python,
        interface=profile.interface,
        local_directory=profile.scratch,
        log_directory=profile.logs,
    )
    return str(job.job_script())


def _slurm(*command: str, stdin: str = "") -> str:
    """Run one of SLURM's commands and return its output.

    Raises:
        InputError: it is not installed, fails, or does not answer.
    """
    try:
        # In a session of its own, since Ctrl-C reaches every process of the terminal: an sbatch that is
        # interrupted could leave a job whose number nobody knows.
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise InputError(f"{command[0]} is not there; give --slurm on a machine that submits jobs") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{command[0]} did not answer within {TIMEOUT_S:.0f} s") from error
    if done.returncode:
        lines = done.stderr.replace(f"{command[0]}: ", "").replace("error: ", "").split("\n")
        reason = "; ".join(lines).strip("; ") or f"exit code {done.returncode}"
        raise InputError(f"{command[0]} refused: {reason}")
    return done.stdout
