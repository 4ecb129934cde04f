"""A crop around an interphase nucleus + pictures of dying ones -> crops in which the nucleus dies.

In clips of mitoses next to no cell dies; where a movie shows it, the tracking may propose it as a mitosis.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from classifier.pixels import DNA, at_scale, pixel_size
from lineage.io.tiff import SUFFIXES, finite, read_image
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

INNER_PX = 5.0  # of the nucleus in the middle
REACH_PX = 16.0  # from the middle, the nucleus ends
AROUND_PX = 22.0  # and here what is around it
BODY_PX = (11.0, 15.0)  # from a picture's middle, where what is beside the dying nucleus fades out
LAST_ONSET = 5  # it dies in one of the frames up to this
PICTURES = 4  # of dying nuclei at most, one after another
BRIGHTNESS = (0.8, 5.0)  # of the bodies, over the nucleus before


def read_pictures(folder: Path) -> list[np.ndarray]:
    """Read pictures of dying nuclei.

    Args:
        folder: TIFF images (Y, X), each with a dying nucleus in the middle; their pixel sizes stand in them.

    Returns:
        Each at the clips' scale, 0 where it is dark and 1 where it is brightest, float32.

    Raises:
        InputError: no such images.
    """
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
    if not files:
        raise InputError(f"{folder} holds no TIFF; wanted pictures of dying nuclei, one in each")
    found = []
    for path in files:
        image = finite(read_image(path)).astype(np.float32)
        if image.ndim != 2:
            raise InputError(f"{path.name} is {image.shape}; wanted a picture (Y, X) of a dying nucleus")
        twice = np.stack([image, image])[None]  # as both channels
        found.append(_body(at_scale(twice, pixel_size(path))[0, DNA]))
    return found


def digest(pictures: Sequence[np.ndarray]) -> str:
    """SHA-256 of their pixels."""
    return hashlib.sha256(b"".join(p.tobytes() for p in pictures)).hexdigest()


def _body(image: np.ndarray) -> np.ndarray:
    """What is bright in the middle, 0 to about 1."""
    from_middle = distance_from_middle(image.shape)
    near, far = BODY_PX
    above = np.clip(image - np.percentile(image, 20), 0, None)
    above *= np.clip((far - from_middle) / (far - near), 0, 1)
    return above / max(float(np.percentile(above[from_middle < near], 99)), 1e-6)


def distance_from_middle(shape: tuple[int, ...]) -> np.ndarray:
    """(Y, X), in pixels."""
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in shape)
    return np.hypot(rows[:, None], columns)


def dies(crop: np.ndarray, pictures: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Let the nucleus in the middle die.

    Args:
        crop: (T, 2, H, W), channels (phase, DNA), at the clips' scale; in its middle a nucleus in interphase.
        pictures: of dying nuclei, as `read_pictures` gives them.
        rng: source of everything random.

    Returns:
        (T, 2, H, W) float32: from one of the first frames on there are the bodies of up to four pictures, one
        after another, where the nucleus was.
    """
    out = crop.astype(np.float32)
    dna = out[:, DNA]
    from_middle = distance_from_middle(dna.shape[1:])
    dark = float(np.percentile(dna[dna > 0], 10)) if (dna > 0).any() else 0.0
    bright = float(np.median(dna.mean(axis=0)[from_middle < INNER_PX])) - dark
    nucleus, soft = _nucleus(np.median(dna, axis=0), dark, from_middle)
    onset = int(rng.integers(LAST_ONSET + 1))
    of_frame = _pictures_of_frames(len(dna) - onset, len(pictures), rng)
    gain = max(bright, 1.0) * np.exp(rng.uniform(*np.log(BRIGHTNESS)))
    angle, mirrored, place = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1]), rng.normal(0, 1, 2)
    around = (from_middle < AROUND_PX) & ~nucleus
    for t, k in enumerate(of_frame, start=onset):
        ring = dna[t][around & (dna[t] > 0)]
        level = float(np.percentile(ring, 25)) if len(ring) else dark
        empty = level + rng.normal(0, max(0.03 * bright, 1.0), from_middle.shape)
        place, angle = place + rng.normal(0, 0.5, 2), angle + rng.normal(0, 0.15)
        body = _placed(pictures[k], from_middle.shape, angle, float(mirrored), place)
        dna[t] = dna[t] * (1 - soft) + empty * soft + gain * np.exp(rng.normal(0, 0.1)) * body
    return out


def _nucleus(dna: np.ndarray, dark: float, from_middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the nucleus in the middle is, and how far it counts: 1 inside, 0 outside, a soft edge."""
    from scipy.ndimage import binary_dilation, gaussian_filter, label

    smooth = gaussian_filter(dna, 1.0)
    middle = from_middle < 2
    parts, _ = label(smooth > dark + 0.4 * (smooth[middle].mean() - dark))
    own = int(np.bincount(parts[middle]).argmax())
    inside = (parts == own) & (from_middle < REACH_PX) if own else from_middle < REACH_PX / 2
    inside = binary_dilation(inside, iterations=2)
    return inside, gaussian_filter(inside.astype(np.float32), 1.0)


def _pictures_of_frames(n_frames: int, n_pictures: int, rng: np.random.Generator) -> np.ndarray:
    """(n_frames,) which picture is shown: a few, each for some frames."""
    several = int(rng.integers(1, PICTURES + 1))
    changes = np.sort(rng.integers(0, n_frames, several - 1))
    chosen = rng.integers(n_pictures, size=several)
    return chosen[np.searchsorted(changes, np.arange(n_frames), side="right")]


def _placed(
    body: np.ndarray, shape: tuple[int, ...], angle: float, mirrored: float, place: np.ndarray
) -> np.ndarray:
    """A body turned about its middle, mirrored or not, `place` pixels from the middle of (H, W)."""
    from scipy.ndimage import affine_transform

    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * [1, mirrored]
    ours, theirs = ((np.array(s) - 1) / 2 for s in (shape, body.shape))
    return affine_transform(body, turn, theirs - turn @ (ours + place), shape, order=1)
