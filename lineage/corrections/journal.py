"""`corrections.jsonl`: lines are added to it and never changed; what holds follows from all of them."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.corrections.lines import Line, Right, Undo, dumps, parse
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

NAME = "corrections.jsonl"
OVERRULED = "a later correction says otherwise"  # why a line that stands does not hold
FAR_BYTE = 2**30


@dataclass(frozen=True)
class Journal:
    """All that was ever said, in order."""

    lines: tuple[Line, ...] = ()
    unreadable: tuple[int, ...] = ()  # numbers of lines, from 1, that are none: cut off by a crash, or edited

    @property
    def standing(self) -> tuple[Line, ...]:
        """The lines that hold: those that nothing undoes, without the undoing ones."""
        undone: set[str] = set()
        for line in reversed(self.lines):  # an undo may itself be undone, by a later one only
            if isinstance(line, Undo) and line.id not in undone:
                undone.add(line.line)
        return tuple(x for x in self.lines if not isinstance(x, Undo) and x.id not in undone)

    @property
    def corrections(self) -> tuple[Line, ...]:
        """The lines that hold and change something: all but those that say that something is right."""
        return tuple(x for x in self.standing if not isinstance(x, Right))

    @property
    def digest(self) -> str:
        """Of the corrections that hold; empty where there are none."""
        return digest(self.corrections)


def digest(lines: Sequence[Line]) -> str:
    """SHA-256 of some lines; empty for none."""
    text = "\n".join(map(dumps, lines))
    return hashlib.sha256(text.encode()).hexdigest() if lines else ""


def held(record: Mapping[str, Any]) -> str:
    """The digest of the corrections that a run's results hold; empty where they hold none.

    Args:
        record: `run.json`.
    """
    return str(record.get("corrections", {}).get("digest", ""))


def read(path: Path) -> Journal:
    """All lines of a file; none where there is no file. A line that is none is skipped, and its number kept.

    Args:
        path: `corrections.jsonl`.
    """
    if not path.exists():
        return Journal()
    lines, unreadable, known = [], [], set()
    for number, text in enumerate(path.read_bytes().decode("utf-8-sig", errors="replace").split("\n"), 1):
        if not text.strip():
            continue
        try:
            line = parse(text)
        except InputError:
            unreadable.append(number)
            continue
        if line.id not in known:
            known.add(line.id)
            lines.append(line)
    return Journal(tuple(lines), tuple(unreadable))


def append(path: Path, *lines: Line) -> None:
    """Add lines; they are on the disk when this returns. Several processes may do so at once.

    What a crash cut off at the end of the file is closed with a line break, so that nothing joins it.

    Args:
        path: `corrections.jsonl`; made if it is not there.
        lines: to be added, in order.

    Raises:
        InputError: it is a link, which may lead to any file.
    """
    if path.is_symlink():
        raise InputError(f"{path} is a link, and lines are added to files only: put a copy in its place")
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
    with os.fdopen(descriptor, "rb+") as file, _held(file.fileno()):
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            whole = file.read(1) == b"\n"
        text = "".join(f"{dumps(line)}\n" for line in lines)
        file.seek(0, os.SEEK_END)
        file.write((text if not size or whole else "\n" + text).encode())
        file.flush()
        os.fsync(file.fileno())
    if is_new and os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _held(descriptor: int) -> Iterator[None]:
    """No other process writes meanwhile; where the file system knows no locks, appending alone must do."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        # What is locked nobody can read, so it is a byte that no file has.
        os.lseek(descriptor, FAR_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined, unused-ignore]
        try:
            yield
        finally:
            os.lseek(descriptor, FAR_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
