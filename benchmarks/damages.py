"""A file or a folder of files -> the same, damaged at random: cut, overwritten, flipped, swapped."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

TEXT = (".csv", ".json", ".toml", ".txt", ".graphml", ".xml", ".zattrs", ".zarray", ".zgroup")
WORDS = (
    "", "-1", "0", "nan", "inf", "1e400", "99999999999999999999", "0.5", "x", "null", "true", "[]", "{}",
    '""', "€", "1;2", "2026-13-41", "../..",
)  # fmt: skip
VALUES: tuple[Any, ...] = (None, "", "x", -1, 0, 1.5, 10**20, float("nan"), [], {}, [1], {"a": 1}, True)
MOST = 4096  # bytes that one damage overwrites, repeats or takes out


def damage(folder: Path, rng: np.random.Generator) -> str:
    """Damage one file of a folder, or a pair of them; says what was done.

    Args:
        folder: its files, those of its subfolders included, may be damaged; one at least.
        rng: the only source of chance.
    """
    path = _choose(folder, rng)
    ways: list[Callable[[Path, np.random.Generator], str]] = [
        truncate, zeros, ones, noise, flip, repeat, cut_out, empty, delete,
    ]  # fmt: skip
    if path.name.endswith(TEXT):
        # What is written in words is more often misspelt than struck by a bad disk.
        ways += [reword] * 4 + [lose_line, lose_end] * 2
        ways += [restructure] * 5 if _is_json(path) else []
        ways += [lose_column] * 3 if path.suffix == ".csv" else []
    others = [p for p in sorted(folder.rglob("*")) if p.is_file() and p != path and p.suffix == path.suffix]
    if others and rng.random() < 0.1:
        other = others[rng.integers(len(others))]
        return f"{path.relative_to(folder)}: {swap(path, other)} {other.relative_to(folder)}"
    name = str(path.relative_to(folder))
    return f"{name}: {ways[rng.integers(len(ways))](path, rng)}"


def _choose(folder: Path, rng: np.random.Generator) -> Path:
    """A file; first by the part of the folder, then by its kind: many chunks do not hide one table."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    for key in (lambda p: p.relative_to(folder).parts[0], lambda p: p.suffix or re.sub(r"\d+", "0", p.name)):
        names = sorted({key(p) for p in files})
        chosen = names[rng.integers(len(names))]
        files = [p for p in files if key(p) == chosen]
    return files[rng.integers(len(files))]


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _span(size: int, rng: np.random.Generator) -> tuple[int, int]:
    """A random range of bytes; half of them lie near the beginning, where files say what they are."""
    begin = int(rng.integers(min(size, 512) if rng.random() < 0.5 else size)) if size else 0
    return begin, min(size, begin + 1 + int(rng.integers(min(MOST, max(size, 1)))))


def _overwritten(path: Path, rng: np.random.Generator, fill: Callable[[int], bytes]) -> str:
    content = bytearray(path.read_bytes())
    begin, end = _span(len(content), rng)
    content[begin:end] = fill(end - begin)
    path.write_bytes(bytes(content))
    return f"bytes {begin} to {end}"


def truncate(path: Path, rng: np.random.Generator) -> str:
    """Cut the file off."""
    size = path.stat().st_size
    kept = int(rng.integers(size)) if size else 0
    path.write_bytes(path.read_bytes()[:kept])
    return f"cut after {kept} of {size} bytes"


def zeros(path: Path, rng: np.random.Generator) -> str:
    """A range becomes zeros, as a disk that lost a sector has it."""
    return _overwritten(path, rng, bytes) + " zeroed"


def ones(path: Path, rng: np.random.Generator) -> str:
    """A range becomes 0xff."""
    return _overwritten(path, rng, lambda n: b"\xff" * n) + " set to 0xff"


def noise(path: Path, rng: np.random.Generator) -> str:
    """A range becomes random bytes."""
    return _overwritten(path, rng, rng.bytes) + " random"


