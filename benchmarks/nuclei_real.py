"""A nucleus model on real movies with masks: `python benchmarks/nuclei_real.py REAL --model sir-dna DIR ...`.

REAL holds `hela02` and `simplus02` (the frames of their last third are scored, which
`benchmarks/nuclei_real_data.py` keeps from the training) and `mitocheck_cells` (single nuclei by class, of
the plates that it keeps aside).

- AP: StarDist's average precision at an intersection over union of 0.5 and 0.7, pooled over the frames.
  Markers are no truth, nor is what lies within 25 px of a border that is hardly annotated: what is found
  there counts for nothing.
- mothers, daughters: of those in their last and first frame, the share that a label covers by more than
  half, a label that so covers no other.
- false: labels a frame that overlap no annotated nucleus.
- shift: median difference of the radii of matched labels and masks, pixels; above 0 the outline is too
  wide.
- single nuclei: the share with just one label in the middle half of their crop.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from nuclei_real_data import BORDER_PX, EVERY, LEARNT, MARKER_PX, plate_aside

from lineage.nuclei.segment import StarDistFinder
from lineage.processes import cores, in_order
from lineage.stardist import model
from lineage.stardist.scale import diameter_px, zoom_of

IOUS = (0.5, 0.7)


@dataclass
class Scores:
    """Counts of one movie."""

    matched: np.ndarray = field(default_factory=lambda: np.zeros(len(IOUS)))
    missed: np.ndarray = field(default_factory=lambda: np.zeros(len(IOUS)))
    false: np.ndarray = field(default_factory=lambda: np.zeros(len(IOUS)))
    alone: int = 0  # labels on no nucleus
    frames: int = 0
    shifts: list[float] = field(default_factory=list)
    covered: dict[str, list[bool]] = field(default_factory=lambda: {"mothers": [], "daughters": []})

    def row(self, name: str, of: str) -> str:
        """One line of the table."""
        ap = self.matched / (self.matched + self.missed + self.false)
        shares = [f"{np.mean(c):.3f} ({len(c)})" for c in self.covered.values()]
        shift = np.median(self.shifts) if self.shifts else np.nan
        cells = [name, of, f"{ap[0]:.3f}", f"{ap[1]:.3f}", *shares, f"{self.alone / self.frames:.2f}"]
        return f"| {' | '.join([*cells, f'{shift:+.2f}'])} |"


def one_frame(find: StarDistFinder, t: int, image: np.ndarray) -> np.ndarray:
    """The labels of one frame."""
    return find(t, image)[0]


def score(labels: np.ndarray, mask: np.ndarray, border: int, cells: dict[str, list[int]], s: Scores) -> None:
    """Add one frame."""
    areas = np.bincount(mask.ravel(), minlength=int(mask.max()) + 1)
    found = np.bincount(labels.ravel())
    shared = np.zeros((len(areas), len(found)))
    np.add.at(shared, (mask.ravel(), labels.ravel()), 1)
    inner = np.zeros(mask.shape, bool)
    inner[border : mask.shape[0] - border, border : mask.shape[1] - border] = True
    truly = [i for i in np.flatnonzero(areas >= MARKER_PX) if i and inner[mask == i].all()]
    aside = np.setdiff1d(np.flatnonzero(areas), [0, *truly])  # markers, and what the border cuts
    counted = [
        j for j in np.flatnonzero(found)
        if j and inner[labels == j].all() and shared[aside, j].sum() < 0.2 * found[j]
    ]  # fmt: skip
    iou = shared / np.maximum(areas[:, None] + found - shared, 1)
    for k, least in enumerate(IOUS):
        pairs = iou[np.ix_(truly, np.flatnonzero(found)[1:])] > least
        hit = int(pairs.any(axis=1).sum())
        s.matched[k] += hit
        s.missed[k] += len(truly) - hit
        s.false[k] += int((~(iou[np.ix_(truly, counted)] > least).any(axis=0)).sum())
    s.alone += int((shared[1:, counted].sum(axis=0) == 0).sum()) if counted else 0
    s.frames += 1
    best = iou[truly].copy()
    best[:, 0] = 0
    for i, j in zip(truly, best.argmax(axis=1), strict=True):
        if iou[i, j] > IOUS[0]:
            s.shifts.append(float(np.sqrt(found[j] / np.pi) - np.sqrt(areas[i] / np.pi)))
    covers = shared[1:, 1:] > 0.5 * areas[1:, None]
    only = covers & (covers[areas[1:] > 0].sum(axis=0) == 1)
    for kind, ids in cells.items():
        s.covered[kind] += [bool(only[i - 1].any()) for i in ids if i in truly]


def movie(folder: Path, name: str) -> Scores:
    """The held-out frames of one movie."""
    scores = Scores()
    tracks = np.loadtxt(folder / "truth" / "TRA" / "man_track.txt", int).reshape(-1, 4)
    first = {label: begin for label, begin, _, parent in tracks.tolist() if parent}
    mothers = set(tracks[:, 3].tolist()) - {0}
    with tifffile.TiffFile(folder / "movie.ome.tif") as film:
        pages = film.series[0].pages
        held = range(int(LEARNT * len(pages)), len(pages))
        picked = [pages[int(t)].asarray() for t in np.linspace(0, len(pages) - 1, 5)]
        network = model.load(name)
        find = StarDistFinder(name, zoom_of(network, diameter_px(network, picked)))
        last = {label: end for label, _, end, _ in tracks.tolist()}
        tasks = ((find, t, pages[t].asarray()) for t in held)
        for t, labels in zip(held, in_order(one_frame, tasks, workers=cores()), strict=True):
            mask = tifffile.imread(folder / "truth" / "TRA" / f"man_track{t:03d}.tif")
            cells = {
                "mothers": [c for c in mothers if last[c] == t],
                "daughters": [c for c, begin in first.items() if begin == t],
            }
            score(labels, mask, BORDER_PX[folder.name], cells, scores)
    return scores


def single_nuclei(path: Path, name: str) -> list[tuple[str, int, float]]:
    """Class, number, and share with just one label in the middle of the crop."""
    find = StarDistFinder(name, 1.0)
    with np.load(path, allow_pickle=False) as cells:
        kept = np.array([plate_aside(one) for one in cells["name"].tolist()])
        crops, shapes, classes = (cells[c][kept] for c in ("crops", "shape", "label"))
    tasks = ((find, 0, crop[:h, :w]) for crop, (h, w) in zip(crops, shapes, strict=True))
    one = np.array([_in_the_middle(labels) == 1 for labels in in_order(one_frame, tasks, workers=cores())])
    kinds = np.unique(classes)
    return [(kind, int((classes == kind).sum()), float(one[classes == kind].mean())) for kind in kinds]


def _in_the_middle(labels: np.ndarray) -> int:
    """How many labels lie in the middle half of a crop."""
    h, w = labels.shape
    return len(set(np.unique(labels[h // 4 : h - h // 4, w // 4 : w - w // 4])) - {0})


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path)
    parser.add_argument("--model", nargs="+", default=[model.BUNDLED])
    args = parser.parse_args()
    print("| model | movie, last third | AP 0.5 | AP 0.7 | mothers | daughters | false a frame | shift, px |")
    print("|---|---|---|---|---|---|---|---|")
    for of in EVERY:
        for name in args.model:
            print(movie(args.real / of, name).row(name, of), flush=True)
    print("\n| class | nuclei | " + " | ".join(args.model) + " |")
    print("|---|---|" + "---|" * len(args.model))
    cells = args.real / "mitocheck_cells" / "mitocheck_cells.npz"
    every = [single_nuclei(cells, name) for name in args.model]
    for rows in zip(*every, strict=True):
        shares = " | ".join(f"{share:.3f}" for _, _, share in rows)
        print(f"| {rows[0][0]} | {rows[0][1]} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
