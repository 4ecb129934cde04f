"""A sample of mitoses, judged blind: what the page may ask for, and what may be said.

The page gets films by number and nothing else: no movie, no dose, no verdict, nobody else's judgements. How
far people agree is said by `python -m pipelines.dose`, when they are done.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from lineage import __version__
from lineage.corrections import journal, sample
from lineage.corrections.lines import Verdict, make
from lineage.io.integrity import reading
from lineage.report import strips
from lineage.review.security import Refused
from lineage.schema import Decision, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lineage.corrections.sample import Item, Sample

MODE = "sample"
TILE_PX = 160  # of a film: crops are shown large


class Who(BaseModel):
    """Somebody."""

    model_config = ConfigDict(extra="forbid")

    who: str


class Said(Who):
    """What they say of a mitosis."""

    verdict: Decision
    why: str = ""


@dataclass(frozen=True)
class Judging:
    """A sample that is being judged."""

    folder: Path
    sample: Sample

    def item(self, index: int) -> Item:
        """One mitosis."""
        if not 0 <= index < len(self.sample.items):
            raise Refused(404, f"there is no mitosis {index}: there are {len(self.sample.items)}, from 0")
        return self.sample.items[index]

    def judged(self, who: str) -> dict[int, Verdict]:
        """Index -> what this person said of it, and of nothing else."""
        with _refusing():
            return sample.judged(self.folder, self.sample, who)

    def add(self, index: int, said: dict[str, Any], *, who: str, why: str = "") -> None:
        """Write a line about a mitosis."""
        item = self.item(index)
        with _refusing():
            path = sample.lines_path(self.folder, who, item.movie)
            line = make(said, who=" ".join(who.split()), why=why)
        path.parent.mkdir(parents=True, exist_ok=True)
        journal.append(path, line)


@contextmanager
def _refusing() -> Iterator[None]:
    """What cannot be said is the asking page's mistake, and one line."""
    try:
        yield
    except InputError as error:
        raise Refused(400, str(error)) from None


def router_of(folder: Path, *, who: str = "", read_only: bool = False) -> APIRouter:
    """Everything under `/api` where a sample is judged.

    Args:
        folder: of `python -m pipelines.dose sample`.
        who: whose name the page offers.
        read_only: nothing can be said.

    Raises:
        InputError: it is no sample.
    """
    judging = Judging(folder, sample.read(folder))
    api = APIRouter()

    def check_writable() -> None:
        if read_only:
            raise Refused(403, "the server was started with --read-only: nothing can be judged")

    @api.get("/session")
    def session() -> dict[str, Any]:
        return {"mode": MODE, "read_only": read_only, "who": who, "version": __version__}

    @api.get("/sample")
    def items(who: str) -> dict[str, Any]:
        said = judging.judged(who)
        rows = [
            {"index": i, "side_um": item.side_um, "judged": said[i].verdict if i in said else None}
            for i, item in enumerate(judging.sample.items)
        ]
        return {"n": len(rows), "items": rows}

    @api.get("/sample/{index}/film.png")
    def film(index: int) -> Response:
        judging.item(index)
        path = sample.crop(folder, index)
        with reading(path, "draw the sample anew"):
            return Response(strips.film(path, TILE_PX), media_type="image/png")

    @api.post("/sample/{index}")
    def judge(index: int, said: Said) -> dict[str, Any]:
        check_writable()
        event = judging.item(index).event.model_dump()
        what = {"what": "verdict", "event": event, "verdict": said.verdict}
        judging.add(index, what, who=said.who, why=said.why)
        return {"index": index, "judged": said.verdict}

    @api.post("/sample/{index}/undo")
    def undo(index: int, said: Who) -> dict[str, Any]:
        check_writable()
        judging.item(index)
        line = judging.judged(said.who).get(index)
        if line is None:
            raise Refused(404, f"of mitosis {index} nothing was said that could be taken back")
        judging.add(index, {"what": "undo", "line": line.id}, who=said.who)
        before = judging.judged(said.who).get(index)
        return {"index": index, "judged": before.verdict if before else None}

    return api
