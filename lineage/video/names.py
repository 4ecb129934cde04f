"""Names of image files -> what each shows: well, position, channel, plane of z, and when.

Microscopes export a movie as a folder of images and keep what each is in its name. Known are the names of
Incucyte, MetaMorph and ImageXpress, Micro-Manager 1.4 and 2, Operetta and Phenix, Yokogawa, Cellomics,
IN Cell, Nikon and ImageJ; of any other name the letters before a number say what it counts, and a number that
stands alone and differs from file to file counts the frames.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WELL = r"[A-P](?:0?[1-9]|1\d|2[0-4])"
POSITION_KEYS = (
    *("s", "site", "series", "scene", "p", "pos", "position", "xy"),
    *("f", "fld", "field", "fov", "m"),
)
FIELD_OR_FRAME = "f"

_KEYS = {
    **dict.fromkeys(("t", "tp", "time", "timepoint", "frame", "seq", "sk"), "time"),
    **dict.fromkeys(("c", "ch", "chan", "channel", "w", "wv", "wavelength"), "channel"),
    **dict.fromkeys(POSITION_KEYS, "position"),
    **dict.fromkeys(("z", "zs", "slice", "plane"), "z"),
}
_DYES = (
    r"sir[-_ ]?dna|far[-_ ]?red|h2b[-_ ]?[a-z]+|dapi|hoechst(?:[-_ ]?\d+)?|draq\d?|cy[-_ ]?[357](?:\.5)?"
    r"|[em]?[gyc]fp|m?rfp\d?|mcherry|tdtomato|fitc|tritc"
    r"|texas[-_ ]?red|alexa[-_ ]?\d{3}|a?405|a?488|a?561|a?568"
    r"|a?594|a?64[07]|phase(?:[-_ ]?contrast)?|bright[-_ ]?field|trans(?:mitted)?|ph\d?|pc|bf|dic|tl|dia"
)
_TOKEN = re.compile(
    r"(?P<stamp>(?<!\d)20\d\d[y_.-]?(?:0[1-9]|1[0-2])[m_.-]?(?:0[1-9]|[12]\d|3[01])d?[T _-]?"
    r"(?:[01]\d|2[0-3])[h_.:-]?[0-5]\d(?:[m_.:-]?[0-5]\d(?!\d))?[ms]?(?!\d))"
    r"|(?P<elapsed>(?<![A-Za-z0-9])(?:\d+d)?\d+h(?:\d+m(?:in)?)?(?:\d+s)?(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])\d+ ?(?:ms|s|sec|min|hr?)(?![A-Za-z0-9]))"
    rf"|(?P<dye>(?<![A-Za-z])(?i:{_DYES})(?![A-Za-z0-9]))"
    rf"|(?P<well>(?<![A-Za-z0-9]){WELL}(?![A-Za-z0-9]))"
    r"|(?P<key>[A-Za-z]+)[=]?(?P<counted>\d+)"
    r"|(?P<number>\d+)"
    r"|(?P<text>[^\W\d_]+)"
)
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_ELAPSED_MIN = {"d": 1440.0, "m": 1.0, "min": 1.0, "ms": 1 / 60_000} | (
    dict.fromkeys(("h", "hr"), 60.0) | dict.fromkeys(("s", "sec"), 1 / 60)
)
_INCUCYTE_CHANNELS = {"P": "phase", "Ph": "phase", "G": "green", "R": "red", "N": "near infrared"}
# Patterns of complete names, without suffix. Groups are kinds of fields; `row` and `column` are a well's.
_CONVENTIONS = tuple(
    re.compile(pattern)
    for pattern in (
        r"img_channel(?P<channel>\d+)_position(?P<position>\d+)_time(?P<time>\d+)_z(?P<z>\d+)",
        r"img_(?P<time>\d{9})_(?P<channel>.+)_(?P<z>\d{3})",
        r"r(?P<row>\d{2})c(?P<column>\d{2})f(?P<position>\d+)p(?P<z>\d+)-ch(?P<channel>\d+)sk(?P<time>\d+)fk\d+fl\d+",
        rf"(?P<text>.*?)_?(?P<well>{WELL})_T(?P<time>\d+)F(?P<position>\d+)L\d+A\d+Z(?P<z>\d+)C(?P<channel>\d+)",
        rf"(?P<text>.*)_(?P<well>{WELL})f(?P<position>\d+)d(?P<channel>\d+)",
        r"(?P<well>[A-P] - \d+)\(fld (?P<position>\d+) wv (?P<channel>[^)]*?)(?: z (?P<z>\d+))?"
        r"(?: time (?P<time>\d+)(?: - (?P<elapsed>\d+ ms))?)?\)",
        rf"(?P<text>.+?)_(?:(?P<channel>Ph|[A-Z]|Phase|Green|Red|NIR|Orange)_)?(?P<well>{WELL})_(?P<position>\d+)_"
        r"(?:(?P<elapsed>\d+d\d+h\d+m)|(?P<stamp>20\d\dy\d\dm\d\dd_\d\dh\d\dm))",
    )
)
_NO_FRAME = re.compile(
    r"(?P<front>(?:AVG|MAX|MIN|SUM|STD|MED)_)|(?P<word>(?i:(?<![a-z])(?:thumb(?:s|nail)?|preview|montage|overlay)(?![a-z])))"
)


class Kind(StrEnum):
    """What a part of a name stands for."""

    WELL = "well"
    POSITION = "position"
    CHANNEL = "channel"
    Z = "z"
    TIME = "time"  # a count of frames
    ELAPSED = "elapsed"  # minutes since some start
    STAMP = "stamp"  # minutes of a clock
    NUMBER = "number"  # of what is not stated
    TEXT = "text"


@dataclass(frozen=True)
class Field:
    """A part of a name: its kind, the letters that led to it, and its value."""

    kind: Kind
    value: str
    key: str = ""

    @property
    def minutes(self) -> float:
        """Of a time."""
        return _stamp_min(self.value) if self.kind is Kind.STAMP else _elapsed_min(self.value)


def is_hidden(name: str) -> bool:
    """Whether a file is hidden, such as macOS's `._frame.tif`."""
    return name.startswith(".")


