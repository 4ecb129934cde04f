"""A movie, its labels, the daughters of a division -> the micronuclei beside them, a bridge between them.

Small bodies and thin threads are at the limit of what a microscope shows. What can be seen at a pixel size
was measured on drawn divisions (`benchmarks/micronuclei.py`) and is read from `micronuclei.json`. What is
seen is reported where false sightings are rare; zero only where what is common would be seen. Otherwise the
answer is None: not assessable.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from lineage.schema import FrameQuality, Lineage, MitosisEvent, Video

LIMITS = Path(__file__).with_name("micronuclei.json")
# At 1.15 um a pixel real clips show more than drawn ones say: of the normal divisions, 3 of 36 got a
# micronucleus and 4 or 5 of some 25 a bridge (docs/lab/micronuclei.md). Coarser pixels tell nothing.
COARSEST_UM = 1.0
COMMON_UM = 3.0  # most micronuclei are 1 to 3 um across: zero is an answer only where these are found
COMMON_SHARE = 0.08  # ... of the DNA lies between the daughters at most, in the simulator: likewise

NUCLEI_FORMED_MIN = (40.0, 125.0)  # after the separation; daughters' nuclei have formed, micronuclei show
PLATES_APART_MIN = (9.0, 45.0)  # ... plates have parted, and what lags is not yet taken up
MAX_FRAMES = 5  # looked at, spread over these times
MIN_FRAMES = 2  # in which a body must show to be counted, and a bridge be looked for

LARGEST_UM = 6.5  # diameter of a micronucleus; a larger label is a nucleus
REACH_UM = 6.0  # from a daughter's outline to the middle of a body
STAYS_UM = 4.0  # a body moves no further, seen from its nucleus, between the frames looked at
HALO_UM = 3.0  # a nucleus's blur, kept out of the background
SCALES_UM = (1.4, 2.0)  # standard deviations of the Laplacian of a Gaussian
MIN_SCALE_PX = 0.9  # finer ones are nothing but noise
NOISE_TIMES = 6.0  # a body stands out of the noise by so much
CONTRAST = 0.08  # ... and by so much of the brightness of the nucleus
FINE_UM = 0.5  # finer pixels are averaged up to this
MARGIN_UM = 14.0  # seen around the outermost middle of a daughter

BETWEEN_UM = 6.0  # a narrower gap between daughters is filled by their own blur
HALF_BRIDGE_UM = 1.0  # half the width of what is measured along the line
FLANK_UM = 3.0  # beside it, how far away its background is looked for
BRIDGE = 0.05  # of the daughters' brightness; what lies between them is brighter than its flanks by so much


@dataclass(frozen=True)
class Findings:
    """What lies beside two or more daughters; None where the pixels cannot show it."""

    n_micronuclei: int | None
    bridge: bool | None


@dataclass(frozen=True)
class Limits:
    """What can be seen at a pixel size; None: not assessable."""

    micronucleus_um: float | None  # the smallest diameter that is found
    bridge_share: float | None  # the smallest share of the DNA that is seen between the daughters


@lru_cache(1)
def _measured() -> list[dict]:
    rows = json.loads(LIMITS.read_text(encoding="utf-8"))["limits"]
    return sorted(rows, key=lambda row: row["pixel_size_um"])


def digest() -> str:
    """Of all limits, for a run's record."""
    import hashlib

    return hashlib.sha256(LIMITS.read_bytes()).hexdigest()


def limits(pixel_size_um: float) -> Limits:
    """The limits measured at the next coarser pixel size; nothing is assessable beyond COARSEST_UM.

    >>> limits(50.0)
    Limits(micronucleus_um=None, bridge_share=None)
    """
    for row in _measured():
        if pixel_size_um <= min(1.01 * row["pixel_size_um"], COARSEST_UM):
            return Limits(row["micronucleus_um"], row["bridge_share"])
    return Limits(None, None)


