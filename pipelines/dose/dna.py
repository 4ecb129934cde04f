"""DNA mass of nuclei -> DNA content in units of C, corrected for bleaching; 2N is found in the controls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

EDGES_C = (0.0, 3.0, 6.0, 12.0, np.inf)  # halfway, on a doubling scale, between 2, 4 and 8 C
CLASSES = ("2N", "4N", "8N", "above 8N")
GIANT_C = 6.0  # more than a cell in G2 can hold
GIANT_AREA = 0.995  # quantile of the controls' nuclear areas beyond which a nucleus is giant
MIN_CELLS = 30  # of a calibration
SESSION = ["experiment_date", "plate"]  # stained and imaged alike
BIN_LOG2 = 0.1


@dataclass(frozen=True)
class Calibration:
    """DNA content and nuclear size of the controls of one session."""

    log2_per_hour: float  # change of the DNA mass with hours of imaging
    two_n: float  # DNA mass of a 2N nucleus at the first frame
    giant_um2: float  # area from which on a nucleus is giant
    n_cells: int

    def content_c(self, table: pd.DataFrame) -> pd.Series:
        """DNA content in C, of rows with `dna_mass` and `movie_hours`."""
        return 2 * table["dna_mass"] / self.two_n * 2 ** (-self.log2_per_hour * table["movie_hours"])


def calibrate(controls: pd.DataFrame) -> Calibration | None:
    """Calibrate by the unirradiated cells of one session; None if they are too few.

    They grow asynchronously, so their median DNA mass falls only as the dye bleaches. The highest peak of
    their DNA mass is that of G1, or the peak at half of it if that is at least half as high.

    Args:
        controls: `dna_mass, area_um2, movie_hours, hours_from`, one row a cell and 12 hours.
    """
    table = controls[controls["dna_mass"] > 0]
    if len(table) < MIN_CELLS:
        return None
    log2 = np.log2(table["dna_mass"])
    medians = pd.DataFrame({"y": log2, "x": table["movie_hours"]}).groupby(table["hours_from"]).median()
    slope = float(np.polyfit(medians["x"], medians["y"], 1)[0]) if len(medians) > 1 else 0.0
    unbleached = (log2 - slope * table["movie_hours"]).to_numpy()
    return Calibration(
        slope, 2 ** _lowest_peak(unbleached), float(table["area_um2"].quantile(GIANT_AREA)), len(table)
    )


def _lowest_peak(log2: np.ndarray) -> float:
    from scipy.stats import gaussian_kde

    density = gaussian_kde(log2, 0.12 / max(float(log2.std()), 1e-6))
    at = np.linspace(log2.min() - 0.2, log2.max() + 0.2, 400)
    height = density(at)
    highest = float(at[np.argmax(height)])
    near_half = np.abs(at - (highest - 1)) < 0.15
    if near_half.any() and height[near_half].max() >= 0.5 * height.max():
        return float(at[near_half][np.argmax(height[near_half])])
    return highest


def calibrations(dna: pd.DataFrame) -> dict[tuple[str, str], Calibration]:
    """Session -> its calibration, from its movies without dose and drug."""
    plain = dna[(dna["dose_gy"] == 0) & (dna["drug_uM"] == 0)]
    found = {(str(a), str(b)): calibrate(table) for (a, b), table in plain.groupby(SESSION)}
    return {session: calibration for session, calibration in found.items() if calibration is not None}


def contents(dna: pd.DataFrame, known: dict[tuple[str, str], Calibration]) -> pd.DataFrame:
    """The rows whose session is calibrated, with `dna_c`, `ploidy` and `giant`."""
    parts = []
    for (date, plate), table in dna.groupby(SESSION):
        calibration = known.get((str(date), str(plate)))
        if calibration is not None:
            table = table[table["dna_mass"] > 0]  # a nucleus no brighter than its background has no logarithm
            c = calibration.content_c(table)
            ploidy = pd.cut(c, list(EDGES_C), labels=list(CLASSES), right=False).astype(str)
            giant = (c > GIANT_C) | (table["area_um2"] > calibration.giant_um2)
            parts.append(table.assign(dna_c=c, ploidy=ploidy, giant=giant))
    if parts:
        return pd.concat(parts, ignore_index=True)
    return dna.iloc[:0].assign(dna_c=[], ploidy=[], giant=[])


def histogram(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Cells by DNA content: steps of 0.1 on a scale of doublings, for each group and 12 hours."""
    bins = np.floor(np.log2(table["dna_c"]) / BIN_LOG2).astype(int).rename("bin")
    counts = table.groupby([*by, "hours_from", bins], dropna=False).size().rename("n_cells").reset_index()
    at = counts.pop("bin")
    counts["least_c"], counts["most_c"] = 2 ** (BIN_LOG2 * at), 2 ** (BIN_LOG2 * (at + 1))
    total = counts.groupby([*by, "hours_from"], dropna=False)["n_cells"].transform("sum")
    return counts.assign(share=counts["n_cells"] / total)
