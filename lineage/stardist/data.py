"""Images with instance masks -> augmented patches with StarDist's targets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

DIAMETER_RANGE_PX = (9.0, 42.0)  # nuclei are shown to the network at any size between these
ZOOM_RANGE = (0.3, 2.5)


@dataclass(frozen=True, eq=False)
class Annotated:
    """One image and its instances."""

    name: str
    image: np.ndarray  # (Y, X) float32
    mask: np.ndarray  # (Y, X) uint16, 0 is background


def read_folders(images: Path, masks: Path) -> list[Annotated]:
    """Read every TIFF of `images` with the one of the same name in `masks`, in order of name.

    Raises:
        InputError: no pairs, or a pair whose shapes differ.
    """
    import tifffile

    pairs = [(p, masks / p.name) for p in sorted(images.glob("*.tif*")) if (masks / p.name).exists()]
    if not pairs:
        raise InputError(f"no TIFF of {images} has one of the same name in {masks}; give images and masks")
    read = []
    for image, mask in pairs:
        one = Annotated(image.stem, tifffile.imread(image).astype(np.float32), tifffile.imread(mask))
        if one.image.shape != one.mask.shape or one.image.ndim != 2:
            raise InputError(
                f"{image.name}: image {one.image.shape}, mask {one.mask.shape}; wanted one (Y, X)"
            )
        read.append(one)
    return read


def split(pairs: list[Annotated], fraction: float) -> tuple[list[Annotated], list[Annotated]]:
    """Put about `fraction` of the images aside, by a hash of their names: the same ones every time."""

    def aside(pair: Annotated) -> bool:
        return int(hashlib.sha256(pair.name.encode()).hexdigest(), 16) % 1000 < 1000 * fraction

    return [p for p in pairs if not aside(p)], [p for p in pairs if aside(p)]


def median_diameter_px(mask: np.ndarray) -> float:
    """Diameter of the circle with the objects' median area; 20 where there is none."""
    areas = np.bincount(mask.ravel())[1:]
    areas = areas[areas > 0]
    return float(2 * np.sqrt(np.median(areas) / np.pi)) if len(areas) else 20.0


def patch(pair: Annotated, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A random square of the pair, zoomed so that its nuclei have a random size, turned and flipped.

    Returns:
        image (size, size) float32, raw grey levels, and mask (size, size) int32.
    """
    from skimage.transform import resize

    wanted = np.exp(rng.uniform(*np.log(DIAMETER_RANGE_PX)))
    zoom = float(np.clip(wanted / median_diameter_px(pair.mask), *ZOOM_RANGE))
    side = [min(n, max(16, round(size / zoom))) for n in pair.image.shape]
    y, x = (int(rng.integers(0, n - s + 1)) for n, s in zip(pair.image.shape, side, strict=True))
    cut = np.s_[y : y + side[0], x : x + side[1]]
    out = [min(size, round(s * zoom)) for s in side]
    image = resize(pair.image[cut], out, order=1, anti_aliasing=zoom < 1, preserve_range=True)
    mask = resize(pair.mask[cut], out, order=0, anti_aliasing=False, preserve_range=True).astype(np.int32)
    margins = [(0, size - n) for n in out]
    image, mask = np.pad(image, margins, mode="reflect"), np.pad(mask, margins, mode="reflect")
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    image, mask = np.rot90(image, turns), np.rot90(mask, turns)
    image, mask = (image[::-1], mask[::-1]) if flip else (image, mask)
    return np.ascontiguousarray(image, np.float32), _relabelled(mask)


def disturb(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, haze, contrast and noise such as movies have; grey levels in, grey levels out."""
    from scipy.ndimage import gaussian_filter

    span = max(float(np.percentile(image, 99.9) - np.percentile(image, 5)), 1e-6)
    if rng.random() < 0.4:
        image = gaussian_filter(image, rng.uniform(0.3, 1.8))
    if rng.random() < 0.4:
        haze = gaussian_filter(rng.random(image.shape), rng.uniform(20, 60), mode="wrap")
        haze = (haze - haze.min()) / max(float(np.ptp(haze)), 1e-9)
        image = image + haze * span * rng.uniform(0.05, 0.5)
    if rng.random() < 0.3:
        image = image - image.min()
        image = span * (image / span) ** rng.uniform(0.6, 1.6)
    noise = span * np.exp(rng.uniform(np.log(0.003), np.log(0.12)))
    return (image + rng.normal(0, noise, image.shape)).astype(np.float32)


def targets(mask: np.ndarray, n_rays: int, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """(Y, X) instances -> probability (Y/g, X/g), distances (n_rays, Y/g, X/g), as StarDist defines them."""
    from stardist.geometry import star_dist
    from stardist.utils import edt_prob

    prob = edt_prob(mask)[::grid, ::grid].astype(np.float32)
    dist = star_dist(mask, n_rays, mode="cpp", grid=(grid, grid)).astype(np.float32)
    return prob, np.moveaxis(dist, -1, 0)


def _relabelled(mask: np.ndarray) -> np.ndarray:
    """Labels 1 ... n; an object cut in two by a reflection counts as two."""
    from skimage.measure import label

    return label(mask, background=0, connectivity=1).astype(np.int32)
