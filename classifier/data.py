"""Folders of clips -> clips with label and metadata, without duplicates, split by field of view."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import InputError, MitosisClass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# In the order of every network and table; the paper has the first two.
CLASSES = (MitosisClass.NORMAL, MitosisClass.ABNORMAL, MitosisClass.NONE)
CLASS_FOLDERS = {"NormalMitosis": MitosisClass.NORMAL, "AbnormalMitosis": MitosisClass.ABNORMAL}
UNDATED_LINE = "U251"  # the paper's clips without date and cell line are U251
NAME = re.compile(
    r"(?:[AN]_(?P<date>\d{6})\.nd2_(?P<line>[A-Za-z0-9]+)_)?"
    r"(?P<dose>\d+(?:\.\d+)?)Gy_p(?P<position>\d+(?:-\d+)?)_(?P<first>\d+)(?:[-_]\d+)?_?(?: \(\d+\))?"
)


@dataclass(frozen=True)
class ClipName:
    """What the file name of one of the paper's clips states."""

    line: str
    date: str | None  # yymmdd
    dose_gy: float
    position: str  # "2", "3-2"
    first_frame: int  # counted from 1, as in the name

    @property
    def stage_position(self) -> tuple[str, float, str]:
        """Cell line, dose and stage position.

        `p3-2` is taken for the position `p3`: joining two fields makes folds a little less even, separating
        one field would put the same cells on both sides of a split.
        """
        return self.line, self.dose_gy, self.position.split("-")[0]


@dataclass(frozen=True)
class Clip:
    """One labelled clip. `field` is shared by all clips that may show the same cells."""

    path: Path
    label: MitosisClass
    name: ClipName
    field: str


def parse_name(stem: str) -> ClipName:
    """Read a clip's file name, without its suffix.

    Raises:
        InputError: it is not named as the paper's clips are.

    >>> parse_name("N_160930.nd2_U251c_2Gy_p1_203_214")
    ClipName(line='U251', date='160930', dose_gy=2.0, position='1', first_frame=203)
    >>> parse_name("10Gy_p3-2_250-261")
    ClipName(line='U251', date=None, dose_gy=10.0, position='3-2', first_frame=250)
    """
    match = NAME.fullmatch(stem)
    if match is None:
        raise InputError(
            f"{stem}: not a clip's name; wanted one like N_160930.nd2_PC3_2Gy_p4_149_160 or 10Gy_p1_425"
        )
    # "U251c" is how the dated files spell the same cell line.
    line = UNDATED_LINE if match["line"] in (None, "U251c") else match["line"]
    return ClipName(line, match["date"], float(match["dose"]), match["position"], int(match["first"]))


def field_names(names: Sequence[ClipName]) -> list[str]:
    """The field of view of each clip.

    An undated clip joins the dated ones of the same stage position. Where two dates share it, all of them
    become one field, since the undated clip may be of either.

    >>> dated = parse_name("A_160930.nd2_U251c_4Gy_p2_297_308")
    >>> field_names([dated, parse_name("4Gy_p2-2_43-54")])
    ['U251 4Gy p2', 'U251 4Gy p2']
    >>> field_names([dated])
    ['U251 4Gy p2 160930']
    """
    undated = {n.stage_position for n in names if n.date is None}
    return [
        "{} {:g}Gy p{}".format(*n.stage_position) + ("" if n.stage_position in undated else f" {n.date}")
        for n in names
    ]


def tiff_paths(folder: Path) -> list[Path]:
    """The TIFF files in a folder and its subfolders, by path.

    Raises:
        InputError: no such folder, or no TIFF in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; wanted a folder of 12-frame TIFF clips")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".tif", ".tiff"))
    if not paths:
        raise InputError(f"{folder}: no TIFF file in it; wanted 12-frame clips")
    return paths


def find_clips(folder: Path) -> list[Clip]:
    """The labelled clips under `folder`, by class and name; of exact copies, the first.

    Raises:
        InputError: a class has no folder or no clip, a file has a strange name, or one clip is filed
            under two classes.
    """
    wanted = " and ".join(f"{name}/" for name in CLASS_FOLDERS)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; wanted one with {wanted}")
    if missing := [name for name in CLASS_FOLDERS if not (folder / name).is_dir()]:
        raise InputError(f"{folder} has no {missing[0]}/; wanted a folder with {wanted}")
    labelled = [(p, label) for name, label in CLASS_FOLDERS.items() for p in tiff_paths(folder / name)]
    seen: dict[str, tuple[Path, MitosisClass]] = {}
    for path, label in labelled:
        copy, known = seen.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), (path, label))
        if known != label:
            raise InputError(f"{path.name} is filed as {label} and, as {copy.name}, as {known}; remove one")
    names = [parse_name(path.stem) for path, _ in seen.values()]
    fields = field_names(names)
    return [Clip(p, label, n, f) for (p, label), n, f in zip(seen.values(), names, fields, strict=True)]


def data_hash(clips: Sequence[Clip]) -> str:
    """SHA-256 over the clips' labels and bytes, whatever folder they lie in."""
    digest = hashlib.sha256()
    for clip in sorted(clips, key=lambda c: (c.label, c.path.name)):
        digest.update(f"{clip.label} {clip.path.name} ".encode() + clip.path.read_bytes())
    return digest.hexdigest()


def folds(clips: Sequence[Clip], n_folds: int) -> np.ndarray:
    """The fold of each clip: (N,) int64, 0..n_folds-1; all clips of a field are in one.

    Fields are dealt out by the weight of their clips, the heaviest first, each to the fold where classes, and
    cell lines within them, stay most even. Nothing is random: equal clips give equal folds.

    Raises:
        InputError: fewer fields than folds.
    """
    fields: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        fields[clip.field].append(clip)
    if not 1 < n_folds <= len(fields):
        raise InputError(f"{n_folds} folds of {len(fields)} fields; wanted 2 to {len(fields)}")
    counts = {f: Counter(s for c in members for s in _strata(c)) for f, members in fields.items()}
    total = sum(counts.values(), Counter())
    loads: list[Counter] = [Counter() for _ in range(n_folds)]
    fold_of = {}
    # Clips of the rarer class weigh more: their fields are harder to spread evenly.
    weights = {f: sum(1 / total[c.label] for c in members) for f, members in fields.items()}
    for name in sorted(fields, key=lambda f: (-weights[f], f)):
        growth = [_unevenness(load, counts[name], total) for load in loads]
        # Of equally good folds the smallest, so that with few fields every fold gets one.
        fold_of[name] = min(range(n_folds), key=lambda k: (growth[k], loads[k].total()))
        loads[fold_of[name]] += counts[name]
    return np.array([fold_of[clip.field] for clip in clips])


def _strata(clip: Clip) -> tuple[str, str]:
    """The groups, of which each fold should get an equal share, that a clip belongs to."""
    return clip.label, f"{clip.label} {clip.name.line}"


def _unevenness(load: Counter, added: Counter, total: Counter) -> float:
    """By how much the sum of squared shares grows if `added` joins `load`; classes weigh three times."""
    weight = {s: 3.0 if s in set(MitosisClass) else 1.0 for s in added}
    return sum(weight[s] * ((load[s] + n) ** 2 - load[s] ** 2) / total[s] ** 2 for s, n in added.items())
