"""A body (a nucleus, a plate, a rounded cell) -> its pixels, its mask.

Everything that is drawn, chromatin as well as cells, is a `Body`: a bent ellipse with a rough edge, a texture
and a mass. Its outline and texture follow from its seed, so a nucleus looks like itself from frame to frame.

Pixels are computed in double precision, and by sums, products and square roots alone, which every processor
rounds alike: a movie is the same wherever it is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from collections.abc import Iterable

HARMONICS = range(2, 6)  # of the outline: the first would only shift it
TILE = 512  # side of the texture that all bodies cut theirs from; a power of two
TILE_PER_GRAIN = 16  # of its pixels, a grain


@dataclass(frozen=True, kw_only=True)
class Body:
    """One smooth object. Lengths in pixels, angles in radians from the x axis towards y.

    `mass` is its summed intensity, whatever its size: what shrinks gets brighter. What is described in
    micrometres is brought to pixels by `scaled`.
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
    """What a body leaves on the image: a patch, cut at the image's border."""

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
    dy = np.arange(y0, y0 + n)[:, None] - body.y
    dx = np.arange(x0, x0 + n)[None, :] - body.x
    cos, sin = math.cos(body.angle), math.sin(body.angle)
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    if body.bend:
        across += body.bend * (4 / body.length * along * along - body.length / 4)

    u, v = along * (2 / body.length), across * (2 / body.width)
    rho = np.sqrt(u * u + v * v)
    if body.roughness:
        rho /= np.maximum(1 + body.roughness * _outline(body.seed, u, v, rho), 0.3)
    solid = np.sqrt(np.maximum(1 - rho * rho * rho, 0))  # between a dome and a slab: a flattened nucleus
    if body.hollow:
        near = np.minimum(rho / 0.6, 2)
        solid *= 1 - body.hollow / (1 + near**8)
    if body.blur:
        solid = _blurred(solid, body.blur)
    matter = solid
    if body.texture:
        matter = solid * np.maximum(1 + body.texture * _texture(body.seed, along, across, body.grain), 0.1)
    window = slice(rows.start - y0, rows.stop - y0), slice(cols.start - x0, cols.stop - x0)
    density = matter[window] * (body.mass / max(float(matter.sum()), 1e-6))
    return Stamp(rows, cols, density, solid[window] / (0.5 * max(float(solid.max()), 1e-6)))


def _outline(seed: int, u: np.ndarray, v: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """The harmonics of a seed's outline around the body: (Y, X) from the place on the unit circle."""
    safe = np.maximum(rho, 1e-9)
    cos, sin = u / safe, v / safe
    c, s = cos, sin
    edge = np.zeros_like(rho)
    for a, b in _character(seed)[0]:
        c, s = c * cos - s * sin, s * cos + c * sin  # of the next multiple of the angle
        edge += a * c + b * s
    return edge


def _texture(seed: int, along: np.ndarray, across: np.ndarray, grain: float) -> np.ndarray:
    """A seed's texture, (Y, X): mean about 0, standard deviation about 1."""
    at = _character(seed)[1]
    scale = TILE_PER_GRAIN / grain
    rows = np.floor(across * scale + at[0]).astype(np.intp) & (TILE - 1)
    cols = np.floor(along * scale + at[1]).astype(np.intp) & (TILE - 1)
    return _tile()[rows, cols]


@lru_cache(maxsize=8192)
def _character(seed: int) -> tuple[tuple[tuple[float, float], ...], tuple[float, float]]:
    """Outline: cosine and sine amplitude a harmonic; texture: a place on the tile."""
    rng = np.random.default_rng(seed)
    outline = rng.normal(size=(len(HARMONICS), 2)) / np.array(HARMONICS)[:, None]
    y, x = rng.uniform(0, TILE, 2).tolist()
    return tuple((a, b) for a, b in outline.tolist()), (y, x)


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


def _blurred(patch: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; the patch's edge is empty. For small patches faster than a filter of the whole."""
    for axis in (0, 1):
        out = np.zeros_like(patch)
        for step, weight in enumerate(_kernel(round(20 * sigma))):
            ahead, behind = (slice(step, None), slice(None, patch.shape[0] - step))
            if axis:
                out[:, behind] += weight * patch[:, ahead]
                out[:, ahead] += weight * patch[:, behind]
            else:
                out[behind] += weight * patch[ahead]
                out[ahead] += weight * patch[behind]
        patch = out
    return patch


@lru_cache(maxsize=512)
def _kernel(twentieths: int) -> tuple[float, ...]:
    """Half a Gaussian, from its middle outwards, the middle halved since it is added from both sides."""
    sigma = max(twentieths, 1) / 20
    half = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(math.ceil(3 * sigma) + 1)]
    total = 2 * sum(half) - half[0]
    return (half[0] / (2 * total), *(h / total for h in half[1:]))


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
