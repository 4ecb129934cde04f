"""Faults while movies are run: `python benchmarks/faults.py [--times 100] [--seed 1] [--only kill,disk]`.

Each fault (`faults_cases.py`) is done to real processes of `python -m lineage.run` or `python -m
pipelines.plate` on a small part of the example movie. A run that was disturbed may end as if it had not been,
or with one clear line and a documented exit code; given again, it must come to the same bytes as one that was
left alone, but for times and memory (`faults_runs.OF_THE_RUN`). Prints a table, and what went wrong with the
words that repeat it. Needs Linux; what needs root (mounting) is left out with a word where we are not.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from faults_cases import FAULTS, Fault
from faults_runs import Ending, Skipped, World, Wrong

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_WORDS = 3000  # of what one wrong case said


def times_of(fault: Fault, times: int) -> int:
    """How often a fault is done, of so many kills: in proportion, once at least."""
    return fault.cases or max(1, round(fault.share * times))


def attempt(fault: Fault, world: World, seed: int, number: int) -> Ending:
    """Do a fault once."""
    rng = np.random.default_rng([seed, number, *fault.name.encode()])
    name = "".join(c if c.isalnum() else "_" for c in fault.name)
    at = world.folder / f"{name}_{number}"
    try:
        ending = fault.do(world, at.name, rng, number)
    except Skipped:
        raise
    except Wrong as wrong:
        ending = Ending(wrong=str(wrong)[-MOST_WORDS:])
    except Exception:  # of the benchmark itself: as bad
        ending = Ending(wrong=traceback.format_exc()[-MOST_WORDS:])
    if not ending.wrong:
        shutil.rmtree(at, ignore_errors=True)
        for said in world.folder.glob(f"{at.name}.*"):
            said.unlink(missing_ok=True)
    return ending


def do(
    chosen: Sequence[Fault], *, times: int, seed: int, world: World, at_once: int, verbose: bool
) -> dict[str, list[Ending] | str]:
    """Do every fault so often; a word in place of the endings where it cannot be done here."""
    found: dict[str, list[Ending] | str] = {}
    begun = time.monotonic()

    def one(fault: Fault, number: int) -> Ending:
        ending = attempt(fault, world, seed, number)
        if verbose or ending.wrong:
            words = f"WRONG: {ending.wrong}" if ending.wrong else f"{ending.same} {ending.line}"
            print(f"{time.monotonic() - begun:.0f} s {fault.name} {number}: {words}", file=sys.stderr)
        return ending

    with ThreadPoolExecutor(at_once) as pool:
        futures = {f.name: [pool.submit(one, f, n) for n in range(times_of(f, times))] for f in chosen}
        for name, some in futures.items():
            try:
                found[name] = [future.result() for future in some]
            except Skipped as skipped:
                found[name] = str(skipped)
    return found


def table(found: dict[str, list[Ending] | str]) -> str:
    """Markdown: a row a fault."""
    lines = ["| fault | times | the same bytes | one clear line | wrong |", "|---|---|---|---|---|"]
    total = np.zeros(4, int)
    for name, endings in found.items():
        if isinstance(endings, str):
            lines.append(f"| {name} | left out: {endings} | | | |")
            continue
        counts = [
            len(endings),
            *(sum(bool(getattr(e, k)) for e in endings) for k in ("same", "line", "wrong")),
        ]
        total += counts
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return "\n".join([*lines, f"| **all** | {' | '.join(map(str, total))} |"])


def main() -> int:
    """Do the faults, print the table and what went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=100, help="kills; the others in proportion")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="faults whose names contain one of these, with commas")
    parser.add_argument("--at-once", type=int, default=1, help="cases at a time")
    parser.add_argument("--verbose", action="store_true", help="a line for each case, to standard error")
    args = parser.parse_args()
    only = [word.strip() for word in args.only.split(",") if word.strip()]
    chosen = [f for f in FAULTS if not only or any(w in f.name for w in only)]
    if not chosen:
        parser.error(f"no such fault; there are {', '.join(f.name for f in FAULTS)}")
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    found = do(
        chosen, times=args.times, seed=args.seed, world=World(folder), at_once=args.at_once,
        verbose=args.verbose,
    )  # fmt: skip
    print(f"    python benchmarks/faults.py {' '.join(sys.argv[1:])}\n")
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{(time.monotonic() - begun) / 60:.0f} min.\n"
    )
    print(table(found))
    wrong = [(n, k, e.wrong) for n, some in found.items() if not isinstance(some, str)
             for k, e in enumerate(some) if e.wrong]  # fmt: skip
    for name, number, words in wrong:
        print(f"\n### {name}, number {number}\n{words}")
    if wrong:
        print(f"\nWhat they left is in {folder}.")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
