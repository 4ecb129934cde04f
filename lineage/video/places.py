"""What the positions of a file are called, and which of them is meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lineage.schema import InputError
from lineage.video.arrange import Position
from lineage.video.names import Kind, read_name
from lineage.video.source import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineage.video.selection import Selection

ALL = "all"  # what --position takes for every one of them


def choose_position(found: Sequence[Position], selection: Selection, name: str) -> int:
    """The number of the position to read.

    A position goes by its name, by what it is called within a given well, or by its number in the list, from
    0; the last only where the names are no numbers themselves.

    Args:
        found: those that there are.
        selection: what the user chose.
        name: of the movie, for the message.

    Returns:
        An index of `found`.

    Raises:
        InputError: there are several and none is chosen, or the chosen one is not there.
    """
    hits = choose_positions(found, selection, name)
    if len(hits) == 1:
        return hits[0]
    names = listed((found[i].name for i in hits), max_items=12)
    where = f"{name} at {_given(selection)}" if _given(selection) else name
    first = found[hits[0]].name
    raise InputError(
        f"{where} holds {len(hits)} positions ({names}); choose one with --position {first}, "
        "or all with --position all, or let `python -m pipelines.plate map` draft a row for each"
    )


def choose_positions(found: Sequence[Position], selection: Selection, name: str) -> list[int]:
    """The numbers of all positions that a selection may mean; all that there are where nothing is chosen.

    Args:
        found: those that there are.
        selection: what the user chose; `all` stands for every position, or for all of the given well.
        name: of the movie, for the message.

    Returns:
        Indices of `found`, at least one.

    Raises:
        InputError: the chosen one is not there.
    """
    if hits := _matching(found, selection):
        return hits
    what = f"the positions {listed((p.name for p in found), max_items=12)}"
    if len(found) == 1:
        what = f"one position only: leave --{'position' if selection.position is not None else 'well'} out"
    raise InputError(f"{_given(selection)} is not there: {name} holds {what}")


def _given(selection: Selection) -> str:
    given = (("well", selection.well), ("position", selection.position))
    return " and ".join(f"--{option} {value}" for option, value in given if value is not None)


def _matching(found: Sequence[Position], selection: Selection) -> list[int]:
    """The numbers of the positions that a selection may mean; all of them where nothing is chosen."""
    every = list(range(len(found)))
    if selection.well is not None:
        every = [i for i in every if found[i].well and well_name(found[i].well) == well_name(selection.well)]
    if selection.position is None or selection.position == ALL:
        return every
    wanted = plain_name(str(selection.position)).lower()
    by_name = [i for i in every if plain_name(found[i].name).lower() == wanted != ""]
    if selection.well is None:
        other = [i for i in every if found[i].well and well_name(found[i].well) == well_name(wanted)]
    else:
        other = [i for i in every if plain_name(found[i].position).lower() == wanted != ""]
    if by_name or other:
        return by_name or other
    numbered = len(found) > 1 and wanted.isdigit() and not any(p.name.isdigit() for p in found)
    return [i for i in every if numbered and i == int(wanted)]


def name_positions(stated: Sequence[tuple[str, str, str]]) -> list[Position]:
    """Positions of one file, each with a name that no other has and that may be part of a file's name.

    A position without a name of its own goes by its well and its place in it, or by its number, from 0.

    Args:
        stated: name, well and position in the well, each as the file has it, "" where it has none.

    >>> [p.name for p in name_positions([("a/b", "", ""), ("a b", "", ""), ("", "A1", "2"), ("", "", "")])]
    ['a-b', 'a-b_1', 'A1_2', '3']
    """
    if len(stated) == 1:
        return [Position("", *stated[0][1:])]
    found: list[Position] = []
    for number, (name, well, position) in enumerate(stated):
        called = plain_name(name) or plain_name("_".join(filter(None, (well, position))) if well else "")
        called = called or str(number)
        taken = {p.name.lower() for p in found}
        while called.lower() in taken or called.lower() == ALL:
            called = f"{called}_{number}"
        found.append(Position(called, well, position))
    return found


def place_of(name: str) -> tuple[str, str]:
    """The well and the position in it that a name tells, "" where it does not.

    >>> place_of("A01_0003"), place_of("Well B2, field 4"), place_of("Point 7")
    (('A1', '3'), ('B2', '4'), ('', ''))
    """
    fields = read_name(name)
    wells = [well_name(f.value) for f in fields if f.kind is Kind.WELL]
    within = [f.value for f in fields if f.kind is Kind.POSITION]
    if wells and not within:
        within = [f.value for f in fields if f.kind is Kind.NUMBER]
    position = within[0] if len(within) == 1 else ""
    return wells[0] if len(wells) == 1 else "", str(int(position)) if position.isdigit() else position


def plain_name(name: str) -> str:
    """A name without what a file's name may not hold.

    >>> plain_name("Well A/1: field 2.")
    'Well-A-1-field-2'
    """
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.")


def well_name(well: str) -> str:
    """A well's name in one spelling.

    >>> well_name("a01"), well_name("A/1")
    ('A1', 'A1')
    """
    plain = re.sub(r"[\s/_-]+", "", well).upper()
    numbered = re.fullmatch(r"([A-Z]+)0*(\d+)", plain)
    return f"{numbered[1]}{numbered[2]}" if numbered else plain
