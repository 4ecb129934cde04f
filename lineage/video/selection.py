"""What a user chose of a file: which position, which planes of z, what its axes are."""

from __future__ import annotations

from dataclasses import dataclass

from lineage.schema import InputError

Z_WORDS = ("max", "mean", "focus")
_AXES = "TCZYX"


@dataclass(frozen=True)
class Selection:
    """What was chosen, checked in itself; whether a file has it is for its reader to say.

    Every reader has two functions: `positions(path)` lists what a file holds, and
    `read_X(path, number, selection)` opens one of those, by its number in that list; None stands for the
    only one. A reader uses `z` and `axes` of the selection (`axes.read_axes`, `zplanes.over_planes`);
    `position` and `well` are settled before, by `places.choose_position`.
    """

    position: str | int | None = None  # a name or a number, as listed
    well: str | None = None
    z: str | int | None = None  # one of Z_WORDS, or a plane, from 0
    axes: str | None = None  # letters of T, C, Z, Y, X in the order of the file

    def __post_init__(self) -> None:
        object.__setattr__(self, "z", _read_z(self.z))
        if self.axes is not None:
            object.__setattr__(self, "axes", _read_axes(self.axes))

    @property
    def words(self) -> tuple[str, ...]:
        """What of it changes the pixels that come out of a file, for the record of a run."""
        return tuple(f"{k}={v}" for k, v in (("z", self.z), ("axes", self.axes)) if v is not None)


def _read_z(given: str | int | None) -> str | int | None:
    """A word or a plane.

    >>> _read_z("MAX"), _read_z("3")
    ('max', 3)
    """
    if given is None:
        return None
    text = str(given).strip().lower()
    if text in Z_WORDS:
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    words = ", ".join(Z_WORDS)
    raise InputError(f"--z {given} is not known; wanted is {words}, or the number of a plane, from 0")


def _read_axes(given: str) -> str:
    axes = given.strip().upper()
    if set(axes) <= set(_AXES) and len(set(axes)) == len(axes) and axes.endswith("YX"):
        return axes
    raise InputError(
        f"--axes {given} is not known; wanted are letters of T, C, Z, Y and X, each at most once, "
        "in the file's order, as TCYX"
    )


NO_CHOICE = Selection()
