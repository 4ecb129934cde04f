"""Real and simulated clips compared: `python benchmarks/realism.py CLIPS SIMULATED OUT`.

CLIPS are the paper's, SIMULATED those of `benchmarks/simulated_clips.py`. OUT gets `distributions.png`, what
was measured on both by the same code, `simulated.png`, films of each kind, and `mitoses.png`, real and
simulated films side by side. The last shows the paper's pixels: it is for your own eyes. A table goes to the
screen.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter
from scipy.stats import ks_2samp

from lineage.stardist import model as stardist_model
from lineage.stardist.predict import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

mpl.use("Agg")
from matplotlib import pyplot as plt

REAL, SIMULATED = "#444444", "#D55E00"
PIXEL_UM = 1.1518
# Chosen by eye for each kind; nobody has labelled the clips' subtypes.
EXAMPLES = {
    "normal": "NormalMitosis/N_160930.nd2_PC3_2Gy_p4_389_400",
    "tripolar": "AbnormalMitosis/8Gy_p3-2_260-271",
    "tetrapolar": "AbnormalMitosis/A_160930.nd2_PC3_4Gy_p1_425_436",
    "furrow_regression": "AbnormalMitosis/A_160930.nd2_PC3_2Gy_p1_243_254",
    "slippage": "AbnormalMitosis/A_160930.nd2_PC3_2Gy_p1_699_710",
    "death_in_mitosis": "AbnormalMitosis/A_160930.nd2_U251c_15Gy_p4_657_668",
}


def decode(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Phase and SiR-DNA, each (12, H, W) float."""
    rgb = tifffile.imread(path).astype(float)
    return rgb[..., 1], np.clip(rgb[..., 0] - rgb[..., 1], 0, None)


def measure(path: Path, find: Callable[[np.ndarray], np.ndarray]) -> dict[str, list[float]]:
    """What is compared, of one clip; several nuclei give several values."""
    phase, dna = decode(path)
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    background = float(np.percentile(dna, 10))
    found["background"].append(background)
    found["condensed"].append(float(np.percentile(dna, 99.8)) - background)
    found["phase_range"].append(float(np.subtract(*np.percentile(phase, (99, 1)))))
    fine = phase - gaussian_filter(phase, (0, 1.5, 1.5))
    found["phase_grain"].append(float(fine.std()))
    for t in (11,):
        labels = find(dna[t])
        for k in range(1, int(labels.max()) + 1):
            inside = labels == k
            area = inside.sum() * PIXEL_UM**2
            ys, xs = np.nonzero(inside)
            touches = min(ys.min(), xs.min()) == 0 or max(ys.max(), xs.max()) >= len(inside) - 1
            level = float(dna[t][inside].mean()) - background
            if area < 60 or touches:
                continue
            peak = float(np.percentile(dna[t][inside], 95)) - background
            if peak < 0.5 * found["condensed"][0]:  # not condensed
                found["interphase"].append(level)
                found["area"].append(float(area))
                found["texture"].append(float(dna[t][inside].std()) / max(level, 1))
    return found


MEASURES = {
    "background": "SiR-DNA background,\ngrey levels",
    "condensed": "condensed chromatin\nabove background",
    "interphase": "interphase nuclei\nabove background",
    "area": "interphase nuclei,\narea, µm²",
    "texture": "relative spread of light\nwithin a nucleus",
    "phase_range": "phase: 1st to 99th\npercentile",
    "phase_grain": "phase: spread of what\nis finer than 1.5 px",
}


