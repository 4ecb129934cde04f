"""The server of the page: what it may ask for, and what may be said. See `docs/review.md`."""

from __future__ import annotations

import json
import mimetypes
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from lineage import __version__
from lineage.corrections import journal, sample
from lineage.io.integrity import RUN_AGAIN, reading
from lineage.report import strips
from lineage.review import answers, blinded
from lineage.review.movies import Library
from lineage.review.redo import Redo
from lineage.review.said import as_dict, body, check_number, line_of, place_of
from lineage.review.security import Guard, Refused
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lineage.review.movie import Movie

STATIC = Path(__file__).parent / "static"
PAGE, SAMPLE_PAGE = "index.html", "sample.html"
TILE_PX = 96  # of a film strip
MAX_LEVEL = 1e9  # grey level that may be asked for
# Newer versions can send measurements elsewhere, where the environment says so; earlier ones ignore this.
NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


@dataclass(frozen=True, eq=False)
class Review:
    """What is served."""

    library: Library
    redo: Redo
    who: str
    read_only: bool = False

    def movie(self, m: int) -> Movie:
        """A movie by its number."""
        found = self.library.movie(m)
        if found is None:
            raise Refused(404, f"there is no movie {m}: there are {len(self.library.movies)}, from 0")
        return found


def app_of(place: Path, *, token: str, port: int, read_only: bool = False, who: str = "") -> Guard:
    """The server's app.

    Args:
        place: a run folder, a folder that holds them, or a sample that is judged blind.
        token: without which nothing under `/api/` is answered.
        port: of the server.
        read_only: nothing can be said.
        who: whose name stands in what is said, unless the page gives another.

    Raises:
        InputError: there is no run.
    """
    is_sample = (place / sample.RECORD).is_file()
    review = None if is_sample else Review(Library(place), Redo(), who or "somebody", read_only)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if review:
            review.redo.close()

    mimetypes.add_type("text/javascript", ".js")  # Windows may say otherwise, and browsers refuse it then
    app = FastAPI(
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    api = routes(review) if review else blinded.router_of(place, who=who, read_only=read_only)
    app.include_router(api, prefix="/api")
    page = STATIC / (SAMPLE_PAGE if is_sample else PAGE)
    app.add_api_route("/", lambda: FileResponse(page))
    app.mount("/static", StaticFiles(directory=STATIC))
    for kind, handler in ANSWERS.items():
        app.add_exception_handler(kind, handler)
    return Guard(app, token=token, port=port)


def answer(value: Any, status: int = 200) -> Response:
    """JSON, in which there is no NaN."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", errors="replace"), status, media_type="application/json")


def _error(status: int) -> Any:
    def handle(_: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            line, code = str(error.detail), error.status_code
        elif isinstance(error, RequestValidationError):
            first = error.errors()[0]
            line, code = f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}", status
        else:
            line, code = str(error), getattr(error, "status", status)
        return answer({"error": " ".join(line.split())[:500]}, code)

    return handle


ANSWERS: dict[Any, Any] = {
    Refused: _error(400),
    InputError: _error(409),  # the run is not as it should be
    RequestValidationError: _error(400),
    HTTPException: _error(400),
    OSError: _error(500),
    Exception: _error(500),
}


Body = Annotated[dict[str, Any], Depends(body)]


def routes(review: Review) -> APIRouter:
    """Everything under `/api`."""
    api = APIRouter()

    @api.get("/session")
    def session() -> Response:
        return answer(
            {
                "mode": review.library.mode,
                "read_only": review.read_only,
                "who": review.who,
                "version": __version__,
            }
        )

    @api.get("/movies")
    def movies() -> Response:
        return answer([asdict(row) for row in review.library.listing()])

    @api.get("/movies/{m}")
    def movie(m: int) -> Response:
        found = review.movie(m)
        if not review.read_only:
            review.redo.ask(found)
            review.redo.warm_up()
        return answer(answers.about(found))

    @api.get("/movies/{m}/frames/{t}/{channel}.png")
    def frame(m: int, t: int, channel: int, low: float | None = None, high: float | None = None) -> Response:
        found = review.movie(m)
        frames = found.frames
        check_number(t, frames.video.n_frames, "frame")
        check_number(channel, len(frames.video.channels), "channel")
        if any(x is not None and not abs(x) <= MAX_LEVEL for x in (low, high)):
            raise Refused(400, "low and high: wanted are grey levels")
        png = frames.png(t, channel, low, high)
        return Response(png, media_type="image/png", headers={"X-Scale": str(frames.step)})

    @api.get("/movies/{m}/outlines/{t}")
    def outlines(m: int, t: int) -> Response:
        found = review.movie(m)
        check_number(t, len(found.tables.usable), "frame")
        return Response(found.outlines(t), media_type="application/json")

    @api.get("/movies/{m}/nuclei")
    def nuclei(m: int) -> Response:
        return Response(review.movie(m).tables.nuclei.as_bytes(), media_type="application/octet-stream")

    @api.get("/movies/{m}/cells")
    def cells(m: int) -> Response:
        table = review.movie(m).tables.cells
        return answer({"columns": list(table.columns), "rows": answers.rows_of(table)})

    @api.get("/movies/{m}/events")
    def events(m: int) -> Response:
        return answer(answers.events_of(review.movie(m)))

    @api.get("/movies/{m}/film/{event_id}.png")
    def film(m: int, event_id: int) -> Response:
        found = review.movie(m)
        path = answers.crop_of(found, event_id)
        if event_id not in set(found.tables.events["event_id"]) or not path.is_file():
            raise Refused(404, f"there is no film of event {event_id}")
        with reading(path, f"delete it, {RUN_AGAIN}, and it is made anew"):
            return Response(strips.film(path, TILE_PX), media_type="image/png")

    @api.get("/movies/{m}/worklist")
    def worklist(m: int) -> Response:
        return answer(review.movie(m).worklist)

    @api.get("/movies/{m}/corrections")
    def corrections(m: int) -> Response:
        return answer(answers.corrections_of(review.movie(m)))

    @api.post("/movies/{m}/corrections")
    def correct(m: int, said: Body) -> Response:
        found = review.movie(m)
        if review.read_only:
            raise Refused(403, "the server was started with --read-only: nothing can be corrected")
        line = line_of(found, said, who=review.who)
        journal.append(found.journal_path, line)
        review.redo.ask(found, after_line=True)
        return answer({"id": line.id, "line": as_dict(line)})

    @api.post("/movies/{m}/candidate")
    def candidate(m: int, said: Body) -> Response:
        found = review.movie(m)
        return answer(answers.candidate_of(found, place_of(found, said)))

    @api.get("/movies/{m}/state")
    def state(m: int) -> Response:
        found = review.movie(m)
        if not review.read_only:
            review.redo.ask(found)
        return answer(answers.state_of(found, review.redo.progress(found)))

    return api