def detect(
    video: Video,
    quality: FrameQuality,
    read_labels: Callable[[int], np.ndarray],
    frame: int,
    daughters: pd.DataFrame,
) -> Findings:
    """Count the micronuclei beside the daughters of a division, and look for a bridge between them.

    Args:
        video: the movie; its nucleus channel is read.
        quality: frames that are not usable are not looked at. Drift does not matter: positions are those
            in each frame's own image.
        read_labels: frame number -> labels (Y, X), as in `daughters`.
        frame: the first with separated chromatin.
        daughters: DETECTION_COLUMNS, of the daughters; `tracklet_id` tells them apart.

    Returns:
        None where fewer than MIN_FRAMES frames show all daughters at the right time, where false sightings
        are too many at this pixel size (`limits`), or where nothing was seen and what is common (COMMON_UM,
        COMMON_SHARE) would not be seen.
    """
    smallest = limits(video.pixel_size_um)
    views = Views(video, quality, read_labels, frame, daughters)
    n = None if smallest.micronucleus_um is None else count(views)
    seen = None if smallest.bridge_share is None else bridge_between_any(views)
    return Findings(
        n if n or (smallest.micronucleus_um or np.inf) <= COMMON_UM else None,
        seen if seen or (smallest.bridge_share or np.inf) <= COMMON_SHARE else None,
    )


