"""A question about statistical power -> the answer, on the screen and as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lineage.io.files import write_table
from lineage.progress import Screen
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from lineage.simulate.settings import Settings

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Question:
    """The options of `python -m pipelines.dose power`, as they are given."""

    doses: str
    difference: float | None
    wells: str
    positions: str
    hours: str
    target: float
    cell_line: str
    founders: int
    well_sd: float
    position_sd: float
    pool: int
    plates: int
    seed: int


def needed(question: Question, *, out: Path | None, screen: Screen | None = None) -> None:
    """Simulate wells, draw plates of every design from them, and print their power.

    Args:
        question: the options of the command.
        out: a CSV for the table; None to print only.
        screen: where the answer is printed.

    Raises:
        InputError: a list or number cannot be used.
    """
    from pipelines.dose.power import dose_for, grow_pool, power_table, smallest_design

    screen = screen or Screen()
    q = question
    settings = _settings(q)
    doses, hours = numbers("--doses", q.doses, float), numbers("--hours", q.hours, float)
    wells, positions = numbers("--wells", q.wells, int), numbers("--positions", q.positions, int)
    if min(wells) < 2:
        raise InputError(f"--wells {q.wells}: with one well a dose nothing can be tested; give 2 or more")
    if min(positions) < 1 or min(hours) < 1:
        raise InputError("--positions and --hours start at 1")
    if q.difference is not None:
        doses = [0.0, dose_for(settings, q.difference, hours=max(hours))]
        screen.log(
            f"{doses[1]:g} Gy add about {q.difference:g} to the fraction abnormal within {max(hours):g} h"
        )
    if len(set(doses)) < 2 or max(doses) > 50 or min(doses) < 0:
        raise InputError(f"--doses {q.doses}: wanted two or more, from 0 to 50 Gy")
    with screen.stage("grow") as progress:
        pool = grow_pool(
            settings,
            doses,
            hours,
            founders=q.founders,
            wells=q.pool,
            positions=max(positions),
            progress=progress,
        )
    rng = np.random.default_rng([q.seed, 1])
    with screen.stage("draw"):
        table = power_table(pool, wells=wells, positions=positions, plates=q.plates, rng=rng)
    longest = zip(doses, pool.fractions(max(hours)), strict=True)
    screen.log("fraction abnormal: " + ", ".join(f"{f:.3f} at {d:g} Gy" for d, f in longest))
    for line in grid(table):
        screen.log(line)
    screen.log(smallest_design(table, q.target))
    if out:
        write_table(table, out)


def grid(table: pd.DataFrame) -> Iterator[str]:
    """Power as lines of text: a line for hours and positions, a column for wells."""
    from pipelines.dose.power import positions_words

    by = table.pivot_table("power", ["hours", "positions"], "wells")
    yield f"{'power':24}" + "".join(f"{wells:>4} wells" for wells in by.columns)
    for (hours, positions), powers in zip(by.index.tolist(), by.to_numpy().tolist(), strict=True):
        name = f"{hours:g} h, {positions_words(positions)}"
        yield f"{name:24}" + "".join(f"{power:>10.2f}" for power in powers)


def numbers(name: str, text: str, kind: Callable[[str], Number]) -> list[Number]:
    """A list with commas.

    Args:
        name: of the option, for the message.
        text: as it was given.
        kind: int or float.

    Raises:
        InputError: it holds something else.

    >>> numbers("--wells", "2, 3", int)
    [2, 3]
    """
    try:
        return [kind(part.strip()) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{name} {text}: wanted numbers with commas between them") from error


def _settings(q: Question) -> Settings:
    from lineage.simulate.settings import CellLine, Settings

    if q.cell_line not in {line.value for line in CellLine}:
        raise InputError(f"--cell-line {q.cell_line}: the simulator knows {', '.join(CellLine)}")
    return Settings(
        cell_line=CellLine(q.cell_line), well_sd=q.well_sd, position_sd=q.position_sd, seed=q.seed
    )
