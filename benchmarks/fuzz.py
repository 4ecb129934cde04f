"""Damaged input of every kind: `python benchmarks/fuzz.py --runs 1000 --seed 1 [--only masks,clips]`.

Each run damages a small whole input (`fuzz_inputs.py`) at random (`damages.py`) and reads it as the
commands do, in a process of its own; about one in forty goes through the real command line. A damage may be
found (one clear line, exit code 2), change nothing, or change what is read where nobody can know. It must not
end in a traceback or a hang, nor may a refusal leave anything behind. Prints a table, and each mistake with
the words that repeat it.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer
from damages import damage

from lineage.schema import InputError
from lineage.tracking.resolve import Unsolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fuzz_inputs import Kind

HEAVY = (
    "classifier.predict", "lineage.evaluate.evaluate", "lineage.export.geff", "lineage.run",
    "lineage.stardist.data", "pipelines.dose.analyse", "pipelines.platemap",
)  # fmt: skip
LIMIT_S = 60.0  # for one reading; a whole input takes a few seconds at most
COMMAND_EVERY = 40
COMMAND_LIMIT_S = 240.0
WROTE_HALF = re.compile(r"\.(part|partial|old)$")


class End(StrEnum):
    """What became of one run, in the words of the table."""

    ERROR = "clear error"
    SAME = "unchanged"
    OTHER = "other values"
    TRACEBACK = "traceback"
    HANG = "hang"
    LEFTOVER = "leftover"


MISTAKES = (End.TRACEBACK, End.HANG, End.LEFTOVER)


@dataclass(frozen=True)
class Outcome:
    """What became of one run, and in which words."""

    end: End
    words: str = ""  # the error's, or a traceback
    result: str = ""  # a digest of what was read


class TooLong(BaseException):
    """The time limit; no `except Exception` catches it."""


def case_of(kind: Kind, whole: Path, case: Path, seed: int | None) -> tuple[Path, str]:
    """Copy a whole input to `case`, and damage it; says what was done. Without a seed it stays whole."""
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(whole, case)
    return case, "" if seed is None else damage(case / "in", rng_of(kind, seed))


def rng_of(kind: Kind, seed: int) -> np.random.Generator:
    """Chance for one run: the same whatever else is run."""
    return np.random.default_rng([seed, *kind.name.encode()])


def make(kind: Kind, case: Path) -> Path:
    """The whole input, as a case."""
    for name in ("in", "whole"):
        (case / name).mkdir(parents=True)
    kind.make(case)
    return case


def attempt(kind: Kind, case: Path) -> Outcome:
    """Read a case as the command does, and look at what is left of it where that is refused."""
    before = contents(case)
    try:
        with time_limit(LIMIT_S), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = kind.read(case)
    except TooLong:
        return Outcome(End.HANG, f"longer than {LIMIT_S:g} s")
    except BaseException as error:
        found = error.__cause__ if isinstance(error, typer.Exit) and error.__cause__ else error
        if not is_clear(found, lines=kind.lines):
            return Outcome(End.TRACEBACK, "".join(traceback.format_exception(found)))
        left = leftovers(before, contents(case), goes_on=kind.goes_on)
        return Outcome(End.LEFTOVER, f"{left} after: {found}") if left else Outcome(End.ERROR, str(found))
    return Outcome(End.OTHER, result=result)


def is_clear(error: BaseException, *, lines: bool) -> bool:
    """Whether the command line makes one line of it that says what is wrong.

    An OSError is one only where it names a file; of a plate map each mistake has a line.
    """
    words = str(error)
    if isinstance(error, OSError):
        return error.filename is not None or "/" in words
    return isinstance(error, InputError | Unsolved) and bool(words) and (lines or "\n" not in words)


def contents(folder: Path) -> dict[str, int]:
    """Path -> size of every file, -1 for folders."""
    return {
        str(p.relative_to(folder)): p.stat().st_size if p.is_file() else -1 for p in sorted(folder.rglob("*"))
    }


def leftovers(before: dict[str, int], after: dict[str, int], *, goes_on: bool) -> str:
    """What a refusal left behind or changed; of a run that was gone on with, what is half written."""
    if goes_on:
        return " ".join(name for name in after if WROTE_HALF.search(name) and name not in before)
    return " ".join(
        sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    )


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooLong in the block when the time is over; where there is no SIGALRM, never."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(*_: object) -> None:
        raise TooLong

    earlier = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


def in_own_process(kind: Kind, case: Path) -> Outcome:
    """The same in a forked process: a crash or a hang in compiled code ends that one only."""
    answer, question = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(answer)
        signal.alarm(0)
        with contextlib.suppress(BaseException):
            end = attempt(kind, case)
            os.write(question, json.dumps([end.end, end.words[-30_000:], end.result]).encode())
        os._exit(0)
    os.close(question)
    told = b""
    try:
        with time_limit(LIMIT_S + 10), os.fdopen(answer, "rb") as pipe:
            told = pipe.read()
    except TooLong:
        os.kill(child, signal.SIGKILL)
        return Outcome(End.HANG, f"longer than {LIMIT_S + 10:g} s in compiled code")
    finally:
        _, status = os.waitpid(child, 0)
    if not told:
        return Outcome(End.TRACEBACK, f"the process crashed: signal {os.WTERMSIG(status)}")
    end, words, result = json.loads(told)
    return Outcome(End(end), words, result)


def by_command(kind: Kind, case: Path) -> Outcome:
    """The same by the real command line."""
    assert kind.command is not None
    before = contents(case)
    words = [sys.executable, "-m", *map(str, kind.command(case))]
    try:
        done = subprocess.run(
            words, cwd=case, capture_output=True, check=False, text=True, timeout=COMMAND_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return Outcome(End.HANG, f"longer than {COMMAND_LIMIT_S:g} s: {' '.join(words)}")
    said = done.stdout + done.stderr
    if "Traceback (most recent call last)" in said or done.returncode not in (0, 1, 2):
        return Outcome(End.TRACEBACK, f"exit code {done.returncode}\n{said}")
    if done.returncode == 0:
        return Outcome(End.OTHER, said)
    if done.returncode == 1 and "failed:" not in said:  # one movie of a plate may fail
        return Outcome(End.TRACEBACK, f"exit code 1\n{said}")
    left = leftovers(before, contents(case), goes_on=kind.goes_on or done.returncode == 1)
    return Outcome(End.LEFTOVER, f"{left} after: {said}") if left else Outcome(End.ERROR, said)


def run(
    chosen: Sequence[Kind], *, runs: int, seed: int, folder: Path, verbose: bool = False
) -> tuple[Counter, list[str]]:
    """Damage and read, each kind as often as the others.

    Returns:
        How often each kind ended how, and a paragraph for each mistake.
    """
    counts: Counter = Counter()
    mistakes: list[str] = []
    results: dict[str, str] = {}
    case = folder / "case"
    whole = {}
    for number, kind in enumerate(chosen):
        # Made where it is read: a run knows where its movie was.
        whole[kind.name] = make(kind, case).rename(folder / str(number))
    begun = time.monotonic()
    for n in range(runs):
        kind = chosen[n % len(chosen)]
        if kind.name not in results:
            case_of(kind, whole[kind.name], case, None)
            first = in_own_process(kind, case)
            results[kind.name] = first.result
            if first.end is not End.OTHER:
                counts[kind.name, End.TRACEBACK] += 1
                mistakes.append(f"### {kind.name}, whole: {first.end}\n{first.words}")
        one = seed + n // len(chosen)
        _, what = case_of(kind, whole[kind.name], case, one)
        real = kind.command is not None and rng_of(kind, one).random() < 1 / COMMAND_EVERY
        outcome = by_command(kind, case) if real else in_own_process(kind, case)
        if real and outcome.end is End.OTHER:  # a command that ran does not say what it read
            case_of(kind, whole[kind.name], case, one)
            outcome = in_own_process(kind, case)
        end = outcome.end
        if end is End.OTHER and outcome.result == results[kind.name]:
            end = End.SAME
        if real:
            counts["by the command line, of these", end] += 1
        counts[kind.name, end] += 1
        if end in MISTAKES:
            how = ", by the command line" if real else ""
            again = f"--only '{kind.name}' --runs 1 --seed {one}"
            mistakes.append(f"### {end}{how}: {again}\n{what}\n{outcome.words.strip()}")
        if verbose:
            words = f"{kind.name} {one} {what} -> {end}{' !' * real} {outcome.words[:300]}"
            print(f"{n} {time.monotonic() - begun:.0f} s {words}", file=sys.stderr)
    return counts, mistakes


def table(counts: Counter) -> str:
    """Markdown: a row a kind, and their sum."""
    kinds = list(dict.fromkeys(kind for kind, _ in counts))
    real = [k for k in kinds if k.startswith("by the command line")]
    rows = [*(k for k in kinds if k not in real)]
    lines = [f"| input | runs | {' | '.join(End)} |", "|---|" + "---|" * (len(End) + 1)]
    for kind in rows:
        lines.append(_row(kind, [counts[kind, e] for e in End]))
    lines.append(_row("**all**", [sum(counts[k, e] for k in rows) for e in End]))
    lines += [_row(k, [counts[k, e] for e in End]) for k in real]
    return "\n".join(lines)


def _row(name: str, numbers: Sequence[int]) -> str:
    return f"| {name} | {sum(numbers)} | {' | '.join(map(str, numbers))} |"


def ready() -> None:
    """Load once what every forked process would load again, and leave no threads to be forked."""
    import torch

    for name in HEAVY:
        importlib.import_module(name)
    torch.set_num_threads(1)


def main() -> int:
    """Run, print the table and the mistakes."""
    from fuzz_inputs import kinds

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", default="", help="kinds whose names contain one of these words, with commas"
    )
    parser.add_argument("--verbose", action="store_true", help="a line for each run, to standard error")
    args = parser.parse_args()
    only = [word.strip() for word in args.only.split(",") if word.strip()] if args.only else []
    chosen = [k for k in kinds() if not only or args.only == k.name or any(w in k.name for w in only)]
    if any(args.only == k.name for k in chosen):
        chosen = [k for k in chosen if args.only == k.name]
    if not chosen:
        parser.error(f"no such kind; there are {', '.join(k.name for k in kinds())}")
    ready()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts, mistakes = run(
            chosen, runs=args.runs, seed=args.seed, folder=Path(folder), verbose=args.verbose
        )
    print(f"    python benchmarks/fuzz.py {' '.join(sys.argv[1:])}\n")
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{(time.monotonic() - begun) / 60:.0f} min.\n"
    )
    print(table(counts))
    for mistake in mistakes:
        print(f"\n{mistake}")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
