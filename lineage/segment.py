"""The nucleus channel -> label images and measured nuclei, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineage import labels as label_store
from lineage.outputs import read_table, write_table
from lineage.schema import NUCLEUS_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from lineage.schema import FrameQuality, Video

    Finder = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """Frame number and image (Y, X) -> labels (Y, X) and the probability (N,) of label 1 ... N."""

BACKGROUND_SIGMA_UM = 17.0  # how far around a nucleus its background is looked for
HALO_UM = 3.0  # a nucleus's blur, kept out of the background
_GRID = 4  # the background is smooth: every fourth pixel is enough


def stardist(weights: Path, threads: int) -> Finder:
    """Nuclei found by the StarDist network; the number of threads is fixed, or labels would differ."""
    import torch

    from lineage.stardist import model, predict

    torch.set_num_threads(threads)
    loaded = model.load(weights)
    return lambda _, image: predict.predict(loaded, image)


def existing(path: Path, video: Video) -> Finder:
    """Nuclei taken from masks that are there already; each is certain."""
    from lineage.masks import open_masks

    masks = open_masks(path, n_frames=video.n_frames, shape=video.shape)

    def find(t: int, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mask = masks(t)
        return mask, np.ones(int(mask.max()))

    return find


def segment(
    video: Video,
    quality: FrameQuality,
    find: Finder,
    *,
    labels: Path,
    journal: Path,
    least_area_um2: float = 12.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Find and measure the nuclei of every usable frame; what a killed run had done is not done again.

    Args:
        video: the movie.
        quality: frames that are not usable get an empty label image.
        find: gives a frame's labels.
        labels: the Zarr group; its array `raw` is written, one chunk a frame.
        journal: a folder with one table for each finished frame.
        least_area_um2: smaller objects are left out of the table.
        progress: called with (done, total) frames.

    Returns:
        NUCLEUS_COLUMNS, in order of frame and label; `detection_id` counts through.
    """
    import pandas as pd

    label_store.create(
        labels, n_frames=video.n_frames, shape=video.shape, pixel_size_um=video.pixel_size_um,
        minutes=video.minutes_per_frame,
    )  # fmt: skip
    raw = label_store.open_array(labels, label_store.RAW, mode="r+")
    tables = [journal / f"{t:06d}.csv" for t in range(video.n_frames)]
    for t, table in enumerate(tables):
        if not (table.exists() and label_store.is_written(labels, label_store.RAW, t)):
            image = video.frame(t, video.nucleus)
            nothing = np.zeros(video.shape, np.int32), np.zeros(0)
            found, probability = find(t, image) if quality.usable[t] else nothing
            raw[t] = found
            nuclei = measure(
                found, image, probability, frame=t, pixel_size_um=video.pixel_size_um,
                minutes_per_frame=video.minutes_per_frame, drift_px=quality.drift_px[t],
                least_area_um2=least_area_um2,
            )  # fmt: skip
            write_table(nuclei, table)
        progress(t + 1, video.n_frames)
    read = [one for one in map(read_table, tables) if len(one)] or [read_table(tables[0])]
    nuclei = pd.concat(read, ignore_index=True)
    return nuclei.assign(detection_id=np.arange(len(nuclei)))


def measure(
    labels: np.ndarray,
    image: np.ndarray,
    probability: np.ndarray,
    *,
    frame: int,
    pixel_size_um: float,
    minutes_per_frame: float,
    drift_px: np.ndarray,
    least_area_um2: float = 12.0,
) -> pd.DataFrame:
    """Measure each nucleus with scikit-image.

    Args:
        labels: (Y, X), 0 is background.
        image: (Y, X), raw grey levels of the DNA stain.
        probability: (N,) of label 1, 2, ... N.
        frame: its number.
        pixel_size_um: of the image.
        minutes_per_frame: of the movie.
        drift_px: (2,) of this frame; taken out of `y_um, x_um`.
        least_area_um2: smaller objects are left out; they keep their label in the image.

    Returns:
        NUCLEUS_COLUMNS. `dna_mass` is the sum of grey levels above the local background, `mean_intensity`
        the mean of the same, `texture` their standard deviation over their mean.
    """
    import pandas as pd
    from skimage.measure import regionprops_table

    above = image.astype(np.float32) - background(image, labels, pixel_size_um=pixel_size_um)
    table = pd.DataFrame(
        regionprops_table(
            labels.astype(np.int32),
            above,
            properties=(
                "label", "centroid", "area", "mean_intensity", "intensity_std", "eccentricity", "solidity",
            ),
        )
    )  # fmt: skip
    table = table[table["area"] * pixel_size_um**2 >= least_area_um2].reset_index(drop=True)
    drift = np.asarray(drift_px, float)
    mean = table["mean_intensity"]
    out = pd.DataFrame(
        {
            "detection_id": np.arange(len(table)),
            "frame": frame,
            "time_min": frame * minutes_per_frame,
            "label": table["label"],
            "y_px": table["centroid-0"],
            "x_px": table["centroid-1"],
            "y_um": (table["centroid-0"] - drift[0]) * pixel_size_um,
            "x_um": (table["centroid-1"] - drift[1]) * pixel_size_um,
            "area_um2": table["area"] * pixel_size_um**2,
            "dna_mass": mean * table["area"],
            "mean_intensity": mean,
            "eccentricity": table["eccentricity"],
            "solidity": table["solidity"],
            "texture": table["intensity_std"] / mean.clip(lower=1e-6),
            "probability": probability[table["label"].to_numpy(int) - 1] if len(table) else 0.0,
        }
    )
    return out[list(NUCLEUS_COLUMNS)].astype({"frame": int, "detection_id": int, "label": int})


def background(image: np.ndarray, labels: np.ndarray, *, pixel_size_um: float) -> np.ndarray:
    """(Y, X) float32: the mean grey level around each place, nuclei and their halo left out."""
    from scipy.ndimage import gaussian_filter, minimum_filter, zoom

    halo = 2 * max(1, round(HALO_UM / pixel_size_um)) + 1
    free = minimum_filter((labels == 0).astype(np.uint8), halo)[::_GRID, ::_GRID].astype(np.float32)
    coarse = image[::_GRID, ::_GRID].astype(np.float32)
    sigma = BACKGROUND_SIGMA_UM / pixel_size_um / _GRID
    weight = gaussian_filter(free, sigma, mode="nearest")
    # Where nuclei lie so close that nothing is free, the image's own free level stands in.
    level = float(np.median(coarse[free > 0])) if free.any() else float(coarse.min())
    smooth = (gaussian_filter(coarse * free, sigma, mode="nearest") + 1e-3 * level) / (weight + 1e-3)
    stretched = zoom(smooth, _GRID, order=1, mode="nearest", grid_mode=True)
    return stretched[: image.shape[0], : image.shape[1]].astype(np.float32)
