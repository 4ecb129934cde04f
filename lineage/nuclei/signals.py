"""A frame's labels and further channels -> how bright each nucleus and the ring around it are, and its foci.

Further channels are all but the DNA stain and transmitted light: FUCCI, p53, 53BP1, gammaH2AX, biosensors.
What is read of each stands in columns that begin with the channel's name (`column_names`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lineage.nuclei.background import background
from lineage.nuclei.measure import numbered
from lineage.schema import NUCLEUS_COLUMNS, RING_UM, InputError, signal_columns
from lineage.video.channels import is_transmitted_light

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lineage.schema import Video

FOCUS_UM = 0.45  # standard deviation of the Laplacian of a Gaussian; foci are 0.5 to 1.5 um across
MAX_PIXEL_UM = 0.5  # coarser pixels show no foci: the filter would be narrower than 0.9 pixels
FOCI_NOISE_TIMES = 6.0  # a focus stands out of the noise within its nucleus by so much
# ... and by this share of the nucleus's mean; of a spot as wide as the filter, half the height passes it.
FOCI_CONTRAST = 0.15
RIM_UM = 2 * FOCUS_UM  # a maximum nearer to the outline is the outline's own


@dataclass(frozen=True)
class Signals:
    """The further channels of a movie that are measured."""

    channels: tuple[int, ...] = ()  # their numbers
    names: tuple[str, ...] = ()  # what their columns begin with
    fucci: tuple[str, str] | None = None  # two of `names`: bright in G1, bright in S, G2 and M


NONE = Signals()


def choose(
    video: Video,
    measure: Sequence[str | int] | None = None,
    fucci: tuple[str | int, str | int] | None = None,
) -> Signals:
    """Which channels are measured.

    Args:
        video: the movie.
        measure: channels by name or number, from 0; None for all further ones.
        fucci: the channel that is bright in G1, and the one that is bright in S, G2 and M; both are measured.

    Raises:
        InputError: a channel that is not there, is the DNA stain or the phase contrast, or twice in `fucci`.
    """
    own = {video.nucleus, video.phase}
    further = [i for i in range(len(video.channels)) if i not in own]
    names = dict(zip(further, column_names([video.channels[i] for i in further]), strict=True))
    if measure is None:
        chosen = {i for i in further if not is_transmitted_light(video.channels[i])}
    else:
        chosen = {_index(video, given, names, "measure") for given in measure}
    pair = [_index(video, given, names, "fucci") for given in fucci or ()]
    if len(set(pair)) < len(pair):
        raise InputError(
            f"fucci names channel {pair[0]} twice; wanted are two, that of G1 and that of S, G2 and M"
        )
    in_order = tuple(sorted(chosen | {*pair}))
    both = (names[pair[0]], names[pair[1]]) if pair else None
    return Signals(in_order, tuple(names[i] for i in in_order), both)


def without_assumed_phase(video: Video, measure: Sequence[str | int] | None) -> Video:
    """The movie; a channel that was only assumed to be phase contrast is none if it is to be measured."""
    said = [s for s in video.assumed if s.startswith("phase channel:")]
    if video.phase is None or not said or not measure:
        return video
    names = dict(enumerate(column_names(video.channels)))
    if video.phase not in {_index(video, given, names, "measure") for given in measure}:
        return video
    return replace(video, phase=None, assumed=tuple(s for s in video.assumed if s not in said))


def _index(video: Video, given: str | int, names: Mapping[int, str], setting: str) -> int:
    """The number of a channel given by number, by its name, or by what its columns begin with."""
    word = str(given).strip()
    number = [int(word)] if word.isdecimal() and int(word) < len(video.channels) else []
    ways = (
        number if isinstance(given, int) else [],
        [i for i, name in enumerate(video.channels) if name == word],
        [i for i, name in enumerate(video.channels) if name.casefold() == word.casefold()],
        [i for i, name in names.items() if name == word],
        number,
    )
    found: list[int] = next(filter(None, ways), [])
    listed = ", ".join(f"{i} {name}" for i, name in enumerate(video.channels))
    if not found:
        raise InputError(
            f"{setting} names channel {word!r}; {video.path.name} has {listed}: give one of these"
        )
    if len(found) > 1:
        raise InputError(f"{setting}: {len(found)} channels are called {word!r} ({listed}); give the number")
    if found[0] not in names:
        is_nucleus = found[0] == video.nucleus
        what = "DNA stain" if is_nucleus else "phase contrast"
        option = "--nucleus-channel" if is_nucleus else "--phase-channel"
        raise InputError(
            f"{setting} names channel {word!r}, which is the {what}; give a further one of {listed}, "
            f"or another {option}"
        )
    return found[0]


def column_names(channels: Sequence[str]) -> tuple[str, ...]:
    """Names safe for columns; equal ones get numbers, and no two columns of all channels are the same.

    >>> column_names(["p53-mVenus", "γH2AX", "GFP", "gfp", "(!)"])
    ('p53_mvenus', 'gammah2ax', 'gfp_1', 'gfp_2', 'channel')
    """
    plain = [_safe(name) for name in channels]
    found: list[str] = []
    taken = set(NUCLEUS_COLUMNS)
    for k, name in enumerate(plain):
        number = plain[: k + 1].count(name)
        unique = f"{name}_{number}" if plain.count(name) > 1 else name
        while taken & set(signal_columns(unique)):  # channels `a` and `a ring` both have a mean of a ring
            number += 1
            unique = f"{name}_{number}"
        taken |= set(signal_columns(unique))
        found.append(unique)
    return tuple(found)


def _safe(name: str) -> str:
    """Lower case letters, digits and underscores; Greek letters by their names."""
    spelled = "".join(_letter(c) for c in name)
    ascii_ = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", ascii_.lower()).strip("_") or "channel"


def _letter(character: str) -> str:
    greek = re.fullmatch(r"GREEK (?:SMALL|CAPITAL) LETTER (\w+)", unicodedata.name(character, ""))
    return greek[1].lower() if greek else character


def measure_signals(
    labels: np.ndarray, images: Mapping[str, np.ndarray], *, pixel_size_um: float
) -> dict[str, np.ndarray]:
    """Measure each nucleus in each further channel of a frame.

    Args:
        labels: (Y, X), 0 is background.
        images: name -> (Y, X), raw grey levels.
        pixel_size_um: of all.

    Returns:
        Column -> (N,) of each label that has a pixel, lowest first: `NAME_mean`, `NAME_sum` and `NAME_std` of
        the grey levels above the local background within the nucleus; `NAME_ring_mean` of those in the ring
        (RING_UM), NaN where other nuclei leave no pixel of it; `NAME_foci`, NaN where pixels are coarser
        than MAX_PIXEL_UM.
    """
    if not images:
        return {}
    _, numbers = numbered(labels)
    n = int(numbers.max(initial=0))
    ring = _rings(numbers, pixel_size_um)
    shows_foci = pixel_size_um <= MAX_PIXEL_UM
    inner = _within_rim(numbers, pixel_size_um) if shows_foci else np.zeros_like(numbers)
    columns: dict[str, np.ndarray] = {}
    for name, image in images.items():
        # The ring is kept out of its own background.
        above = image.astype(np.float32) - background(
            image, labels, pixel_size_um=pixel_size_um, halo_um=RING_UM[1]
        )
        area, mean, deviation = _moments(numbers, above, n)
        _, ring_mean, _ = _moments(ring, above, n)
        spots = foci(inner, above, mean, pixel_size_um=pixel_size_um) if shows_foci else np.full(n, np.nan)
        values = (mean, mean * area, deviation, ring_mean, spots)
        columns |= dict(zip(signal_columns(name), values, strict=True))
    return columns


def _moments(numbers: np.ndarray, image: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) pixels, mean and standard deviation of each number from 1 on; NaN where there is no pixel."""
    inside = numbers > 0
    k, values = numbers[inside] - 1, image[inside].astype(float)
    area = np.bincount(k, minlength=n).astype(float)
    some = np.where(area > 0, area, np.nan)
    mean = np.bincount(k, values, minlength=n) / some
    square = np.bincount(k, (values - mean[k]) ** 2, minlength=n) / some
    return area, mean, np.sqrt(square)


