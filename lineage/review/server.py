"""The server of the page: what it may ask for, and what may be said. See `docs/review.md`."""

from __future__ import annotations

import json
import math
import mimetypes
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from lineage import __version__
from lineage.corrections import journal, sample
from lineage.corrections.lines import make
from lineage.io.integrity import RUN_AGAIN, read_record, reading
from lineage.mitosis import verdict
from lineage.report import strips, words
from lineage.review import blinded, redo
from lineage.review.movies import Library, Movie
from lineage.review.security import Guard
from lineage.schema import EVENT_COLUMNS, InputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pandas as pd

    from lineage.review.frames import Frames
    from lineage.schema import Video

STATIC = Path(__file__).parent / "static"
PAGE, SAMPLE_PAGE = "index.html", "sample.html"
TILE_PX = 96  # of a film strip
# Newer versions can send measurements elsewhere, where the environment says so; earlier ones ignore this.
NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


class Refusal(Exception):
    """A request that cannot be answered: a status and one line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


@dataclass(frozen=True, eq=False)
class Review:
    """What is served."""

    library: Library
    redo: redo.Redo
    who: str
    read_only: bool = False

    def movie(self, m: int) -> Movie:
        """A movie by its number."""
        found = self.library.movie(m)
        if found is None:
            raise Refusal(404, f"there is no movie {m}: there are {len(self.library.movies)}, from 0")
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
    review = None if is_sample else Review(Library(place), redo.Redo(), who or "somebody", read_only)

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
    Refusal: _error(400),
    InputError: _error(409),  # the run is not as it should be
    RequestValidationError: _error(400),
    HTTPException: _error(400),
    OSError: _error(500),
    Exception: _error(500),
}


async def body(request: Request) -> dict[str, Any]:
    """What a request says; pydantic checks what of it is meant to be kept."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no number")

    try:
        found = json.loads(await request.body(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"no JSON ({error})") from None
    if not isinstance(found, dict):
        raise Refusal(400, "wanted is a JSON object")
    return found


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
        return answer(about(found))

    @api.get("/movies/{m}/frames/{t}/{channel}.png")
    def frame(m: int, t: int, channel: int, low: float | None = None, high: float | None = None) -> Response:
        found = review.movie(m)
        frames = found.frames
        _check_number(t, frames.video.n_frames, "frame")
        _check_number(channel, len(frames.video.channels), "channel")
        if any(x is not None and not math.isfinite(x) for x in (low, high)):
            raise Refusal(400, "low and high: wanted are grey levels")
        png = frames.png(t, channel, low, high)
        return Response(png, media_type="image/png", headers={"X-Scale": str(frames.step)})

    @api.get("/movies/{m}/outlines/{t}")
    def outlines(m: int, t: int) -> Response:
        found = review.movie(m)
        _check_number(t, len(found.tables.usable), "frame")
        return Response(found.outlines(t), media_type="application/json")

    @api.get("/movies/{m}/nuclei")
    def nuclei(m: int) -> Response:
        return Response(review.movie(m).tables.nuclei.as_bytes(), media_type="application/octet-stream")

    @api.get("/movies/{m}/cells")
    def cells(m: int) -> Response:
        table = review.movie(m).tables.cells
        return answer({"columns": list(table.columns), "rows": _rows(table)})

    @api.get("/movies/{m}/events")
    def events(m: int) -> Response:
        return answer(events_of(review.movie(m)))

    @api.get("/movies/{m}/film/{event_id}.png")
    def film(m: int, event_id: int) -> Response:
        found = review.movie(m)
        path = _crop(found, event_id)
        if event_id not in set(found.tables.events["event_id"]) or not path.is_file():
            raise Refusal(404, f"there is no film of event {event_id}")
        with reading(path, f"delete it, {RUN_AGAIN}, and it is made anew"):
            return Response(strips.film(path, TILE_PX), media_type="image/png")

    @api.get("/movies/{m}/worklist")
    def worklist(m: int) -> Response:
        return answer(review.movie(m).worklist)

    @api.get("/movies/{m}/corrections")
    def corrections(m: int) -> Response:
        return answer(corrections_of(review.movie(m)))

    @api.post("/movies/{m}/corrections")
    def correct(m: int, said: Body) -> Response:
        found = review.movie(m)
        if review.read_only:
            raise Refusal(403, "the server was started with --read-only: nothing can be corrected")
        line = line_of(found, said, who=review.who)
        journal.append(found.journal_path, line)
        review.redo.ask(found, after_line=True)
        return answer({"id": line.id, "line": _as_dict(line)})

    @api.post("/movies/{m}/candidate")
    def candidate(m: int, said: Body) -> Response:
        return answer(candidate_of(review.movie(m), said))

    @api.get("/movies/{m}/state")
    def state(m: int) -> Response:
        found = review.movie(m)
        if not review.read_only:
            review.redo.ask(found)
        return answer(state_of(found, review.redo.progress(found)))

    return api


def about(movie: Movie) -> dict[str, Any]:
    """What the page needs to know of a movie before it shows anything."""
    tables = movie.tables
    record, stated = tables.record, tables.record["video"]
    frames, why = _frames(movie)
    warnings = [w for stage in record.get("warnings", {}).values() for w in stage]
    radius = tables.nuclei.radius_px
    return {
        "m": movie.number,
        "name": movie.name,
        "movie": stated["name"],
        "dose_gy": record.get("dose_gy"),
        "n_frames": stated["n_frames"],
        "shape": list(stated["shape"]),
        "pixel_size_um": stated["pixel_size_um"],
        "minutes_per_frame": stated["minutes_per_frame"],
        "channels": _channels(frames.video) if frames else [],
        "has_pixels": frames is not None,
        "usable": tables.usable.tolist(),
        "levels": {i: frames.levels(i) for i in range(len(frames.video.channels))} if frames else {},
        "diameter_px": round(2 * float(np.median(radius)), 2) if len(radius) else None,
        "warnings": [*([why] if why else []), *warnings],
        "held_out": words.limits(verdict.load().get("held_out")),
    }


def _frames(movie: Movie) -> tuple[Frames | None, str]:
    """The movie; or none, and why."""
    try:
        return movie.frames, ""
    except (InputError, OSError) as error:
        return None, f"the frames cannot be shown: {error}"


def _channels(video: Video) -> list[dict[str, Any]]:
    roles = {video.phase: "phase", video.nucleus: "nucleus"}
    return [{"index": i, "name": n, "role": roles.get(i, "other")} for i, n in enumerate(video.channels)]


def _check_number(i: int, n: int, what: str) -> None:
    if not 0 <= i < n:
        raise Refusal(404, f"there is no {what} {i}: there are {n}, from 0")


def _rows(table: pd.DataFrame) -> list[list[Any]]:
    """Its rows, None where there is nothing."""
    return table.astype(object).where(table.notna(), None).to_numpy().tolist()


def _crop(movie: Movie, event_id: int) -> Path:
    from lineage.mitosis.crops import name

    return movie.folder.crops / name(event_id)


def events_of(movie: Movie) -> list[dict[str, Any]]:
    """Every event, with how a correction names it."""
    tables = movie.tables
    yes = {"True": True, "False": False}
    found = []
    for values in _rows(tables.events[list(EVENT_COLUMNS)]):
        event = dict(zip(EVENT_COLUMNS, values, strict=True))
        event = {k: None if v == "" and k in EMPTY else yes.get(v, v) for k, v in event.items()}
        found.append(
            event
            | {
                "ref": reference(movie, event),
                "has_crop": _crop(movie, event["event_id"]).is_file(),
                "person": "person" in event["verdict_because"].split(),
                "words": words.reasons(event | {"p_verdict": _nan(event["p_verdict"])}),
            }
        )
    return found


EMPTY = ("separated", "returned", "n_micronuclei", "bridge")


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def reference(movie: Movie, event: dict[str, Any]) -> dict[str, Any] | None:
    """An event as a correction names it: by the last nucleus of its mother before it.

    Args:
        movie: the run that it is of.
        event: EVENT_COLUMNS.
    """
    nuclei, frame = movie.tables.nuclei, event["frame"]
    rows = nuclei.of_cell(event["mother_id"])
    if not len(rows):
        return None
    before = rows[nuclei.frame[rows] < frame]
    row = before[-1] if len(before) else rows[0]
    return {"mother": nuclei.as_nucleus(int(row)), "frame": frame, "event_type": event["event_type"]}


def _as_dict(line: Any) -> dict[str, Any]:
    found: dict[str, Any] = line.model_dump(mode="json", exclude_none=True)
    return found


def corrections_of(movie: Movie) -> dict[str, Any]:
    """All that was ever said, which of it stands, and which of that could not be applied."""
    said = movie.journal
    standing = {line.id for line in said.standing}
    not_applied = read_record(movie.root).get("corrections", {}).get("not_applied", {})
    lines = [
        _as_dict(line) | {"standing": line.id in standing, "not_applied": not_applied.get(line.id)}
        for line in said.lines
    ]
    return {"lines": lines, "unreadable": list(said.unreadable)}


def line_of(movie: Movie, said: dict[str, Any], *, who: str) -> Any:
    """A new line from what the page says.

    Args:
        movie: that it is about.
        said: `say`, and `who` and `why` where they are given.
        who: says it, where nobody is named.
    """
    if unknown := set(said) - {"say", "who", "why"}:
        raise Refusal(400, f"unknown: {', '.join(sorted(unknown))[:100]}; known are say, who, why")
    if not isinstance(said.get("say"), dict):
        raise Refusal(400, "wanted is what you say, as `say`")
    try:
        line = make(said["say"], who=said.get("who") or who, why=said.get("why") or "")
    except InputError as error:
        raise Refusal(400, str(error)) from None
    _check_line(movie, line)
    return line


def _check_line(movie: Movie, line: Any) -> None:
    """Raise Refusal if a line is about what this movie does not have."""
    n_frames = len(movie.tables.usable)
    for frame in _numbers_of_frames(_as_dict(line)):
        if frame >= n_frames:
            raise Refusal(400, f"frame {frame} of a movie of {n_frames} frames, from 0")
    if line.what == "undo" and line.line not in {known.id for known in movie.journal.lines}:
        raise Refusal(400, "there is no such line to undo")


def _numbers_of_frames(said: Any) -> list[int]:
    if isinstance(said, list):
        return [t for item in said for t in _numbers_of_frames(item)]
    if isinstance(said, dict):
        own = [said["frame"]] if "frame" in said else []
        return own + [t for value in said.values() for t in _numbers_of_frames(value)]
    return []


_ONE_AT_A_TIME = Lock()


def candidate_of(movie: Movie, said: dict[str, Any]) -> dict[str, Any]:
    """The nucleus that the network would have drawn at a place, had it been surer.

    Args:
        movie: the one.
        said: `frame, y_px, x_px`.
    """
    from pydantic import ValidationError

    from lineage.corrections.lines import Nucleus

    try:
        place = Nucleus.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Refusal(400, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    _check_number(place.frame, len(movie.tables.usable), "frame")
    try:
        from lineage.nuclei.outlines import candidate
    except ImportError:
        raise Refusal(501, "the network cannot be asked yet") from None
    frames, path = movie.frames, movie.folder.scale
    if not path.exists():
        raise Refusal(409, "the outlines are of masks: there is no network to ask")
    with reading(path, f"delete it, {RUN_AGAIN}, and it is made anew"):
        zoom = float(json.loads(path.read_text(encoding="utf-8"))["zoom"])
    model = movie.tables.record["settings"]["segment"]["model"]
    image = frames.read(place.frame, frames.video.nucleus)
    with _ONE_AT_A_TIME:
        polygon, probability = candidate(model, image, zoom=zoom, y_px=place.y_px, x_px=place.x_px)
    points = None if polygon is None else [[round(float(v), 2) for v in point] for point in polygon]
    return {"polygon": points, "probability": round(float(probability), 4)}


def state_of(movie: Movie, progress: redo.Progress) -> dict[str, Any]:
    """How far the results hold what was said."""
    said = movie.journal
    holds, error, results = said.digest, progress.error, None
    record: dict[str, Any] = {}
    try:
        record, results = read_record(movie.root), movie.tables.revision
    except (InputError, OSError) as wrong:
        error = error or str(wrong)
    applied = redo.applied(record)
    return {
        "lines": len(said.lines),
        "holds": holds,
        "applied": applied,
        "working": progress.working,
        "results": results,
        "error": None if progress.working or (results is not None and applied == holds) else error,
        "seconds": progress.seconds,
    }
