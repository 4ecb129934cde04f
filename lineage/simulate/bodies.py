"""A body (a nucleus, a plate, a rounded cell) -> its pixels and its mask.

Everything that is drawn, chromatin as well as cells, is a `Body`: a bent ellipse with a rough edge, a texture
and a mass. Its outline and texture follow from its seed, so a nucleus looks like itself from frame to frame.

Pixels are computed in double precision, nearly all by sums, products and square roots, which every processor
rounds alike; where another function's last digit differs, rounding to grey levels hides it. A movie is the
same wherever it is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from collections.abc import Iterable

HARMONICS = range(2, 6)  # of the outline: the first would only shift it
TILE = 512  # side of the texture from which all bodies take theirs, pixels; a power of two
TILE_PER_GRAIN = 16  # pixels of the tile for one grain


@dataclass(frozen=True, kw_only=True)
class Body:
    """One smooth object. Lengths in pixels, angles in radians from the x axis towards y.

    `mass` is its summed intensity, whatever its size: what shrinks gets brighter. `scaled` turns micrometres
    into pixels.
    """

    y: float
    x: float
    length: float  # full axis along `angle`
    width: float  # full axis across it
    angle: float
    mass: float
    seed: int
    roughness: float = 0.0  # relative amplitude of the outline's harmonics
    texture: float = 0.0  # relative standard deviation of the texture
    grain: float = 5.0  # size of the texture's grains
    bend: float = 0.0  # sagitta over length: 0 straight, 0.2 a banana
    hollow: float = 0.0  # 0 filled, 1 a rim with an empty middle
    blur: float = 1.0  # standard deviation of the point spread at its focus; 0 none

    def scaled(self, factor: float, shift: np.ndarray) -> Body:
        """The body with all lengths times `factor`, then moved by `shift` (2,) y, x."""
        return replace(
            self,
            y=self.y * factor + float(shift[0]),
            x=self.x * factor + float(shift[1]),
            length=self.length * factor,
            width=self.width * factor,
            grain=self.grain * factor,
            blur=self.blur * factor,
        )


@dataclass(frozen=True, eq=False)
class Stamp:
    """One body as it is added to the image: a patch, cut at the image's border."""

    rows: slice
    cols: slice
    density: np.ndarray  # (h, w), adds up to the body's mass where nothing is cut
    closeness: np.ndarray  # (h, w), 1 on the contour at half of the body's maximum, more inside


def draw(body: Body, shape: tuple[int, int]) -> Stamp:
    """Draw one body.

    Args:
        body: may lie partly or wholly outside of the image.
        shape: (Y, X) of the image.

    Returns:
        The stamp, float64; empty where the body misses the image.
    """
    reach = 0.5 * max(body.length, body.width) * (1 + 1.2 * body.roughness + 2 * abs(body.bend))
    reach = math.ceil(reach + 3 * body.blur + 1)
    y0, x0 = math.floor(body.y) - reach, math.floor(body.x) - reach
    n = 2 * reach + 2
    rows = slice(min(max(y0, 0), shape[0]), min(max(y0 + n, 0), shape[0]))
    cols = slice(min(max(x0, 0), shape[1]), min(max(x0 + n, 0), shape[1]))
    if rows.start == rows.stop or cols.start == cols.stop:
        nothing = np.zeros((rows.stop - rows.start, cols.stop - cols.start))
        return Stamp(rows, cols, nothing, nothing)
    outline, grains = _character(body.seed)
    frame = (body.y - y0, body.x - x0, math.cos(body.angle), math.sin(body.angle))
    solid = _solid(n, *frame, body.length, body.width, body.bend, body.roughness, outline, body.hollow)
    if body.blur:
        solid = _blurred(solid, _kernel(round(20 * body.blur)))
    matter = solid
    if body.texture:
        matter = _grained(solid, *frame, body.texture, TILE_PER_GRAIN / body.grain, grains, _tile())
    window = slice(rows.start - y0, rows.stop - y0), slice(cols.start - x0, cols.stop - x0)
    density = matter[window] * (body.mass / max(float(matter.sum()), 1e-6))
    return Stamp(rows, cols, density, solid[window] / (0.5 * max(float(solid.max()), 1e-6)))


