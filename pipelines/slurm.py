"""A profile -> SLURM jobs, each one worker of a scheduler that is running."""

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

GRACE_MIN = 3  # before its end a worker hands its movie back
LOOK_EVERY_S = 15.0  # SLURM's controller answers everyone on the cluster
SETTLE_S = 30.0  # a job that was just submitted may not be listed yet
FRUITLESS_JOBS = 3  # in a row; then something is wrong with all of them
ANSWER_WITHIN_S = 120.0


class Jobs:
    """The jobs of one start. SLURM knows them by one name; a job's worker is called after its number."""

    def __init__(self, profile: SlurmProfile, client: Client) -> None:
        self.at_most = profile.jobs
        self.client = client
        self.name = f"plate-{uuid4().hex[:8]}"
        self.address = client.scheduler_info()["address"]
        self.script = job_script(profile, self.address, self.name)
        self.submitted: dict[str, float] = {}  # those that are thought to be there, and since when
        self.arrived: set[str] = set()
        self.fruitless = 0
        self.next_look = 0.0
        self.words = ""

    def look_after(self, movies_left: int) -> str:
        """Submit the jobs that are missing, cancel those that have nothing to do; now and then.

        Args:
            movies_left: how many are not done yet.

        Returns:
            How the jobs stand, in words.

        Raises:
            InputError: SLURM refuses them, or they end before they can work.
        """
        if time.monotonic() >= self.next_look:
            self.words = self._look_after(movies_left)
            self.next_look = time.monotonic() + LOOK_EVERY_S
        return self.words

    def _look_after(self, movies_left: int) -> str:
        try:
            queue = self.queue()
        except InputError as error:
            return f"{error}; trying again"
        workers = self.workers()
        self.forget_ended(queue, workers)
        missing = min(self.at_most, movies_left) - len(self.submitted)
        waiting = [job for job in self.submitted if queue.get(job, "").startswith("waiting")]
        idle = [job for job in self.submitted if workers.get(job) == 0]
        refused = self.submit(missing) or self.cancel((waiting + idle)[: max(0, -missing)])
        stands = Counter("running" if job in workers else queue.get(job, "waiting") for job in self.submitted)
        counts = ", ".join(f"{n} {how}" for how, n in sorted(stands.items()))
        return f"SLURM jobs: {counts or 'none'}{refused}"

    def queue(self) -> dict[str, str]:
        """SLURM's number of each job that is there, with what it does."""
        listed = _slurm("squeue", "--noheader", "--name", self.name, "--format", "%i %T %r")
        told = [line.split(maxsplit=2) for line in listed.splitlines()]
        return {
            job: f"waiting ({reason})" if state == "PENDING" else "starting"
            for job, state, reason in told
            if state != "COMPLETING"
        }

    def workers(self) -> dict[str, int]:
        """The jobs whose worker has arrived, with how many movies it has."""

        def movies_of(dask_scheduler: Any) -> dict[str, int]:
            return {str(w.name): len(w.processing) for w in dask_scheduler.workers.values()}

        return dict(self.client.run_on_scheduler(movies_of))

    def forget_ended(self, queue: Mapping[str, str], workers: Mapping[str, int]) -> None:
        """Forget the jobs that are there no more.

        Raises:
            InputError: one after the other ended before its worker arrived.
        """
        if workers.keys() - self.arrived:
            self.fruitless = 0
        self.arrived |= workers.keys()
        settled = time.monotonic() - SETTLE_S
        there = queue.keys() | workers.keys()
        for job in [j for j, since in self.submitted.items() if j not in there and since <= settled]:
            del self.submitted[job]
            self.fruitless += job not in self.arrived
        if self.fruitless >= FRUITLESS_JOBS and not workers:
            raise InputError(
                f"{self.fruitless} SLURM jobs ended before they could work; their output says why "
                "(slurm-NUMBER.out here, or in the profile's logs). They need the profile's python, and must "
                f"reach this machine at {self.address} (for another network give the profile's interface)"
            )

    def submit(self, jobs: int) -> str:
        """Submit so many; gives back why SLURM takes no more, if others are there.

        Raises:
            InputError: SLURM refuses, and no other job is there.
        """
        for _ in range(jobs):
            try:
                job = _slurm("sbatch", "--parsable", told=self.script).strip().split(";")[0]
            except InputError as error:
                if not self.submitted:
                    raise
                return f"; {error}"
            self.submitted[job] = time.monotonic()
        return ""

    def cancel(self, jobs: list[str]) -> str:
        """Cancel some; gives back why SLURM does not, as where one has just ended."""
        for job in jobs:
            del self.submitted[job]
        try:
            if jobs:
                _slurm("scancel", *jobs)
        except InputError as error:
            return f"; {error}"
        return ""

    def cancel_all(self) -> str:
        """Cancel each job of this start, also one whose number was never heard; or why SLURM does not."""
        try:
            _slurm("scancel", "--name", self.name)
        except InputError as error:
            return f"{error}; jobs called {self.name} may be left, and end within minutes of their beginning"
        return ""


def answers() -> None:
    """Raise InputError if SLURM's commands are not there."""
    _slurm("sbatch", "--version")


@contextmanager
def jobs_of(profile: SlurmProfile, client: Client, *, screen: Screen) -> Iterator[Jobs]:
    """The jobs, of which none is submitted yet, and none is left."""
    jobs = Jobs(profile, client)
    try:
        yield jobs
    finally:
        if refused := jobs.cancel_all():
            screen.say(refused, "yellow")


def job_script(profile: SlurmProfile, address: str, name: str) -> str:
    """What a job does: it starts one worker.

    Raises:
        InputError: dask-jobqueue is not installed.
    """
    from pipelines.cluster import EXTRA

    interrupt = signal.getsignal(signal.SIGINT)
    try:
        from dask_jobqueue.slurm import SLURMJob
    except ImportError as error:
        raise InputError(EXTRA) from error
    # Importing it makes Ctrl-C a sys.exit(): no word, and exit code 0.
    signal.signal(signal.SIGINT, interrupt)
    lifetime = minutes(profile.walltime) - GRACE_MIN
    job = SLURMJob(
        address,
        name="$SLURM_JOB_ID",
        job_name=name,
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
    )
    return str(job.job_script())


def _slurm(*command: str, told: str = "") -> str:
    """What a command of SLURM's answers.

    Raises:
        InputError: it is not there, refuses, or does not answer.
    """
    try:
        # Ctrl-C reaches every process of the terminal; a job half submitted would be nobody's.
        done = subprocess.run(
            command,
            input=told,
            capture_output=True,
            text=True,
            timeout=ANSWER_WITHIN_S,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise InputError(f"{command[0]} is not there; give --slurm on a machine that submits jobs") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{command[0]} did not answer within {ANSWER_WITHIN_S:.0f} s") from error
    if done.returncode:
        said = "; ".join(done.stderr.replace(f"{command[0]}: ", "").replace("error: ", "").split("\n")).strip(
            "; "
        )
        raise InputError(f"{command[0]} refused: {said or f'exit code {done.returncode}'}")
    return done.stdout