@dataclass(frozen=True, eq=False)
class Views:
    """The frames of a movie around some daughters."""

    video: Video
    quality: FrameQuality
    read_labels: Callable[[int], np.ndarray]
    frame: int
    daughters: pd.DataFrame

    def frames(self, between_min: tuple[float, float]) -> list[int]:
        """At most MAX_FRAMES usable frames so long after the separation that show all daughters."""
        n = self.daughters["tracklet_id"].nunique()
        shown = self.daughters.groupby("frame")["tracklet_id"].nunique()
        age_min = (shown.index.to_numpy() - self.frame) * self.video.minutes_per_frame
        timely = (age_min >= between_min[0]) & (age_min <= between_min[1]) & (shown.to_numpy() == n)
        frames = [t for t in shown.index[timely] if self.quality.usable[t]]
        chosen = np.linspace(0, len(frames) - 1, min(MAX_FRAMES, len(frames)))
        return [int(frames[round(i)]) for i in chosen]

    def patch(self, t: int) -> tuple[np.ndarray, np.ndarray, float, dict[int, int]]:
        """Image, labels, pixel size, and tracklet -> label, of the square around the daughters."""
        there = self.daughters[self.daughters["frame"] == t]
        positions, pixel_um = there[["y_px", "x_px"]].to_numpy(float), self.video.pixel_size_um
        margin = MARGIN_UM / pixel_um
        low = np.maximum(np.floor(positions.min(axis=0) - margin), 0).astype(int)
        high = np.ceil(positions.max(axis=0) + margin).astype(int)
        window = slice(low[0], high[0]), slice(low[1], high[1])
        factor = max(1, int(FINE_UM // pixel_um))
        dna = binned(self.video.frame(t, self.video.nucleus)[window], factor)
        labels = self.read_labels(t)[window][factor // 2 :: factor, factor // 2 :: factor]
        labels = labels[: dna.shape[0], : dna.shape[1]].astype(int)
        own = dict(zip(there["tracklet_id"], there["label"], strict=True))
        return dna, labels, pixel_um * factor, own


def binned(image: np.ndarray, factor: int) -> np.ndarray:
    """(Y // factor, X // factor) float32: means of squares of pixels."""
    height, width = (n // factor for n in image.shape)
    cut = image[: height * factor, : width * factor].astype(np.float32)
    return cut.reshape(height, factor, width, factor).mean(axis=(1, 3))


def count(views: Views) -> int | None:
    """Micronuclei beside all daughters; None where too few frames show them."""
    found: dict[int, list[np.ndarray]] = {}
    frames = views.frames(NUCLEI_FORMED_MIN)
    if len(frames) < MIN_FRAMES:
        return None
    for t in frames:
        dna, labels, pixel_um, own = views.patch(t)
        for cell, nucleus in own.items():
            if not (labels == nucleus).any():
                continue
            positions = bodies(dna, labels, nucleus, pixel_size_um=pixel_um)
            middle = np.argwhere(labels == nucleus).mean(axis=0)
            found.setdefault(cell, []).append((positions - middle) * pixel_um)
    return sum(persistent(seen) for seen in found.values())


def bridge_between_any(views: Views) -> bool | None:
    """Whether chromatin lies between any two daughters; None where too few frames show a gap."""
    seen: dict[tuple[int, int], list[float]] = {}
    for t in views.frames(PLATES_APART_MIN):
        dna, labels, pixel_um, own = views.patch(t)
        for (a, first), (b, second) in combinations(sorted(own.items()), 2):
            if (value := bridge_intensity(dna, labels, first, second, pixel_size_um=pixel_um)) is not None:
                seen.setdefault((a, b), []).append(value)
    typical = [float(np.median(values)) for values in seen.values() if len(values) >= MIN_FRAMES]
    return max(typical) > BRIDGE if typical else None


def bridge_intensity(
    dna: np.ndarray, labels: np.ndarray, first: int, second: int, *, pixel_size_um: float
) -> float | None:
    """Chromatin along the line between two daughters, in parts of their brightness above background.

    Args:
        dna: (Y, X), raw grey levels.
        labels: (Y, X) of the same pixels.
        first: label of one daughter.
        second: label of the other.
        pixel_size_um: of the image.

    Returns:
        How much brighter the middle half of the gap is than the brighter of its two flanks: the daughters'
        own blur and haze reach the flanks as well. None where the gap is narrower than BETWEEN_UM, another
        nucleus lies in it, or a label is not there.
    """
    from scipy.ndimage import map_coordinates

    is_first, is_second = labels == first, labels == second
    if not (is_first.any() and is_second.any()):
        return None
    start, stop = (np.argwhere(mask).mean(axis=0) for mask in (is_first, is_second))
    along = stop - start
    length_um = float(np.linalg.norm(along)) * pixel_size_um
    across = np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-6) / pixel_size_um
    steps = np.linspace(0, 1, max(2, round(2 * length_um)))  # two a micrometre
    line = start[:, None] + along[:, None] * steps
    under = map_coordinates(labels, line, order=0, mode="nearest")
    gap = np.flatnonzero(under == 0)
    if len(gap) < 2 * BETWEEN_UM or not set(np.unique(under)) <= {0, first, second}:
        return None
    middle = line[:, gap[len(gap) // 4 : -(-3 * len(gap) // 4)]]

    def level(away_um: float) -> float:
        offsets = away_um + np.linspace(-HALF_BRIDGE_UM, HALF_BRIDGE_UM, 5)
        positions = middle[:, :, None] + across[:, None, None] * offsets
        return float(map_coordinates(dna.astype(np.float32), positions, order=1, mode="nearest").mean())

    bright = float(dna[is_first | is_second].mean()) - background(dna, labels, pixel_size_um=pixel_size_um)
    return (level(0.0) - max(level(-FLANK_UM), level(FLANK_UM))) / max(bright, 1e-6)


def bodies(dna: np.ndarray, labels: np.ndarray, nucleus: int, *, pixel_size_um: float) -> np.ndarray:
    """Small bright bodies beside a nucleus.

    Args:
        dna: (Y, X), raw grey levels around the nucleus.
        labels: (Y, X) of the same pixels, 0 is background.
        nucleus: its label.
        pixel_size_um: of the image.

    Returns:
        (N, 2) y, x in pixels, of local maxima of the scale-normalised Laplacian of a Gaussian that lie
        outside of all nuclei, nearer to this one than to another, and stand out of the noise and of the
        background by NOISE_TIMES and CONTRAST. A label no larger than a micronucleus is a body, no nucleus.

    Source: Lindeberg 1998, Int J Comput Vis 30:79.
    """
    from skimage.feature import peak_local_max

    response = score(dna, labels, nucleus, pixel_size_um=pixel_size_um)
    wide = max(1, round(0.5 * SCALES_UM[-1] / pixel_size_um))
    found = peak_local_max(response, min_distance=wide, threshold_abs=1.0, exclude_border=False)
    return found[surroundings(labels, nucleus, pixel_size_um=pixel_size_um)[tuple(found.T)]]


def score(dna: np.ndarray, labels: np.ndarray, nucleus: int, *, pixel_size_um: float) -> np.ndarray:
    """(Y, X) float: how much each pixel looks like a small body; 1 is just enough.

    Args:
        dna: (Y, X), raw grey levels.
        labels: (Y, X), 0 is background.
        nucleus: label of the nucleus beside which is looked.
        pixel_size_um: of the image.
    """
    from scipy.ndimage import gaussian_laplace

    image = dna.astype(np.float32)
    own = labels == nucleus
    bright = float(image[own].mean()) - background(image, labels, pixel_size_um=pixel_size_um)
    noise = noise_level(image)
    best = np.zeros(image.shape)
    for scale in SCALES_UM:
        sigma = max(scale / pixel_size_um, MIN_SCALE_PX)
        response = -(sigma**2) * gaussian_laplace(image, sigma, mode="nearest")
        # White noise of standard deviation 1 has one of 1 / (sigma sqrt(2 pi)) after this filter.
        threshold = max(NOISE_TIMES * noise / (sigma * np.sqrt(2 * np.pi)), CONTRAST * bright)
        np.maximum(best, response / max(threshold, 1e-6), out=best)
    return best


def noise_level(image: np.ndarray) -> float:
    """Standard deviation of the noise from one pixel to the next, robust against what the image shows.

    Source: the mask of Immerkaer 1996, Comput Vis Image Underst 64:300, with a median in place of the mean.
    """
    from scipy.ndimage import convolve

    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    return float(np.median(np.abs(convolve(image.astype(np.float32), mask, mode="mirror")))) / (6 * 0.6745)


def background(image: np.ndarray, labels: np.ndarray, *, pixel_size_um: float) -> float:
    """Median grey level of what is further than HALO_UM from all labels, or the darkest tenth's.

    Args:
        image: (Y, X), raw grey levels.
        labels: (Y, X), 0 is background.
        pixel_size_um: of the image.
    """
    from scipy.ndimage import distance_transform_edt

    free = distance_transform_edt(labels == 0) * pixel_size_um > HALO_UM
    return float(np.median(image[free]) if free.sum() > 20 else np.quantile(image, 0.1))


def surroundings(labels: np.ndarray, nucleus: int, *, pixel_size_um: float) -> np.ndarray:
    """(Y, X) bool: outside of all nuclei, within REACH_UM of this one and nearer to it than to another.

    Args:
        labels: (Y, X), 0 is background.
        nucleus: label of one of them.
        pixel_size_um: of the image.
    """
    from scipy.ndimage import distance_transform_edt

    area_um2 = np.bincount(labels.ravel()) * pixel_size_um**2
    is_nucleus = area_um2 > np.pi / 4 * LARGEST_UM**2
    is_nucleus[0] = False
    is_nucleus[nucleus] = True
    nuclear = is_nucleus[labels]
    own = distance_transform_edt(labels != nucleus) * pixel_size_um
    others = nuclear & (labels != nucleus)
    other = distance_transform_edt(~others) * pixel_size_um if others.any() else np.inf
    return ~nuclear & (own <= REACH_UM) & (own <= other)


def persistent(found: Sequence[np.ndarray]) -> int:
    """How many bodies were seen in MIN_FRAMES of the frames looked at.

    Args:
        found: for each frame, (N, 2) y, x of the bodies, um from the middle of their nucleus.

    Returns:
        The largest number in a frame that were seen again, no further away than STAYS_UM, in another.

    >>> seen = np.array([[0.0, 12.0]])
    >>> persistent([seen, seen + 1.0, np.zeros((0, 2))]), persistent([seen, -seen])
    (1, 0)
    """
    counts = [0]
    for i, here in enumerate(found):
        others = [there for j, there in enumerate(found) if j != i and len(there)]
        seen = np.zeros(len(here), int)
        for there in others:
            seen += np.linalg.norm(here[:, None] - there[None], axis=2).min(axis=1) <= STAYS_UM
        counts.append(int((seen >= MIN_FRAMES - 1).sum()))
    return max(counts)


def look_beside_daughters(
    events: Sequence[MitosisEvent],
    lineage: Lineage,
    video: Video,
    quality: FrameQuality,
    read_labels: Callable[[int], np.ndarray],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[MitosisEvent]:
    """The events, divisions with the micronuclei beside their daughters and a bridge between them.

    Args:
        events: of the lineage.
        lineage: of the movie.
        video: the movie; of masks alone nothing is looked at.
        quality: of its frames.
        read_labels: frame number -> labels (Y, X), as in the lineage's detections.
        progress: called with (done, total) events.
    """
    import pandas as pd

    by_cell = dict(tuple(lineage.detections.groupby("tracklet_id")))
    found = []
    for event in events:
        if video.intensities and event.separated and len(event.daughters) > 1:
            daughters = pd.concat([by_cell[d] for d in event.daughters])
            seen = detect(video, quality, read_labels, event.frame, daughters)
            event = replace(event, n_micronuclei=seen.n_micronuclei, bridge=seen.bridge)
        found.append(event)
        progress(len(found), len(events))
    return found