def no_frames(names: Sequence[str]) -> list[str]:
    """The names of projections, thumbnails and the like that lie beside frames.

    Where all names look like that, they are the frames: a movie may consist of projections.

    >>> no_frames(["AVG_t.tif", "t0.tif", "t0_thumb.tif"]), no_frames(["MAX_t0.tif", "MAX_t1.tif"])
    (['AVG_t.tif', 't0_thumb.tif'], [])
    """
    found = [n for n in names if (m := _NO_FRAME.search(n)) and (m["word"] or m.start() == 0)]
    return found if len(found) < len(names) else []


def read_name(stem: str, folders: Iterable[str] = ()) -> tuple[Field, ...]:
    """The fields of one name.

    Args:
        stem: the file's name without its suffix.
        folders: the folders it lies in, outermost first, as far as they belong to the movie.

    >>> [(f.kind.value, f.value) for f in read_name("exp_w2Cy5_s1_t10")]
    [('text', 'exp'), ('channel', '2'), ('channel', 'Cy5'), ('position', '1'), ('time', '10')]
    >>> [(f.kind.value, f.value) for f in read_name("r02c03f01p01-ch1sk4fk1fl1")]
    [('well', 'B03'), ('position', '01'), ('z', '01'), ('channel', '1'), ('time', '4')]
    """
    # A bare number in a folder's name is a date or a position; time is written as in TimePoint_1.
    outer = [
        Field(Kind.TEXT, field.value) if field.kind is Kind.NUMBER else field
        for folder in folders
        for field in _words(folder)
    ]
    for convention in _CONVENTIONS:
        if match := convention.fullmatch(stem):
            return (*outer, *_by_convention(match.groupdict()))
    return (*outer, *_words(_GUID.sub("", stem)))


def _by_convention(groups: dict[str, str | None]) -> Iterable[Field]:
    if groups.get("row"):
        yield Field(Kind.WELL, f"{chr(64 + int(groups['row'] or 0))}{groups['column']}")
    for name, value in groups.items():
        if value is None or name in ("row", "column"):
            continue
        if name == "well":
            value = value.replace(" - ", "")
        if name == "channel":
            value = _INCUCYTE_CHANNELS.get(value, value)
        yield Field(Kind(name), value)


def _words(text: str) -> list[Field]:
    fields: list[Field] = []
    end = 0
    for match in _TOKEN.finditer(text):
        before = fields[-1] if fields else Field(Kind.TEXT, "")
        glued = match.start() == end and bool(fields)
        end = match.end()
        name, value = match.lastgroup or "", match[0]
        if name == "counted":
            fields.append(_counted(match["key"], match["counted"]))
        elif name == "dye":
            fields.append(Field(Kind.CHANNEL, value))
        elif name == "number" and before.kind is Kind.TEXT and before.value.lower() in _KEYS:
            fields[-1] = _counted(before.value, value)
        elif name == "text" and glued and before.kind is Kind.CHANNEL:
            fields.append(Field(Kind.CHANNEL, value))  # w1Green: the wave's number, then its name
        else:
            fields.append(Field(Kind(name), value))
    return fields


def _counted(key: str, value: str) -> Field:
    kind = _KEYS.get(key.lower())
    return Field(Kind(kind), value, key.lower()) if kind else Field(Kind.NUMBER, value, key)


def _stamp_min(text: str) -> float:
    """Minutes of a clock; digits are year, month, day, hour, minute and perhaps second."""
    digits = re.sub(r"\D", "", text)
    form = "%Y%m%d%H%M%S" if len(digits) > 12 else "%Y%m%d%H%M"
    try:
        return (datetime.strptime(digits, form) - datetime(2000, 1, 1)).total_seconds() / 60
    except ValueError:  # the 31st of February
        return float("nan")


def _elapsed_min(text: str) -> float:
    """Minutes of `01d02h30m`, `90min`, `600000 ms`.

    >>> _elapsed_min("00d01h30m"), _elapsed_min("600000 ms")
    (90.0, 10.0)
    """
    return sum(int(n) * _ELAPSED_MIN[unit] for n, unit in re.findall(r"(\d+) ?([a-z]+)", text))


def same_pattern(names: Sequence[tuple[Field, ...]]) -> list[int]:
    """The indices of the largest group of names that have the same kinds of fields in the same order."""
    groups: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for i, fields in enumerate(names):
        groups[tuple((f.kind, f.key) for f in fields)].append(i)
    return max(groups.values(), key=len, default=[])