def _rings(numbers: np.ndarray, pixel_size_um: float) -> np.ndarray:
    """(Y, X) int32: in the ring of a nucleus its number, else 0."""
    from scipy.ndimage import distance_transform_edt

    if not numbers.any():
        return np.zeros_like(numbers)
    away, (y, x) = distance_transform_edt(numbers == 0, return_indices=True)
    away_um = away * pixel_size_um
    return np.where((away_um >= RING_UM[0]) & (away_um <= RING_UM[1]), numbers[y, x], 0)


def foci(inner: np.ndarray, above: np.ndarray, mean: np.ndarray, *, pixel_size_um: float) -> np.ndarray:
    """Count the small bright spots in each nucleus.

    Args:
        inner: (Y, X) int32, k + 1 in the k-th nucleus, its rim (RIM_UM) left out.
        above: (Y, X), grey levels above the background.
        mean: (N,) of each nucleus.
        pixel_size_um: of the image.

    Returns:
        (N,) local maxima of the scale-normalised Laplacian of a Gaussian of FOCUS_UM that stand out of the
        noise by FOCI_NOISE_TIMES (1.48 times the median absolute deviation of the filtered pixels of the same
        nucleus) and reach FOCI_CONTRAST of its mean.

    Source: Lindeberg 1998, Int J Comput Vis 30:79.
    """
    from scipy.ndimage import gaussian_laplace
    from skimage.feature import peak_local_max

    n = len(mean)
    if n == 0:
        return np.zeros(0)
    sigma = FOCUS_UM / pixel_size_um
    response = -(sigma**2) * gaussian_laplace(above.astype(np.float32), sigma, mode="nearest")
    threshold = np.maximum(FOCI_NOISE_TIMES * _noise(inner, response, n), FOCI_CONTRAST * mean)
    score = np.where(inner > 0, response / np.maximum(threshold, 1e-6)[inner - 1], 0)
    apart = max(1, round(sigma))
    found = peak_local_max(score, min_distance=apart, threshold_abs=1.0, exclude_border=False)
    return np.bincount(inner[tuple(found.T)] - 1, minlength=n).astype(float)


