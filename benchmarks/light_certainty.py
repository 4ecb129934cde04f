"""When `lineage.nuclei.light` may be believed: `python benchmarks/light_certainty.py`.

Nuclei of simulated movies without pixels (`tests/synthetic`), 18 and 36 hours of 12 to 60 founders, in even
light and in light of which half is missing in the darkest corner, without bleaching and with half of the
stain gone at the end; 3 % of noise are added. Only movies with MIN_NUCLEI followed count. A row a light:

- chi-squared: of the field, lowest and highest of all movies; MIN_CERTAINTY lies between even and uneven.
- corrected: the share of movies whose field, and whose bleaching, is corrected.
- error: of the corrected field, relative SD over the image, the median movie's and the worst's; and of the
  loss, that found less the true one, likewise.
- by position: the contrast that the brightness of interphase-sized nuclei by position would give, a
  polynomial as ours and robust as well; median and worst. That is the obvious estimator.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from lineage.nuclei import light
from lineage.schema import Geometry
from lineage.simulate.camera import vignetted
from lineage.simulate.settings import CellLine, Settings

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from synthetic.detections import detect

SEEDS = 8000  # of nothing else
FIELDS = ((400, 12), (400, 25), (512, 40), (620, 60))  # pixels a side, founders
NOISE = 0.03
BRIGHTEST_AT = (0.4, 0.6)
CASES = {"even": (0.0, 0.0), "bleaching": (0.0, 0.5), "uneven": (0.5, 0.0), "both": (0.5, 0.5)}


def movies() -> list[tuple[pd.DataFrame, Geometry]]:
    """NUCLEUS_COLUMNS of each, with noise."""
    found = []
    conditions = product(range(2), CellLine, (0, 4, 10), FIELDS, (109, 217))
    for k, (_, line, dose, (size, founders), frames) in enumerate(conditions, 1):
        settings = Settings(
            frames=frames, size=size, founders=founders, cell_line=line, dose_gy=dose, well=dose + 1,
            irradiated_min_before_start=75 * dose, seed=SEEDS + k, bleaching=0,
        )  # fmt: skip
        rng = np.random.default_rng(settings.seed)
        nuclei = detect(settings).nuclei
        nuclei = nuclei.assign(dna_mass=nuclei["dna_mass"] * np.exp(NOISE * rng.standard_normal(len(nuclei))))
        geometry = Geometry(frames, (size, size), settings.pixel_size_um, settings.minutes_per_frame)
        found.append((nuclei, geometry))
    return found


def seen(nuclei: pd.DataFrame, geometry: Geometry, missing: float, loss: float) -> pd.DataFrame:
    """The nuclei in uneven light, with a stain that bleaches.

    Args:
        nuclei: as they are.
        geometry: of the movie.
        missing: share of the light, in the darkest corner.
        loss: share of the stain's light gone at the end.
    """
    field = vignetted(geometry.shape, share=missing, brightest_at=BRIGHTEST_AT)
    y, x = (
        nuclei[c].round().astype(int).clip(0, n - 1)
        for c, n in zip(("y_px", "x_px"), geometry.shape, strict=True)
    )
    left = (1 - loss) ** (nuclei["frame"] / (geometry.n_frames - 1))
    return nuclei.assign(
        dna_mass=nuclei["dna_mass"] * field[y, x] * left,
        mean_intensity=nuclei["mean_intensity"] * field[y, x] * left,
    )


def by_position(nuclei: pd.DataFrame, geometry: Geometry) -> float:
    """The contrast by the obvious estimator."""
    table = nuclei[(nuclei["area_um2"] > 0.6 * nuclei["area_um2"].median()) & (nuclei["mean_intensity"] > 0)]
    height, width = geometry.shape
    places = (2 * table["y_px"].to_numpy() + 1) / height - 1, (2 * table["x_px"].to_numpy() + 1) / width - 1
    time = table["frame"].to_numpy() / geometry.n_frames
    terms = light._terms(*places)
    x = np.column_stack([terms, np.ones(len(table)), time, time**2])
    y, weight = np.log(table["mean_intensity"].to_numpy()), np.ones(len(table))
    for _ in range(20):
        beta = np.linalg.solve((x * weight[:, None]).T @ x, (x * weight[:, None]).T @ y)
        rest = y - x @ beta
        weight = 1 / (1 + (rest / (2 * 1.4826 * np.median(np.abs(rest)))) ** 2) ** 2
    return light.Light(geometry.shape, tuple(beta[:5])).contrast


def main() -> None:
    """Simulate, estimate, print."""
    known = movies()
    print(
        "| light | movies | chi-squared | field corrected | its error | bleaching corrected | its error "
        "| by position |"
    )
    print("|---" * 8 + "|")
    for name, (missing, loss) in CASES.items():
        rows = []
        for nuclei, geometry in known:
            table = seen(nuclei, geometry, missing, loss)
            pairs = light._pairs(table, geometry)
            if len(np.unique(pairs["track"])) < light.MIN_NUCLEI:
                continue
            found = light.estimate_light(table, SimpleNamespace(geometry=geometry, intensities=True))
            true = vignetted((25, 25), share=missing, brightest_at=BRIGHTEST_AT)
            rows.append(
                {
                    "chi": light._fit(pairs, geometry).certainty,
                    "field": not found.is_even,
                    "error": np.std(found.map(25, 25) / (true / true.mean())),
                    "bleaching": bool(found.bleaching),
                    "off": found.loss - loss,
                    "position": by_position(table, geometry),
                }
            )
        of = pd.DataFrame(rows)
        wrong, off = of.loc[of["field"], "error"], of.loc[of["bleaching"], "off"]
        cells = [
            name, str(len(of)),
            f"{of['chi'].min():.0f} to {of['chi'].max():.0f}", f"{of['field'].mean():.2f}",
            f"{wrong.median():.3f}, {wrong.max():.3f}" if len(wrong) else "", f"{of['bleaching'].mean():.2f}",
            f"{off.median():+.2f}, {off[off.abs().idxmax()]:+.2f}" if len(off) else "",
            f"{of['position'].median():.2f}, {of['position'].max():.2f}",
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
