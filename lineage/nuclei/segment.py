"""The nucleus channel -> label images and measured nuclei, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.device import AUTO, is_gpu
from lineage.io import labels as label_store
from lineage.io.files import read_table
from lineage.io.frame_journal import FrameJournal
from lineage.nuclei.rounding import rounding
from lineage.nuclei.signals import NONE, measure_signals
from lineage.processes import cores, in_order
from lineage.schema import LOOK_COLUMNS, NUCLEUS_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pandas as pd

    from lineage.nuclei.masks import Masks
    from lineage.nuclei.signals import Signals
    from lineage.schema import FrameQuality, Video

    Finder = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """Frame number and image (Y, X) -> labels (Y, X) and the probability (N,) of label 1 ... N."""

WORTH_PROCESSES = 2e7  # pixels in all; below, starting processes takes longer than they save


@dataclass(frozen=True)
class StarDistFinder:
    """Nuclei found by a StarDist network; images are resized by `zoom` for it."""

    model: str
    zoom: float
    device: str = AUTO

    def __call__(self, _: int, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels and probabilities of one frame."""
        from lineage.stardist.model import of_this_process
        from lineage.stardist.predict import predict

        return predict(of_this_process(self.model, self.device), image, zoom=self.zoom)


@dataclass(frozen=True, eq=False)
class Given:
    """Labels of one frame that are there already; each is certain."""

    labels: np.ndarray  # (Y, X)

    def __call__(self, _t: int, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels and probabilities of the frame."""
        return self.labels, np.broadcast_to(1.0, int(self.labels.max(initial=0)))


@dataclass(frozen=True, eq=False)
class MaskFinder:
    """Nuclei taken from masks that are there already; each is certain."""

    masks: Masks

    def __call__(self, t: int, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels and probabilities of one frame."""
        mask = self.masks(t)
        return mask, np.broadcast_to(1.0, int(mask.max()))  # takes no memory, however large a label is


def workers_for(video: Video, n_frames: int | None = None, *, device: str = AUTO) -> int:
    """All cores; one where starting more processes would take longer than it saves, or a GPU computes.

    Each process would hold the networks, and a context of its own, in the GPU's memory, and take turns there.

    Args:
        video: the movie.
        n_frames: of it that are to be measured; all if None.
        device: as `lineage.device.device_of` knows it.
    """
    if is_gpu(device):
        return 1
    return cores() if is_worth_processes(video, n_frames) else 1


def is_worth_processes(video: Video, n_frames: int | None = None) -> bool:
    """Whether frames, all if None, have pixels enough that several processes find their nuclei sooner."""
    n_frames = video.n_frames if n_frames is None else n_frames
    return n_frames * video.shape[0] * video.shape[1] > WORTH_PROCESSES


def segment(
    video: Video,
    quality: FrameQuality,
    find: Finder,
    *,
    labels: Path,
    journal: Path,
    min_area: float = 0.08,
    signals: Signals = NONE,
    workers: int = 1,
    device: str = AUTO,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[pd.DataFrame, int]:
    """Find and measure the nuclei of every usable frame; what a killed run had done is not done again.

    Args:
        video: the movie.
        quality: frames that are not usable get an empty label image.
        find: gives a frame's labels.
        labels: the Zarr group; its array `raw` is written, one chunk a frame.
        journal: a folder with one table for each finished frame, and its checksums.
        min_area: objects below this share of the median area are left out of the table; they keep their
            label in the image.
        signals: further channels that are measured as well.
        workers: processes that find and measure, while this one reads and writes.
        device: that says what nuclei look like, as `lineage.device.device_of` knows it.
        progress: called with (done, total) frames.

    Returns:
        NUCLEUS_COLUMNS, then the columns of `signals`, in order of frame and label; `detection_id` counts
        through. Of masks alone `dna_mass` is the area, and there is no texture. And how many objects were too
        small.
    """
    import pandas as pd

    label_store.create(labels, video.geometry)
    raw = label_store.open_array(labels, label_store.RAW, mode="r+")
    frames = FrameJournal(journal, labels)
    missing = [t for t in range(video.n_frames) if not frames.holds(t)]

    def tasks() -> Iterator[tuple]:
        for t in missing:
            if quality.usable[t]:
                yield _task(video, quality, t, find, signals, device)
            else:  # nothing is measured, in columns of the same names
                image = video.frame(t, video.nucleus)
                nothing = dict.fromkeys(signals.names, image)
                yield _nothing, image, None, nothing, _settings(video, quality, t, device)

    for done, (t, (found, nuclei)) in enumerate(
        zip(missing, in_order(_find_and_measure, tasks(), workers=workers), strict=True)
    ):
        raw[t] = found
        frames.write(t, nuclei)
        progress(video.n_frames - len(missing) + done + 1, video.n_frames)
    tables = (read_table(frames.table(t)) for t in range(video.n_frames))
    read = [one for one in tables if len(one)] or [read_table(frames.table(0))]
    nuclei = pd.concat(read, ignore_index=True)
    nuclei = _as_masks_tell(nuclei, video)
    kept = nuclei[nuclei["area_um2"] >= min_area * nuclei["area_um2"].median()] if len(nuclei) else nuclei
    return kept.assign(detection_id=np.arange(len(kept))), len(nuclei) - len(kept)


def measure_again(
    video: Video,
    quality: FrameQuality,
    frames: Iterable[tuple[int, np.ndarray]],
    *,
    signals: Signals = NONE,
    workers: int = 1,
    device: str = AUTO,
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Measure the nuclei of some frames in labels that are given, as `segment` measures those it finds.

    Args:
        video: the movie.
        quality: of its frames.
        frames: number and labels (Y, X) int32 of each; usable ones.
        signals: further channels that are measured as well.
        workers: processes that measure.
        device: as in `segment`.

    Yields:
        The number of each frame, and a row for each of its labels, however small; each is certain.
    """
    tasks = ((t, *_task(video, quality, t, Given(labels), signals, device)) for t, labels in frames)
    for t, nuclei in in_order(_measure_frame, tasks, workers=workers):
        yield t, _as_masks_tell(nuclei, video)


def _measure_frame(t: int, *task: Any) -> tuple[int, pd.DataFrame]:
    return t, _find_and_measure(*task)[1]


def _task(
    video: Video, quality: FrameQuality, t: int, find: Finder, signals: Signals, device: str
) -> tuple[Finder, np.ndarray, np.ndarray | None, dict[str, np.ndarray], dict[str, Any]]:
    """A frame's pixels, for `_find_and_measure`."""
    image = video.frame(t, video.nucleus)
    phase = None if video.phase is None else video.frame(t, video.phase)
    further = {n: video.frame(t, c) for n, c in zip(signals.names, signals.channels, strict=True)}
    return find, image, phase, further, _settings(video, quality, t, device)


def _settings(video: Video, quality: FrameQuality, t: int, device: str) -> dict[str, Any]:
    return {
        "frame": t,
        "pixel_size_um": video.pixel_size_um,
        "minutes_per_frame": video.minutes_per_frame,
        "drift_px": quality.drift_px[t],
        "look": video.intensities,
        "device": device,
    }


def _as_masks_tell(nuclei: pd.DataFrame, video: Video) -> pd.DataFrame:
    """The same where the movie has grey levels; of masks alone the area stands for them."""
    if video.intensities:
        return nuclei
    return nuclei.assign(dna_mass=nuclei["area_um2"], mean_intensity=1.0, texture=0.0)


def _nothing(_: int, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(image.shape, np.int32), np.zeros(0)


def _find_and_measure(
    find: Finder,
    image: np.ndarray,
    phase: np.ndarray | None,
    further: dict[str, np.ndarray],
    settings: dict,
) -> tuple[np.ndarray, pd.DataFrame]:
    found, probability = find(settings["frame"], image)
    nuclei = measure(found, image, probability, phase=phase, **settings)
    return found, nuclei.assign(**measure_signals(found, further, pixel_size_um=settings["pixel_size_um"]))


def measure(
    labels: np.ndarray,
    image: np.ndarray,
    probability: np.ndarray,
    *,
    frame: int,
    pixel_size_um: float,
    minutes_per_frame: float,
    drift_px: np.ndarray,
    phase: np.ndarray | None = None,
    look: bool = True,
    device: str = AUTO,
) -> pd.DataFrame:
    """Measure each nucleus.

    Args:
        labels: (Y, X), 0 is background.
        image: (Y, X), raw grey levels of the DNA stain.
        probability: (N,) of label 1, 2, ... N.
        frame: its number.
        pixel_size_um: of the image.
        minutes_per_frame: of the movie.
        drift_px: (2,) of this frame; taken out of `y_um, x_um`.
        phase: (Y, X), raw grey levels of the phase contrast; None where the movie has none.
        look: whether the grey levels show what nuclei look like; else `look_*` are NaN.
        device: that says so, as `lineage.device.device_of` knows it.

    Returns:
        NUCLEUS_COLUMNS. `dna_mass` is the sum of grey levels above the local background, `mean_intensity`
        the mean of the same, `texture` their standard deviation over their mean; eccentricity and solidity
        are scikit-image's (`lineage.nuclei.measure`), `rounding` is that of `lineage.nuclei.rounding`, NaN
        without phase.
    """
    import pandas as pd

    from lineage.nuclei.appearance import looks
    from lineage.nuclei.background import background
    from lineage.nuclei.measure import measures_of

    above = image.astype(np.float32) - background(image, labels, pixel_size_um=pixel_size_um)
    found = measures_of(labels, above)
    seen = (
        looks(above, labels, found, device=device).round(3)
        if look
        else np.full((len(found.label), len(LOOK_COLUMNS)), np.nan)
    )
    drift = np.asarray(drift_px, float)
    positions_um = (found.position_px - drift) * pixel_size_um
    out = pd.DataFrame(
        {
            "detection_id": np.arange(len(found.label)),
            "frame": frame,
            "time_min": frame * minutes_per_frame,
            "label": found.label,
            "y_px": found.position_px[:, 0],
            "x_px": found.position_px[:, 1],
            "y_um": positions_um[:, 0],
            "x_um": positions_um[:, 1],
            "area_um2": found.area_px * pixel_size_um**2,
            "dna_mass": found.mean * found.area_px,
            "mean_intensity": found.mean,
            "eccentricity": found.eccentricity,
            "solidity": found.solidity,
            "texture": found.deviation / np.maximum(found.mean, 1e-6),
            "rounding": np.nan
            if phase is None
            else rounding(phase, found.position_px, pixel_size_um=pixel_size_um),
            "probability": np.asarray(probability)[found.label - 1],
        }
        | dict(zip(LOOK_COLUMNS, seen.T, strict=True))
    )
    return out[list(NUCLEUS_COLUMNS)].astype({"frame": int, "detection_id": int, "label": int})
