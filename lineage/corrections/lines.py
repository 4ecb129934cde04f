"""The lines of `corrections.jsonl`: what may be said, each a checked record."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from lineage.schema import ABNORMAL_SUBTYPES, Decision, EventType, InputError, Subtype

MAX_DAUGHTERS = 4

_Pixels = Annotated[float, Field(allow_inf_nan=False, ge=-1e5, le=1e6)]
_Frame = Annotated[int, Field(ge=0, le=10_000_000)]
_Point = tuple[_Pixels, _Pixels]  # y, x
_PRINTED = r"^\P{Cc}*$"  # words are shown in terminals, which take control characters for commands


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Nucleus(_Form):
    """A nucleus, by where it lies: its centre, or any point near it, in pixels of that frame's image."""

    frame: _Frame
    y_px: _Pixels
    x_px: _Pixels


class Event(_Form):
    """An event, by the last nucleus of its mother before it; of a death, a nucleus of the dying cell."""

    mother: Nucleus
    frame: _Frame
    event_type: EventType = EventType.MITOSIS


class _Line(_Form):
    """What all lines have."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    at: Annotated[str, Field(max_length=40)]  # when, UTC, ISO 8601
    who: Annotated[str, Field(min_length=1, max_length=80, pattern=_PRINTED)]
    why: Annotated[str, Field(max_length=500, pattern=_PRINTED)] = ""


class _Judged(_Line):
    verdict: Decision
    subtype: Subtype | None = None  # of an abnormal one, where the person says more

    @model_validator(mode="after")
    def _of_one_kind(self) -> Any:
        if self.subtype and (self.verdict is not Decision.ABNORMAL or self.subtype not in ABNORMAL_SUBTYPES):
            raise ValueError(f"{self.subtype} is no kind of mitosis with the verdict {self.verdict}")
        return self


class Verdict(_Judged):
    """What this mitosis is."""

    what: Literal["verdict"] = "verdict"
    event: Event

    @model_validator(mode="after")
    def _of_a_mitosis(self) -> Verdict:
        if self.event.event_type is not EventType.MITOSIS:
            raise ValueError(f"a verdict is one on a mitosis; this is a {self.event.event_type}")
        return self


class Division(_Line):
    """These are the daughters of that one."""

    what: Literal["division"] = "division"
    mother: Nucleus  # the last in which she is one
    daughters: Annotated[tuple[Nucleus, ...], Field(min_length=2, max_length=MAX_DAUGHTERS)]

    @model_validator(mode="after")
    def _in_order(self) -> Division:
        if any(d.frame <= self.mother.frame for d in self.daughters):
            raise ValueError("daughters are seen after their mother's last frame")
        return self


class NoDivision(_Line):
    """Here nothing divides."""

    what: Literal["no_division"] = "no_division"
    mother: Nucleus


class _Pair(_Line):
    before: Nucleus
    after: Nucleus

    @model_validator(mode="after")
    def _in_order(self) -> Any:
        if self.after.frame <= self.before.frame:
            raise ValueError("the second nucleus is in a later frame than the first")
        return self


class Cut(_Pair):
    """The second is not the first, seen again, nor does it come from it."""

    what: Literal["cut"] = "cut"


class Join(_Pair):
    """The second is the first, seen again."""

    what: Literal["join"] = "join"


class Fusion(_Line):
    """These two became that one."""

    what: Literal["fusion"] = "fusion"
    parents: tuple[Nucleus, Nucleus]
    fused: Nucleus

    @model_validator(mode="after")
    def _in_order(self) -> Fusion:
        if any(p.frame >= self.fused.frame for p in self.parents):
            raise ValueError("the fused nucleus is in a later frame than both parents")
        return self


class Death(_Line):
    """This cell dies here: the nucleus is its last."""

    what: Literal["death"] = "death"
    nucleus: Nucleus


class NoDeath(_Line):
    """This cell does not die."""

    what: Literal["no_death"] = "no_death"
    nucleus: Nucleus


class Mitosis(_Judged):
    """Here is a mitosis that nobody proposed, and after which one cell is seen."""

    what: Literal["mitosis"] = "mitosis"
    nucleus: Nucleus
    verdict: Decision = Decision.UNDECIDED


class FalseNuclei(_Line):
    """These are no nuclei: their outlines are deleted."""

    what: Literal["false_nuclei"] = "false_nuclei"
    nuclei: Annotated[tuple[Nucleus, ...], Field(min_length=1, max_length=2000)]


class MergeOutlines(_Line):
    """These outlines are pieces of one nucleus."""

    what: Literal["merge_outlines"] = "merge_outlines"
    nuclei: Annotated[tuple[Nucleus, ...], Field(min_length=2, max_length=8)]

    @model_validator(mode="after")
    def _one_frame(self) -> MergeOutlines:
        if len({n.frame for n in self.nuclei}) > 1:
            raise ValueError("outlines that are merged lie in one frame")
        return self


class SplitOutline(_Line):
    """This outline holds two nuclei, on either side of a line through it."""

    what: Literal["split_outline"] = "split_outline"
    nucleus: Nucleus
    line: Annotated[tuple[_Point, ...], Field(min_length=2, max_length=50)]  # y, x; pixels


class DrawOutline(_Line):
    """Here is a nucleus that has no outline."""

    what: Literal["draw_outline"] = "draw_outline"
    frame: _Frame
    polygon: Annotated[tuple[_Point, ...], Field(min_length=3, max_length=500)]  # y, x; pixels


class Right(_Line):
    """Somebody looked at this nucleus and what is said of its cell here: nothing is to be corrected."""

    what: Literal["right"] = "right"
    nucleus: Nucleus


class Undo(_Line):
    """That line does not hold; the undo of an undo makes it hold again."""

    what: Literal["undo"] = "undo"
    line: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


OfOutlines = FalseNuclei | MergeOutlines | SplitOutline | DrawOutline
OfTracks = Division | NoDivision | Cut | Join | Fusion | Death | NoDeath
OfEvents = Verdict | Mitosis
Line = Annotated[OfOutlines | OfTracks | OfEvents | Right | Undo, Field(discriminator="what")]
_LINE: TypeAdapter[Any] = TypeAdapter(Line)


def make(said: dict[str, Any], *, who: str, why: str = "") -> Line:
    """A new line, with its own id and the time of day.

    Args:
        said: `what` and what that needs; nothing else.
        who: says so.
        why: in their words.

    Raises:
        InputError: it says nothing that a line can say.

    >>> line = make({"what": "no_division", "mother": {"frame": 3, "y_px": 20.5, "x_px": 9}}, who="anna")
    >>> line.what, line.mother.frame, parse(dumps(line)) == line
    ('no_division', 3, True)
    """
    if taken := {"id", "at", "who", "why"} & set(said):
        raise InputError(f"a correction may not set {', '.join(sorted(taken))} itself")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return _checked(said | {"id": uuid.uuid4().hex, "at": now, "who": who, "why": why})


def parse(text: str) -> Line:
    """A line of the file.

    Raises:
        InputError: it is none.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON ({error})") from None
    return _checked(found)


def dumps(line: Line) -> str:
    """A line as the file has it, without its line break."""
    return line.model_dump_json(exclude_none=True)


def _checked(found: Any) -> Line:
    try:
        return _LINE.validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(k) for k in first["loc"])
        raise InputError(f"no correction: {place + ': ' if place else ''}{first['msg']}") from None