def _within_rim(numbers: np.ndarray, pixel_size_um: float) -> np.ndarray:
    """The numbers, 0 within RIM_UM of a pixel that has another number beside it."""
    from scipy.ndimage import distance_transform_edt

    rim = np.zeros(numbers.shape, bool)
    down, right = numbers[1:] != numbers[:-1], numbers[:, 1:] != numbers[:, :-1]
    rim[1:] |= down
    rim[:-1] |= down
    rim[:, 1:] |= right
    rim[:, :-1] |= right
    if not rim.any():  # one nucleus fills the image
        return numbers
    return np.where(distance_transform_edt(~rim) * pixel_size_um >= RIM_UM, numbers, 0)


def _noise(inner: np.ndarray, response: np.ndarray, n: int) -> np.ndarray:
    """(n,) robust standard deviation of the filtered pixels of each nucleus; 0 where there is none."""
    inside = inner > 0
    k, values = inner[inside] - 1, response[inside]
    away = np.abs(values - _medians(k, values, n)[k])
    return 1.4826 * _medians(k, away, n)


def _medians(k: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """(n,) of the values of each number from 0 on, the lower of two in the middle; 0 where there is none."""
    order = np.lexsort((values, k))
    count = np.bincount(k, minlength=n)
    there = count > 0
    middle = (np.cumsum(count) - count + (count - 1) // 2)[there]
    found = np.zeros(n)
    found[there] = values[order[middle]]
    return found
