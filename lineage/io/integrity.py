"""Files of a run folder, and what run.json records of them -> whether they are as they were written.

run.json holds a checksum of itself, and for each stage size, time and SHA-256 of the files that it wrote.
A file of that size and time is taken as it is; any other is read, so that a copied folder passes and a
damaged one does not. Runs of earlier versions have no checksums: of these the form is checked.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT = "lineage-run"
FORMAT_VERSION = 1
RECORD = "run.json"
CHECKSUM = "sha256"  # of run.json without this key; also of a stage's file
RUN_AGAIN = "give the same `python -m lineage.run` again"

_Number = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Video(_Form):
    path: str
    name: str
    n_frames: int = Field(ge=1)
    shape: tuple[int, int]
    pixel_size_um: _Number
    minutes_per_frame: _Number
    assumed: list[str] = []


class _Stage(_Form):
    key: str = ""
    files: list[str] = []
    sums: dict[str, dict[str, int | str]] = {}


class _Record(_Form):
    format: Literal["lineage-run"]
    format_version: int = FORMAT_VERSION
    video: _Video
    stages: dict[str, _Stage]
    warnings: dict[str, list[str]] = {}
    notes: dict[str, list[str]] = {}
    input: dict[str, Any] = {}
    dose_gy: float | None = None
    lineage: str = ""
    versions: dict[str, str] = {}


class Damaged(InputError):
    """A file of a run is not as it was written."""


@contextmanager
def reading(path: Path, advice: str) -> Iterator[None]:
    """Make one line of whatever a damaged file leads its reader into.

    Args:
        path: the file or folder that is read in the block.
        advice: what to do if it is damaged.
    """
    try:
        yield
    except (InputError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # readers meet damage with whatever their parsing runs into
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise Damaged(f"{path} is damaged ({words}): {advice}") from error


def dumps(record: dict[str, Any]) -> str:
    """The record as run.json has it, with its checksum."""
    plain = json.loads(json.dumps(record))
    return json.dumps(plain | {CHECKSUM: _checksum(plain)}, indent=1, ensure_ascii=False) + "\n"


def read_record(root: Path) -> dict[str, Any]:
    """A run's own record, without its checksum.

    Raises:
        InputError: no such folder, or no run in it.
        Damaged: its run.json is not as it was written.
    """
    if not root.is_dir():
        raise InputError(f"there is no folder {root}; give what `python -m lineage.run VIDEO` wrote")
    path = root / RECORD
    content = path.read_bytes() if path.is_file() else b""
    if FORMAT.encode() not in content:
        raise InputError(
            f"{root} is no run: it has no {RECORD} of ours; give what `python -m lineage.run VIDEO` wrote"
        )
    advice = "give the same `python -m lineage.run` again with --overwrite"
    with reading(path, advice):
        record = json.loads(content.decode("utf-8"))
        if CHECKSUM not in record:
            _Record.model_validate_json(content)
    if CHECKSUM in record and record.pop(CHECKSUM) != _checksum(record):
        raise Damaged(f"{path} was changed since it was written (its checksum is another): {advice}")
    if record["format"] != FORMAT:
        raise InputError(f"{root} is no run: its {RECORD} is of the format {record['format']}")
    return dict(record)


def _checksum(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()


def fingerprint(*paths: Path) -> dict[str, Any]:
    """Size and time of files, or of all files of folders: enough to see that nothing changed."""
    found = [(f, p) for p in paths for f in _files(p)]
    stats = [f.stat() for f, _ in found]
    # A movie that is moved or renamed is the same; within a folder names tell frames.
    inner = [f.relative_to(p).as_posix() if f != p else f.name if len(paths) > 1 else "." for f, p in found]
    names = "\n".join(f"{name} {s.st_size}" for name, s in zip(inner, stats, strict=True))
    return {
        "bytes": sum(s.st_size for s in stats),
        "modified_ns": max((s.st_mtime_ns for s in stats), default=0),
        "names": hashlib.sha256(names.encode()).hexdigest()[:16],
    }


def sum_of(path: Path) -> dict[str, Any]:
    """What is recorded of a file, or of a folder of files."""
    return fingerprint(path) | {CHECKSUM: _content(path)}


def _content(path: Path) -> str:
    """SHA-256 of a file; of a folder that of its files' names and sums."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    lines = (f"{f.relative_to(path).as_posix()} {_content(f)}" for f in _files(path))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    # By parts as they are: paths themselves are sorted without case on Windows, and sums would differ.
    return sorted((f for f in path.rglob("*") if f.is_file()), key=lambda f: f.parts)


def is_as_written(path: Path, recorded: dict[str, Any]) -> bool:
    """Whether a file, or a folder of files, is there and is what was recorded of it."""
    if not path.exists():
        return False
    now = fingerprint(path)
    return all(recorded.get(k) == v for k, v in now.items()) or recorded.get(CHECKSUM) == _content(path)


def check(root: Path, record: dict[str, Any], *paths: Path) -> None:
    """Raise Damaged unless files of a run are as the record has them; what it does not have passes.

    Args:
        root: the run folder.
        record: of `read_record`.
        paths: files or folders in it, as a stage wrote them.
    """
    stages = record["stages"].values()
    sums = {name: one for stage in stages for name, one in stage.get("sums", {}).items()}
    for path in paths:
        name = path.relative_to(root).as_posix()
        if name in sums and not is_as_written(path, sums[name]):
            what = "was changed or damaged since the run wrote it" if path.exists() else "is gone"
            raise Damaged(f"{path} {what}: {RUN_AGAIN}, and it is made anew")