@njit(cache=True)
def _solid(
    n: int,
    y: float,
    x: float,
    cos: float,
    sin: float,
    length: float,
    width: float,
    bend: float,
    roughness: float,
    outline: np.ndarray,
    hollow: float,
) -> np.ndarray:
    """The body without texture or blur, (n, n): between a dome and a slab, as a flattened nucleus is."""
    solid = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            along = cos * (j - x) + sin * (i - y)
            across = cos * (i - y) - sin * (j - x)
            across += bend * (4 / length * along * along - length / 4)
            u, v = along * (2 / length), across * (2 / width)
            rho = math.sqrt(u * u + v * v)
            if roughness > 0 and rho > 0:
                a, b = u / rho, v / rho  # cosine and sine of the direction, then of its multiples
                c, s, edge = a, b, 1.0
                for k in range(outline.shape[0]):
                    c, s = c * a - s * b, s * a + c * b
                    edge += roughness * (outline[k, 0] * c + outline[k, 1] * s)
                rho /= max(edge, 0.3)
            if rho < 1:
                solid[i, j] = math.sqrt(1 - rho * rho * rho)
                if hollow > 0:
                    near = rho / 0.6
                    near *= near
                    near *= near
                    solid[i, j] *= 1 - hollow / (1 + near * near)
    return solid


@njit(cache=True)
def _grained(
    solid: np.ndarray,
    y: float,
    x: float,
    cos: float,
    sin: float,
    depth: float,
    scale: float,
    origin: np.ndarray,
    tile: np.ndarray,
) -> np.ndarray:
    """The body with its texture, (n, n): a piece of the tile, turned as the body is."""
    n, mask = solid.shape[0], tile.shape[0] - 1
    matter = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if solid[i, j] > 0:
                along = cos * (j - x) + sin * (i - y)
                across = cos * (i - y) - sin * (j - x)
                row = math.floor(across * scale + origin[0]) & mask
                col = math.floor(along * scale + origin[1]) & mask
                matter[i, j] = solid[i, j] * max(1 + depth * tile[row, col], 0.1)
    return matter


@njit(cache=True)
def _blurred(patch: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolved along both axes with a symmetric kernel, of which half is given; the edge is empty."""
    n = patch.shape[0]
    for _ in range(2):
        out = np.zeros((n, n))
        for i in range(n):
            for j in range(n):
                if patch[i, j] != 0:
                    # Written transposed: the second pass goes along the other axis, and transposes back.
                    for k in range(-min(j, kernel.size - 1), min(n - j, kernel.size)):
                        out[j + k, i] += kernel[abs(k)] * patch[i, j]
        patch = out
    return patch


@lru_cache(maxsize=8192)
def _character(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Outline: (4, 2) cosine and sine amplitude of each harmonic; texture: (2,) a point on the tile."""
    rng = np.random.default_rng(seed)
    outline = rng.normal(size=(len(HARMONICS), 2)) / np.array(HARMONICS)[:, None]
    return outline, rng.uniform(0, TILE, 2)


@lru_cache(maxsize=1)
def _tile() -> np.ndarray:
    """A periodic texture of coarse and fine grains, (TILE, TILE), mean 0, standard deviation 1."""
    white = np.random.default_rng(2024).standard_normal((2, TILE, TILE))
    layers = [
        gaussian_filter(w, TILE_PER_GRAIN * size, mode="wrap")
        for w, size in zip(white, (0.4, 0.18), strict=True)
    ]
    tile = sum(weight * layer / layer.std() for weight, layer in zip((1.0, 0.6), layers, strict=True))
    return (tile - tile.mean()) / tile.std()


@lru_cache(maxsize=512)
def _kernel(twentieths: int) -> np.ndarray:
    """Half a Gaussian, from its middle outwards."""
    sigma = max(twentieths, 1) / 20
    half = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(math.ceil(3 * sigma) + 1)]
    return np.array(half) / (2 * sum(half) - half[0])


def paint(bodies: Iterable[tuple[int, Body]], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw bodies into one image.

    Args:
        bodies: (label, body); bodies of one label become one object, label 0 is drawn but has no mask.
        shape: (Y, X) of the image.

    Returns:
        Density (Y, X) float64, masks (Y, X) uint16: each pixel belongs to the body that it lies deepest in,
        within the contour at half of that body's maximum.
    """
    density = np.zeros(shape)
    masks = np.zeros(shape, np.uint16)
    deepest = np.ones(shape)
    for label, body in bodies:
        stamp = draw(body, shape)
        density[stamp.rows, stamp.cols] += stamp.density
        if label:
            mine = stamp.closeness > deepest[stamp.rows, stamp.cols]
            masks[stamp.rows, stamp.cols][mine] = label
            deepest[stamp.rows, stamp.cols][mine] = stamp.closeness[mine]
    return density, masks