def gather(folder: Path, find: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    """All clips' values."""
    clips = sorted(folder.glob("*Mitosis/*.tif"))
    each = [measure(path, find) for path in clips]
    return {name: np.concatenate([m[name] for m in each]) for name in MEASURES}


def draw_distributions(real: dict[str, np.ndarray], simulated: dict[str, np.ndarray], out: Path) -> None:
    """One panel a measure."""
    plt.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(2, 4, figsize=(9.2, 4.4), layout="constrained")
    for axis, (name, title) in zip(axes.flat, MEASURES.items(), strict=False):
        both = np.concatenate([real[name], simulated[name]])
        low, high = np.percentile(both, (0.5, 99))
        whole = name == "background"  # grey levels: a bin each
        bins = np.arange(int(low), high + 2) - 0.5 if whole else np.linspace(low, high, 32)
        for values, colour, style in (
            (real[name], REAL, "stepfilled"), (simulated[name], SIMULATED, "step"),
        ):  # fmt: skip
            weights = np.full(len(values), 1 / len(values))
            fill = {"alpha": 0.35, "lw": 0} if style == "stepfilled" else {"lw": 1.6}
            axis.hist(values, bins, weights=weights, color=colour, histtype=style, **fill)
        axis.set_xlabel(title)
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
    last = axes.flat[-1]
    last.axis("off")
    last.fill_between([0.05, 0.2], 0.62, 0.72, color=REAL, alpha=0.35, lw=0)
    last.plot([0.05, 0.2], [0.45, 0.45], color=SIMULATED, lw=1.6)
    last.text(0.27, 0.67, "the paper's training clips", va="center")
    last.text(0.27, 0.45, "simulated clips", va="center")
    last.set(xlim=(0, 1), ylim=(0, 1))
    figure.savefig(out, dpi=170)


def film(path: Path, side: int = 88) -> np.ndarray:
    """Two rows of 12 tiles, SiR-DNA and phase, stretched alike, (2 side, 12 side) 0 to 1."""
    from skimage.transform import resize

    rows = []
    for channel, (low, high) in zip(decode(path)[::-1], ((1, 99.8), (0.5, 99.5)), strict=True):
        a, b = np.percentile(channel, (low, high))
        tiles = np.clip((channel - a) / max(b - a, 1), 0, 1)
        rows.append(np.concatenate([resize(t, (side, side), order=1) for t in tiles], axis=1))
    return np.concatenate(rows)


def draw_mitoses(
    pairs: Sequence[tuple[str, Path | None, Path | None]], titles: tuple[str, str], out: Path
) -> None:
    """A row a kind: two films beside each other, SiR-DNA above phase."""
    figure, axes = plt.subplots(len(pairs), 2, figsize=(15, 1.32 * len(pairs)), layout="constrained")
    for row, (kind, *films) in zip(axes, pairs, strict=True):
        for axis, path in zip(row, films, strict=True):
            axis.set(xticks=[], yticks=[])
            for side in axis.spines.values():
                side.set_visible(False)
            if path is not None:
                axis.imshow(film(path), cmap="gray", vmin=0, vmax=1)
        row[0].set_ylabel(kind.replace("_", "\n"), rotation=0, ha="right", va="center", fontsize=10)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=11)
    figure.savefig(out, dpi=130)


def pick(folder: Path, kinds: Sequence[str], seed: int, line: str | None = None) -> dict[str, Path]:
    """A simulated clip of each kind, drawn at random."""
    rng = np.random.default_rng(seed)
    rows = list(csv.DictReader((folder / "clips.csv").open()))
    chosen = {}
    for kind in kinds:
        fitting = [r for r in rows if r["subtype"] == kind and line in (None, r["cell_line"])]
        if fitting:
            row = fitting[rng.integers(len(fitting))]
            chosen[kind] = next(folder.glob(f"*/{row['clip']}.tif"))
    return chosen


def main() -> None:
    """Measure, draw, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("simulated", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the films that are shown")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    kinds = [*EXAMPLES, "lagging_chromatin", "micronuclei"]
    lines = [pick(args.simulated, kinds, args.seed, line) for line in ("U251", "PC3")]
    simulated_pairs = [(kind, *(chosen.get(kind) for chosen in lines)) for kind in kinds]
    draw_mitoses(simulated_pairs, ("simulated U251", "simulated PC3"), args.out / "simulated.png")
    chosen = pick(args.simulated, list(EXAMPLES), args.seed)
    pairs = [(kind, args.clips / f"{EXAMPLES[kind]}.tif", path) for kind, path in chosen.items()]
    draw_mitoses(pairs, ("the paper's clips", "simulated"), args.out / "mitoses.png")
    nuclei = stardist_model.load(stardist_model.BUNDLED)
    real, simulated = (gather(f, lambda dna: predict(nuclei, dna)[0]) for f in (args.clips, args.simulated))
    draw_distributions(real, simulated, args.out / "distributions.png")
    print("| | real: median (5 %, 95 %) | simulated | Kolmogorov-Smirnov |\n|---|---|---|---|")
    for name, title in MEASURES.items():
        cells = [
            "{:.3g} ({:.3g}, {:.3g})".format(*np.percentile(values[name], (50, 5, 95)))
            for values in (real, simulated)
        ]
        distance = ks_2samp(real[name], simulated[name]).statistic
        print(f"| {title.replace(chr(10), ' ')} | {cells[0]} | {cells[1]} | {distance:.2f} |")
    ratios = [np.median(v["interphase"]) / np.median(v["condensed"]) for v in (real, simulated)]
    print(f"interphase over condensed: real {ratios[0]:.2f}, simulated {ratios[1]:.2f}")


if __name__ == "__main__":
    main()
