"""A folder of mitoses that people judge, blind to dose and verdict: what is in it, and what they said.

    sample.json                     the mitoses, in the order in which they are shown
    crops/0000.tif, ...             their crops, in the same order
    judgements/anna/A1_p1.jsonl     what Anna said of those of one movie, as lines of `corrections.jsonl`

Neither dose nor verdict is in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lineage.corrections import journal
from lineage.corrections.lines import Event, Verdict
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

RECORD, CROPS, JUDGEMENTS = "sample.json", "crops", "judgements"
FORMAT: Literal["mitosis-sample"] = "mitosis-sample"
VERSION: Literal[1] = 1
LONGEST_NAME = 200  # of a file; systems allow 255


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(_Form):
    """A mitosis to be judged."""

    movie: Annotated[str, Field(pattern=r"^[^/\\\x00]+$")]  # it names a file
    event_id: Annotated[int, Field(ge=0)]  # in the run that it was drawn from
    event: Event  # what it is found by in any other
    side_um: Annotated[float, Field(ge=0, allow_inf_nan=False)]  # of its crop


class Sample(_Form):
    """The mitoses of a sample, in the order in which they are shown."""

    format: Literal["mitosis-sample"] = FORMAT
    format_version: Literal[1] = VERSION
    items: tuple[Item, ...]


def read(folder: Path) -> Sample:
    """What is to be judged.

    Raises:
        InputError: no such folder, or something else in it.
    """
    path = folder / RECORD
    if not path.is_file():
        raise InputError(
            f"{folder} is no sample: it has no {RECORD}; give the folder that `python -m pipelines.dose "
            "sample` wrote"
        )
    try:
        return Sample.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path} is no sample: {place + ': ' if place else ''}{first['msg']}") from None


def dumps(sample: Sample) -> str:
    """A sample as `sample.json` has it."""
    return json.dumps(sample.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def crop(folder: Path, index: int) -> Path:
    """Where the crop of the mitosis with that index lies."""
    return folder / CROPS / f"{index:04d}.tif"


def raters(folder: Path) -> list[str]:
    """Who has judged something, by name."""
    found = {path.parent.name for path in (folder / JUDGEMENTS).glob("*/*.jsonl")}
    return sorted(unquote(name) for name in found)


def lines_path(folder: Path, who: str, movie: str) -> Path:
    """Where a person's lines on a movie's mitoses stand. Anna and anna are one person.

    Raises:
        InputError: the name is empty, or too long for a file.

    >>> from pathlib import Path
    >>> lines_path(Path("s"), "Anna / B.", "A1_p1").as_posix()
    's/judgements/anna%20%2F%20b%2E/A1_p1.jsonl'
    """
    rater = quote(" ".join(who.split()).casefold(), safe="").replace(".", "%2E")  # no name is `..`
    if not 0 < len(rater) <= LONGEST_NAME:
        raise InputError("give a name to judge under, and no long one")
    return folder / JUDGEMENTS / rater / f"{movie}.jsonl"


def n_unreadable(folder: Path) -> int:
    """How many lines of all people's cannot be read: cut off by a crash, or edited."""
    return sum(len(journal.read(path).unreadable) for path in (folder / JUDGEMENTS).glob("*/*.jsonl"))


def judged(folder: Path, sample: Sample, who: str) -> dict[int, Verdict]:
    """What a person says of the mitoses: index -> the last line that stands."""
    at = {(item.movie, item.event): index for index, item in enumerate(sample.items)}
    found = {}
    for movie in dict.fromkeys(item.movie for item in sample.items):
        for line in journal.read(lines_path(folder, who, movie)).standing:
            if isinstance(line, Verdict) and (movie, line.event) in at:
                found[at[movie, line.event]] = line
    return found
