"""What the page says -> a line of `corrections.jsonl`, or a place in a frame; all else is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.requests import Request  # noqa: TC002

from lineage.corrections.lines import Nucleus, make
from lineage.review.security import Refused
from lineage.schema import InputError

if TYPE_CHECKING:
    from lineage.review.movie import Movie


async def body(request: Request) -> dict[str, Any]:
    """What a request says; pydantic checks what of it is meant to be kept."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no number")

    try:
        found = json.loads(await request.body(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"no JSON ({error})") from None
    if not isinstance(found, dict):
        raise Refused(400, "wanted is a JSON object")
    return found


def line_of(movie: Movie, said: dict[str, Any], *, who: str) -> Any:
    """A new line from what the page says.

    Args:
        movie: that it is about.
        said: `say`, and `who` and `why` where they are given.
        who: says it, where nobody is named.
    """
    if unknown := set(said) - {"say", "who", "why"}:
        raise Refused(400, f"unknown: {', '.join(sorted(unknown))[:100]}; known are say, who, why")
    if not isinstance(said.get("say"), dict):
        raise Refused(400, "wanted is what you say, as `say`")
    try:
        line = make(said["say"], who=said.get("who") or who, why=said.get("why") or "")
    except InputError as error:
        raise Refused(400, str(error)) from None
    _check_line(movie, line)
    return line


def _check_line(movie: Movie, line: Any) -> None:
    """Raise Refused if a line is about what this movie does not have."""
    n_frames = len(movie.tables.usable)
    for frame in _numbers_of_frames(as_dict(line)):
        if frame >= n_frames:
            raise Refused(400, f"frame {frame} of a movie of {n_frames} frames, from 0")
    if line.what == "undo" and line.line not in {known.id for known in movie.journal.lines}:
        raise Refused(400, "there is no such line to undo")


def _numbers_of_frames(said: Any) -> list[int]:
    if isinstance(said, list):
        return [t for item in said for t in _numbers_of_frames(item)]
    if isinstance(said, dict):
        own = [said["frame"]] if "frame" in said else []
        return own + [t for value in said.values() for t in _numbers_of_frames(value)]
    return []


def as_dict(line: Any) -> dict[str, Any]:
    """A line of the file, as plain values."""
    found: dict[str, Any] = line.model_dump(mode="json", exclude_none=True)
    return found


def place_of(movie: Movie, said: dict[str, Any]) -> Nucleus:
    """A place in a frame of a movie.

    Args:
        movie: the one.
        said: `frame, y_px, x_px`.
    """
    try:
        place = Nucleus.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Refused(400, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    check_number(place.frame, len(movie.tables.usable), "frame")
    return place


def check_number(i: int, n: int, what: str) -> None:
    """Refuse a number that a movie does not have."""
    if not 0 <= i < n:
        raise Refused(404, f"there is no {what} {i}: there are {n}, from 0")