def flip(path: Path, rng: np.random.Generator) -> str:
    """A few bits turn."""
    content = bytearray(path.read_bytes())
    n = int(rng.integers(1, 9)) if content else 0
    for _ in range(n):
        content[_span(len(content), rng)[0]] ^= 1 << int(rng.integers(8))
    path.write_bytes(bytes(content))
    return f"{n} bits flipped"


def repeat(path: Path, rng: np.random.Generator) -> str:
    """A range is there twice."""
    content = path.read_bytes()
    begin, end = _span(len(content), rng)
    path.write_bytes(content[:end] + content[begin:])
    return f"bytes {begin} to {end} twice"


def cut_out(path: Path, rng: np.random.Generator) -> str:
    """A range is gone."""
    content = path.read_bytes()
    begin, end = _span(len(content), rng)
    path.write_bytes(content[:begin] + content[end:])
    return f"bytes {begin} to {end} cut out"


def empty(path: Path, _: np.random.Generator) -> str:
    """Nothing is left in it."""
    path.write_bytes(b"")
    return "emptied"


def delete(path: Path, _: np.random.Generator) -> str:
    """It is gone."""
    path.unlink()
    return "deleted"


def swap(one: Path, other: Path) -> str:
    """Each has the other's content."""
    content = one.read_bytes()
    shutil.copyfile(other, one)
    other.write_bytes(content)
    return "swapped with"


def reword(path: Path, rng: np.random.Generator) -> str:
    """A word or a number becomes another."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = list(re.finditer(r"[-+.\w]+", text))
    if not found:
        return "left alone: no word in it"
    match = found[rng.integers(len(found))]
    new = WORDS[rng.integers(len(WORDS))]
    path.write_text(text[: match.start()] + new + text[match.end() :], encoding="utf-8")
    return f"{match[0]!r} at {match.start()} reworded {new!r}"


def lose_line(path: Path, rng: np.random.Generator) -> str:
    """A line is gone."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    gone = int(rng.integers(len(lines))) if lines else 0
    path.write_text("".join(lines[:gone] + lines[gone + 1 :]), encoding="utf-8")
    return f"line {gone + 1} of {len(lines)} lost"


def lose_end(path: Path, rng: np.random.Generator) -> str:
    """It ends at the end of a line, but too early."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = int(rng.integers(len(lines))) if lines else 0
    path.write_text("".join(lines[:kept]), encoding="utf-8")
    return f"{kept} of {len(lines)} lines kept"


def lose_column(path: Path, rng: np.random.Generator) -> str:
    """A column of a table is gone, or has another name."""
    rows = [line.split(",") for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    if not rows:
        return "left alone: no column in it"
    k = int(rng.integers(len(rows[0])))
    name = rows[0][k]
    if rng.random() < 0.5:
        rows[0][k] = "column"
    else:
        rows = [row[:k] + row[k + 1 :] for row in rows]
    path.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    return f"column {name} lost"


def restructure(path: Path, rng: np.random.Generator) -> str:
    """A value of a JSON file becomes one of another type, or goes with its key."""
    tree = json.loads(path.read_text(encoding="utf-8"))
    places = list(_places(tree, ()))
    if not places:
        return "left alone: no value in it"
    *above, last = places[rng.integers(len(places))]
    holder = tree
    for key in above:
        holder = holder[key]
    if rng.random() < 0.3:
        del holder[last]
        what = "taken out"
    else:
        holder[last] = VALUES[rng.integers(len(VALUES))]
        what = f"= {holder[last]!r}"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return f"{'.'.join(map(str, (*above, last)))} {what}"


def _places(value: Any, above: tuple) -> Any:
    """Where values stand; each level is as likely as the next, as only some of a long list's are given."""
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:5]) if isinstance(value, list) else ()
    )
    for key, one in items:
        yield (*above, key)
        yield from _places(one, (*above, key))
