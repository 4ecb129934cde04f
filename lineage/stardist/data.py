"""Images with instance masks -> augmented patches with StarDist's targets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineage.io.tiff import SUFFIXES, finite, read_image
from lineage.schema import InputError

if TYPE_CHECKING:
    from pathlib import Path

DIAMETER_RANGE_PX = (8.0, 60.0)  # nuclei are shown to the network at any size between these
BEST_SEEN_PX = (14.0, 60.0)  # of another diameter they are found better once the image is resized
MARGIN_PX = 16  # by which images go on, mirrored, so that nuclei that the edge cuts are found
ZOOM_RANGE = (0.3, 3.0)
OWN_SIZE = 0.5  # share of the patches whose nuclei keep about their own size
UNDISTURBED = 0.3  # share of the patches whose grey levels are not changed
HAZE_STEP = 8  # haze is smooth: drawn this much coarser
TEXTURED_PX = 30.0  # nuclei of this diameter and more may show spots and holes


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
    files = sorted(p for p in images.glob("*") if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
    pairs = [(p, masks / p.name) for p in files if (masks / p.name).exists()]
    if not pairs:
        raise InputError(f"no TIFF of {images} has one of the same name in {masks}; give images and masks")
    read = []
    for image, mask in pairs:
        pixels = finite(read_image(image)).astype(np.float32)
        one = Annotated(image.stem, pixels, read_image(mask, as_stored=True))
        if one.image.shape != one.mask.shape or one.image.ndim != 2:
            raise InputError(
                f"{image.name}: image {one.image.shape}, mask {one.mask.shape}; wanted one (Y, X)"
            )
        read.append(one)
    return read


def split(
    pairs: list[Annotated], fraction: float, purpose: str = ""
) -> tuple[list[Annotated], list[Annotated]]:
    """Set about `fraction` of the images aside, chosen by a hash of their names.

    Args:
        pairs: images with their masks.
        fraction: of the images, between 0 and 1.
        purpose: other words choose other images.

    Returns:
        The others, and those set aside.
    """

    def is_aside(pair: Annotated) -> bool:
        return int(hashlib.sha256((purpose + pair.name).encode()).hexdigest(), 16) % 1000 < 1000 * fraction

    return [p for p in pairs if not is_aside(p)], [p for p in pairs if is_aside(p)]


def digest(pairs: list[Annotated]) -> str:
    """SHA-256 of all pixels."""
    return hashlib.sha256(b"".join(p.image.tobytes() + p.mask.tobytes() for p in pairs)).hexdigest()


def median_diameter_px(mask: np.ndarray) -> float:
    """Diameter of the circle with the objects' median area; 20 where there is none."""
    areas = np.bincount(mask.ravel())[1:]
    areas = areas[areas > 0]
    return float(2 * np.sqrt(np.median(areas) / np.pi)) if len(areas) else 20.0


