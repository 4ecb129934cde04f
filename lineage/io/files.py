"""Tables and files, written whole or not at all, read with care."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from lineage.io.integrity import RUN_AGAIN, reading
from lineage.io.spreadsheets import bare_table, guarded, guarded_table
from lineage.schema import InputError, check_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

BYTES_PER_PIXEL = 0.3  # of disk, a frame: both label arrays, compressed, crops and tables beside them
MIN_BYTES = 20_000_000
TYPED = ".npz"
ROWS = 20_000  # of a CSV, made text together: of a long movie's table all at once takes half a gigabyte
# Every position of a file is a run of its own, and each would read all of the file for its sum.
LARGE_BYTES = 2**33
IS_WINDOWS = sys.platform == "win32"
BUSY_S = (0.05, 0.1, 0.2, 0.4, 0.8)  # a virus scanner, or a server that reads a table, is soon done
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
_N_SAMPLES, _SAMPLE_BYTES = 64, 2**20


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file or a folder whole or not at all.

    Yields:
        A path beside `path` to write to; it is renamed to `path`, and replaces it, if the block ends well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part, old = part_of(path), path.with_name(f".{path.name}.old")
    remove(part)
    try:
        yield part
        if path.is_dir():  # a folder cannot be replaced in one step
            remove(old)
            _replace(path, old)
        _replace(part, path)
    except BaseException as error:
        with suppress(OSError):  # what cannot be tidied up is not what went wrong
            if old.exists() and not path.exists():
                os.replace(old, path)
            remove(part)
        if isinstance(error, OSError) and error.errno is None and _SHORT_WRITE.search(str(error)):
            # numpy does not say why
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    remove(old)


def _replace(source: Path, target: Path) -> None:
    """Rename a file or a folder; on Windows as soon as no other program has what is replaced open.

    Raises:
        InputError: one has it open for longer.
    """
    for pause_s in BUSY_S if IS_WINDOWS else ():
        with suppress(PermissionError):
            os.replace(source, target)
            return
        time.sleep(pause_s)
    try:
        os.replace(source, target)
    except PermissionError as error:
        if not IS_WINDOWS:
            raise
        raise InputError(
            f"{target} cannot be replaced: another program (a spreadsheet?) has it open; close it there, and "
            "give the same command again"
        ) from error


def part_of(path: Path) -> Path:
    """Where `path` is written before it is renamed."""
    return path.with_name(f".{path.name}.part")


def remove(path: Path) -> None:
    """Delete a file or a folder; nothing if it is not there."""
    if path.is_dir() and not path.is_symlink():  # of a link the link goes, and what it leads to stays
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table atomically.

    Args:
        table: columns of numbers, yes or no, or text.
        path: `.csv` for people, with seven digits, more than any measurement here has, and no text that a
            spreadsheet would run (see `lineage.io.spreadsheets`); `.npz` for tables of many rows that stages
            hand on: typed, exact, and read twenty times as fast.
    """
    with atomic_write(path) as part:
        if path.suffix == TYPED:
            with part.open("wb") as file:
                np.savez(file, **{str(name): _typed(column) for name, column in table.items()})  # type: ignore[arg-type]
        else:
            table = guarded_table(table)
            with part.open("w", encoding="utf-8", newline="") as file:
                for first in range(0, max(len(table), 1), ROWS):
                    some = with_seven_digits(table.iloc[first : first + ROWS])
                    some.to_csv(file, index=False, header=first == 0, lineterminator="\n")


def with_seven_digits(table: pd.DataFrame) -> pd.DataFrame:
    """Fractions as text of seven digits, as `to_csv` would write them, in a tenth of its time."""
    fractions = [name for name, dtype in table.dtypes.items() if dtype.kind == "f"]
    return table.assign(**{str(name): _seven_digits(table[name].to_numpy()) for name in fractions})


def _seven_digits(values: np.ndarray) -> list[str]:
    return ["" if x != x else f"{x:.7g}" for x in values.tolist()]


def _typed(column: pd.Series) -> np.ndarray:
    """The column's values; of text no objects, which only pickle could hold."""
    return column.to_numpy() if column.dtype != object else column.fillna("").to_numpy(str)


def _read_typed(path: Path) -> pd.DataFrame:
    import pandas as pd

    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        columns = {name: stored[name] for name in stored.files}
    return pd.DataFrame({k: v.astype(object) if v.dtype.kind == "U" else v for k, v in columns.items()})


def read_table(path: Path, *, text: tuple[str, ...] = (), columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a table of `write_table`; an empty field of a `text` column is an empty string.

    Args:
        path: the CSV or NPZ.
        text: columns that hold text.
        columns: columns that it must have.

    Raises:
        InputError: it is not there, cannot be read, lacks one of `columns`, or holds what no such table may.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"there is no {path}: {RUN_AGAIN}")
    with reading(path, "delete it and start the run again, or copy it anew"):
        if path.suffix == TYPED:
            table = _read_typed(path)
        else:
            table = bare_table(
                pd.read_csv(path, float_precision="round_trip", dtype={guarded(c): str for c in text})
            )
        table = table.fillna(dict.fromkeys(text, ""))
        check_values(table)
    if missing := [c for c in columns if c not in table]:
        raise InputError(
            f"{path} lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}: "
            "run the movie again"
        )
    return table


def check_space(root: Path, *, n_frames: int, shape: tuple[int, int]) -> None:
    """Raise InputError if the disk cannot hold the run.

    Args:
        root: the run folder; it need not be there.
        n_frames: of the movie.
        shape: (Y, X) of a frame, pixels.
    """
    folder = root
    while not folder.exists():
        folder = folder.parent
    need = MIN_BYTES + int(BYTES_PER_PIXEL * n_frames * shape[0] * shape[1])
    free = shutil.disk_usage(folder).free
    if free < need:
        raise InputError(
            f"the disk of {folder} has {free / 1e6:.0f} MB free, this run may need {need / 1e6:.0f} MB; "
            "make room, or give another folder with --out"
        )


def content_sha256(*paths: Path) -> str:
    """SHA-256 of a file; of a folder, or of several files, that of their sums in order of name.

    A file above `LARGE_BYTES` is not read whole: its sum is that of its size, its time and samples of it.
    """
    if len(paths) == 1 and paths[0].is_file():
        with paths[0].open("rb") as f:
            if os.fstat(f.fileno()).st_size > LARGE_BYTES:
                return _sha256_of_samples(f)
            return hashlib.file_digest(f, "sha256").hexdigest()
    files = [f for p in paths for f in (p.rglob("*") if p.is_dir() else [p]) if f.is_file()]
    files.sort(key=lambda f: f.parts)  # paths themselves are sorted without case on Windows
    sums = [content_sha256(f) for f in files]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def _sha256_of_samples(file: BinaryIO) -> str:
    """Of what would differ in another file; the time, since samples alone may miss a change in place."""
    stat = os.fstat(file.fileno())
    digest = hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode())
    for i in range(_N_SAMPLES):
        file.seek((stat.st_size - _SAMPLE_BYTES) * i // (_N_SAMPLES - 1))
        digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def peak_memory_mb() -> int:
    """Of this process, since it started; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))
