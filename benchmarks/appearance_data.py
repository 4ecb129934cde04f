"""Pictures of nuclei with what they are, for `benchmarks/fit_appearance.py`.

Each source gives pictures, what each may be, and the plate, movie or field that it must not be parted from.
Where only so much is known, several looks are allowed: a nucleus in the last frame before its division, at 30
minutes a frame, is some mitotic figure.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import samples
from fit_likelihoods import DOSES_GY
from real_lineages import covered, zoom

from lineage.evaluate.inputs import read_truth
from lineage.nuclei import appearance
from lineage.nuclei.background import background
from lineage.nuclei.measure import measures_of
from lineage.schema import CROP_FRAMES, LOOKS, SEPARATION_INDEX, State
from lineage.simulate.movie import truth_folder
from lineage.simulate.settings import CellLine, Settings
from lineage.stardist.model import of_this_process
from lineage.stardist.predict import predict
from lineage.video import open_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lineage.evaluate.inputs import Truth
    from lineage.nuclei.measure import Measures
    from lineage.schema import Video

SIDE = 46  # cut larger than is seen, to be turned and zoomed
MITOTIC = ("prometaphase", "metaphase", "anaphase")
OF_MITOCHECK = {
    "Prometaphase": ("prometaphase",), "Metaphase": ("metaphase",), "Anaphase": ("anaphase",),
    "MetaphaseAlignment": ("metaphase", "prometaphase"), "Apoptosis": ("dead",), "OutOfFocus": ("debris",),
    "Polylobed": ("multinucleated",), "Grape": ("multinucleated",),
    "Binuclear": ("multinucleated", "interphase"),
    **dict.fromkeys(("Interphase", "Large", "Elongated", "Folded", "Hole"), ("interphase",)),
}  # fmt: skip
CENTRE_PX, AROUND_PX = 14, 22  # how near to a crop's middle its nucleus lies; and an apoptosis's fragments
UNLIKE = tuple(name for name in LOOKS if name not in MITOTIC)
EVERY = 5  # frames of a movie from which nuclei in interphase are taken; those that divide are all taken
MODEL = "sir-dna"  # that finds the nuclei


@dataclass(frozen=True, eq=False)
class Pictures:
    """Of one source."""

    source: str
    seen: np.ndarray  # (N, 2, SIDE, SIDE) float16
    may_be: np.ndarray  # (N, len(LOOKS)) bool
    group: np.ndarray  # (N,) str: what must not be parted


def gathered(source: str, found: list[tuple[np.ndarray, list[tuple[str, ...]], str]]) -> Pictures:
    """From pictures, what each may be, and the group, a frame at a time."""
    may_be = [[name in allowed for name in LOOKS] for _, each, _ in found for allowed in each]
    return Pictures(
        source,
        np.concatenate([seen for seen, _, _ in found]).astype(np.float16),
        np.array(may_be, bool),
        np.concatenate([np.full(len(each), group) for _, each, group in found]),
    )


def of_frame(image: np.ndarray, zoom: float, pixel_size_um: float) -> tuple[np.ndarray, np.ndarray, Measures]:
    """Grey levels above the background, labels, measures, as a run has them."""
    labels, _ = predict(of_this_process(MODEL), image, zoom=zoom)
    above = image.astype(np.float32) - background(image, labels, pixel_size_um=pixel_size_um)
    return above, labels, measures_of(labels, above)


def some(found: Measures, keep: np.ndarray) -> Measures:
    """Of some labels only."""
    return type(found)(*(getattr(found, name)[keep] for name in found.__dataclass_fields__))


def mitocheck(real: Path) -> Pictures:
    """Single nuclei; by plate."""
    stored = np.load(real / "mitocheck_cells" / "mitocheck_cells.npz")
    read = []
    for image, name, kind in zip(stored["crops"], stored["name"], stored["label"], strict=True):
        if kind not in OF_MITOCHECK:
            continue
        labels, _ = predict(of_this_process(MODEL), image)
        above = image.astype(np.float32) - np.percentile(image, 10)
        found = measures_of(labels, above)
        far = np.abs(found.position_px - 31.5).max(axis=1)
        keep = far < AROUND_PX if kind == "Apoptosis" else far == far.min(initial=CENTRE_PX)
        if keep.any():
            read.append((above, labels, some(found, keep), kind, name.split("_")[0]))
    areas = [found.area_px[0] for _, _, found, kind, _ in read if kind == "Interphase"]
    usual = float(2 * np.sqrt(np.median(areas) / np.pi))
    found = []
    for above, labels, these, kind, plate in read:
        seen = appearance.crops(above, labels, these, diameter_px=usual, side=SIDE)
        found.append((seen, [OF_MITOCHECK[kind]] * len(seen), plate))
    return gathered("mitocheck", found)


def hela(real: Path) -> Pictures:
    """HeLa 02: before and after its divisions, and far from any; one group."""
    truth = read_truth(real / "hela02" / "truth")
    video = open_video(real / "hela02" / "movie.ome.tif")
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for label, begin, end, _ in truth.tracks.tolist():
        cell = truth.cell_of[label]
        first[cell] = min(begin, first.get(cell, begin))
        last[cell] = max(end, last.get(cell, end))
    divides = {c for c in truth.graph if truth.graph.out_degree(c) > 1}
    born = {c for c in truth.graph if truth.graph.in_degree(c)}

    def allowed(cell: int, t: int) -> tuple[str, ...] | None:
        if cell in divides and t == last[cell]:
            return MITOTIC
        if cell in born and t == first[cell]:
            return ("anaphase", "interphase")
        if t - first[cell] >= 5 and last[cell] - t >= 5 and t % EVERY == 0:
            return UNLIKE
        return None

    return _of_movie("hela02", video, truth, allowed)


def _of_movie(
    source: str, video: Video, truth: Truth, allowed: Callable[[int, int], tuple[str, ...] | None]
) -> Pictures:
    size = zoom(video, MODEL)
    found = []
    for t in range(video.n_frames):
        above, labels, these = of_frame(video.frame(t, video.nucleus), size, video.pixel_size_um)
        own, _ = covered(truth.mask(t).astype(np.int32), labels)
        cell = [truth.cell_of.get(int(own[n]), 0) for n in these.label]
        may = [allowed(c, t) if c else None for c in cell]
        keep = np.array([m is not None for m in may], bool)
        if keep.any():
            seen = appearance.crops(above, labels, these, side=SIDE)[keep]
            found.append((seen, [m for m in may if m is not None], source))
    return gathered(source, found)


def simulated_movies(out: Path) -> Iterator[tuple[Path, Settings]]:
    """Those with pixels that `benchmarks/fit_likelihoods.py` draws."""
    for line in CellLine:
        for dose in DOSES_GY:
            movie = out / f"{line}_{dose}Gy.tif"
            if movie.exists():
                yield movie, samples.movie_settings(line, dose)


def simulated(movie: Path, settings: Settings) -> Pictures:
    """One of them; a movie is a group."""
    truth = read_truth(truth_folder(movie))
    video = open_video(movie)
    cells = samples.lives(settings)
    simulated_cell = {c: d["simulated_cell"] for c, d in truth.graph.nodes(data=True)}

    def allowed(cell: int, t: int) -> tuple[str, ...] | None:
        state = samples.true_state(cells[simulated_cell[cell]], t * settings.minutes_per_frame)
        if state is State.INTERPHASE:
            return ("interphase", "multinucleated", "debris") if (t + cell) % (4 * EVERY) == 0 else None
        return (str(state),)

    return _of_movie(movie.stem, video, truth, allowed)


def mosaics(folder: Path) -> Pictures:
    """Real SiR-DNA: clips laid out as movies by `benchmarks/mosaic.py`; a folder is a group."""
    found = []
    for path in sorted(folder.glob("*.csv")):
        video = open_video(path.with_suffix(".tif"))
        with path.open() as file:
            tiles = list(csv.DictReader(file))
        size = zoom(video, MODEL)
        for t in range(video.n_frames):
            above, labels, these = of_frame(video.frame(t, video.nucleus), size, video.pixel_size_um)
            found += _of_tiles(folder.name, tiles, t, above, labels, these)
    return gathered(folder.name, found)


def _of_tiles(
    source: str, tiles: list[dict[str, str]], t: int, above: np.ndarray, labels: np.ndarray, found: Measures
) -> Iterator[tuple[np.ndarray, list[tuple[str, ...]], str]]:
    """Of each clip the nucleus in its middle while it divides, and once all nuclei far from it."""
    for tile in tiles:
        i = t - int(tile["first_frame"])
        corner = np.array([int(tile["y0_px"]), int(tile["x0_px"])])
        size = np.array([int(tile["height_px"]), int(tile["width_px"])])
        far = np.abs(found.position_px - corner - (size - 1) / 2)
        within = (far < size / 2).all(axis=1)
        far = np.where(within, far.max(axis=1), np.inf)
        if i in (1, 2) or (i in (0, 3) and tile["class"] == "abnormal"):
            keep = (far == far.min(initial=CENTRE_PX)) & within
            may = ("prometaphase", "metaphase") if tile["class"] == "normal" else MITOTIC
        elif i == SEPARATION_INDEX:
            keep, may = far < CENTRE_PX, ("anaphase",)
        elif i == CROP_FRAMES // 2:
            keep, may = (far > 2 * CENTRE_PX) & within, UNLIKE
        else:
            continue
        if keep.any():
            seen = appearance.crops(above, labels, found, side=SIDE)[keep]
            yield seen, [may] * len(seen), source