def patch(pair: Annotated, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A random square of the pair, zoomed so that its nuclei have a random size, rotated and flipped.

    Args:
        pair: image and mask.
        rng: the only source of chance.
        size: side of the square, pixels.

    Returns:
        image (size, size) float32, raw grey levels, and mask (size, size) int32.
    """
    from scipy.ndimage import affine_transform, gaussian_filter
    from skimage.measure import label

    wanted = np.exp(rng.uniform(*np.log(DIAMETER_RANGE_PX))) / median_diameter_px(pair.mask)
    zoom = np.exp(rng.normal(0, 0.15)) if rng.random() < OWN_SIZE else float(np.clip(wanted, *ZOOM_RANGE))
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn * [1, rng.choice([-1, 1])] / zoom
    # A small image is reflected to fill the square; the square lies where that is needed least.
    spare = np.maximum(np.array(pair.image.shape) - size / zoom, 0) / 2
    middle = np.array(pair.image.shape) / 2 + rng.uniform(-spare, spare)
    offset = middle - matrix @ np.full(2, size / 2)
    image = pair.image if zoom >= 1 else gaussian_filter(pair.image, (1 / zoom - 1) / 2)
    shape = (size, size)
    image = affine_transform(image, matrix, offset, shape, order=1, mode="mirror")
    mask = affine_transform(pair.mask, matrix, offset, shape, order=0, mode="mirror")
    # An object cut in two by a reflection counts as two.
    return image, label(mask, background=0, connectivity=1).astype(np.int32)


def disturb(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add, at random, what movies have: unequal, spotted and glowing nuclei, blur, haze, noise and the like.

    Args:
        image: (Y, X) grey levels.
        mask: (Y, X) its instances.
        rng: the only source of chance.

    Returns:
        (Y, X) float32.
    """
    from scipy.ndimage import gaussian_filter, zoom

    if rng.random() < UNDISTURBED:
        return image
    low, high = np.percentile(image, (5, 99.9))
    span = max(float(high - low), 1e-6)
    if rng.random() < 0.4:  # some nuclei several times as bright as others, as mitotic ones are
        gain = np.exp(rng.normal(0, 0.6, int(mask.max()) + 1))
        gain[0] = 1
        image = low + (image - low) * gaussian_filter(gain[mask], 1.0)
    if rng.random() < 0.25:
        image = _textured(image, mask, float(low), rng)
    if rng.random() < 0.35:
        image = _glowing(image, mask, float(low), rng)
    if rng.random() < 0.4:
        image = gaussian_filter(image, rng.uniform(0.3, 2.0))
    if rng.random() < 0.4:
        coarse = [n // HAZE_STEP + 1 for n in image.shape]
        haze = gaussian_filter(rng.random(coarse), rng.uniform(20, 60) / HAZE_STEP, mode="wrap")
        haze = zoom(haze, HAZE_STEP, order=1)[: image.shape[0], : image.shape[1]]
        haze = (haze - haze.min()) / max(float(np.ptp(haze)), 1e-9)
        image = image + haze * span * rng.uniform(0.05, 0.5)
    # A brighter neighbourhood with edges: a cell's own light, a fold, a seam between fields.
    if rng.random() < 0.4:
        image = image + span * rng.uniform(0.03, 0.3) * _region(image.shape, rng)
    if rng.random() < 0.3:
        image = image - image.min()
        image = span * (image / span) ** rng.uniform(0.6, 1.6)
    noise = span * np.exp(rng.uniform(np.log(0.003), np.log(0.12)))
    image = image + noise * rng.standard_normal(image.shape, np.float32)
    if rng.random() < 0.3:
        level = span / np.exp(rng.uniform(np.log(15), np.log(250)))
        image = np.round(image / level) * level
    return image.astype(np.float32)


def _textured(image: np.ndarray, mask: np.ndarray, low: float, rng: np.random.Generator) -> np.ndarray:
    """Bright spots or dark holes in the nuclei, which stay one object each: chromocentres, nucleoli."""
    from scipy.ndimage import gaussian_filter

    diameter = median_diameter_px(mask)
    if diameter < TEXTURED_PX:
        return image
    grain = gaussian_filter(rng.standard_normal(mask.shape, np.float32), diameter * rng.uniform(0.03, 0.15))
    spots = np.clip(grain / max(float(grain.std()), 1e-9) - rng.uniform(-0.5, 1.5), 0, None)
    strength = rng.uniform(0.2, 1.5) if rng.random() < 0.6 else -rng.uniform(0.1, 0.6)
    change = 1 + strength * spots * gaussian_filter((mask > 0).astype(np.float32), 1.0)
    return low + (image - low) * np.clip(change, 0.15, None)


def _glowing(image: np.ndarray, mask: np.ndarray, low: float, rng: np.random.Generator) -> np.ndarray:
    """Halos around some nuclei, and out-of-focus ghosts of them elsewhere: neither is a nucleus."""
    from scipy.ndimage import gaussian_filter

    chosen = rng.random(int(mask.max()) + 1) < rng.uniform(0.2, 0.8)
    chosen[0] = False
    light = np.where(chosen[mask], np.clip(image - low, 0, None), 0).astype(np.float32)
    if not light.any():
        return image
    diameter = median_diameter_px(mask)
    around = gaussian_filter(light, diameter * rng.uniform(0.2, 0.8))
    image = image + rng.uniform(0.2, 1.5) * around
    if rng.random() < 0.5:
        ghosts = gaussian_filter(light, diameter * rng.uniform(0.3, 0.8))
        shift = tuple(rng.integers(0, n) for n in mask.shape)
        image = image + rng.uniform(0.1, 0.4) * np.roll(ghosts, shift, (0, 1))
    return image


def _region(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A rectangle or an ellipse anywhere, 1 inside and 0 outside, with a more or less soft edge."""
    from scipy.ndimage import gaussian_filter

    middle, half = rng.uniform(0, shape), rng.uniform(0.05, 0.5, 2) * shape
    y, x = ((np.arange(n) - m) / h for n, m, h in zip(shape, middle, half, strict=True))
    inside = (y[:, None] ** 2 + x**2 < 1) if rng.random() < 0.5 else np.maximum.outer(abs(y), abs(x)) < 1
    return gaussian_filter(inside.astype(np.float32), rng.uniform(0.5, 5))


def targets(mask: np.ndarray, n_rays: int, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """What the network is to predict, as StarDist defines it.

    Args:
        mask: (Y, X) instances.
        n_rays: of each polygon.
        grid: one prediction every so many pixels, g.

    Returns:
        Probability (Y/g, X/g) and distances (n_rays, Y/g, X/g), pixels.
    """
    from stardist.geometry import star_dist
    from stardist.utils import edt_prob

    prob = edt_prob(mask)[::grid, ::grid].astype(np.float32)
    dist = star_dist(mask, n_rays, mode="cpp", grid=(grid, grid)).astype(np.float32)
    return prob, np.moveaxis(dist, -1, 0)
