"""A body (a nucleus, a plate, a rounded cell) -> its pixels, its mask.

Everything that is drawn, chromatin as well as cells, is a `Body`: a bent ellipse with a rough edge, a texture
and a mass. Its outline and texture follow from its seed, so a nucleus looks like itself from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from collections.abc import Iterable

HARMONICS = np.arange(2, 6)  # of the outline: the first would only shift it
N_WAVES = 16  # of the texture


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
    texture: float = 0.0  # relative amplitude of the texture
    grain: float = 5.0  # wavelength of the texture
    bend: float = 0.0  # sagitta over length: 0 straight, 0.2 a banana
    hollow: float = 0.0  # 0 filled, 1 a rim with an empty middle
    blur: float = 1.0  # standard deviation of the point spread at its focus

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


@lru_cache(maxsize=4096)
def _character(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outline (4, 2) cosine and sine amplitudes; texture (16, 2) wave vectors, (16,) phases."""
    rng = np.random.default_rng(seed)
    outline = rng.normal(size=(len(HARMONICS), 2)) / HARMONICS[:, None]
    heading = (
        np.pi * (np.arange(N_WAVES) + rng.uniform(0, 1, N_WAVES)) / N_WAVES
    )  # all ways alike: no stripes
    waves = rng.uniform(0.5, 1.9, N_WAVES)[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    return outline, waves, rng.uniform(0, 2 * np.pi, N_WAVES)


def draw(body: Body, shape: tuple[int, int]) -> Stamp:
    """Draw one body.

    Args:
        body: may lie partly or wholly outside of the image.
        shape: (Y, X) of the image.

    Returns:
        The stamp, float32; empty where the body misses the image.
    """
    outline, waves, phases = _character(body.seed)
    reach = int(
        np.ceil(0.5 * max(body.length, body.width) * (1 + 1.5 * body.roughness) + 3.5 * body.blur + 1)
    )
    y0, x0 = int(np.floor(body.y)) - reach, int(np.floor(body.x)) - reach
    dy = np.arange(y0, y0 + 2 * reach + 2, dtype=np.float32)[:, None] - np.float32(body.y)
    dx = np.arange(x0, x0 + 2 * reach + 2, dtype=np.float32)[None, :] - np.float32(body.x)
    along = np.cos(body.angle) * dx + np.sin(body.angle) * dy
    across = np.cos(body.angle) * dy - np.sin(body.angle) * dx
    across = across + body.bend * (4 * along**2 / body.length - body.length / 4)

    theta = np.arctan2(across / body.width, along / body.length)[..., None] * HARMONICS
    edge = 1 + body.roughness * (np.cos(theta) @ outline[:, 0] + np.sin(theta) @ outline[:, 1])
    rho = np.hypot(2 * along / body.length, 2 * across / body.width) / np.maximum(edge, 0.3)
    solid = np.sqrt(np.clip(1 - rho**3, 0, None))  # between a dome and a slab: a flattened nucleus
    ripple = np.cos(
        2 * np.pi / body.grain * (along[..., None] * waves[:, 0] + across[..., None] * waves[:, 1]) + phases
    )
    matter = solid * (1 + body.texture * np.sqrt(2 / N_WAVES) * ripple.sum(axis=-1)).clip(0.1)
    matter *= 1 - body.hollow * np.exp(-((rho / 0.6) ** 4))

    matter = gaussian_filter(matter.astype(np.float32), body.blur)
    solid = gaussian_filter(solid.astype(np.float32), body.blur)
    rows = slice(min(max(y0, 0), shape[0]), min(max(y0 + len(dy), 0), shape[0]))
    cols = slice(min(max(x0, 0), shape[1]), min(max(x0 + dx.shape[1], 0), shape[1]))
    window = slice(rows.start - y0, rows.stop - y0), slice(cols.start - x0, cols.stop - x0)
    density = matter * np.float32(body.mass / max(float(matter.sum()), 1e-6))
    return Stamp(rows, cols, density[window], (solid / (0.5 * solid.max()))[window])


def paint(bodies: Iterable[tuple[int, Body]], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw bodies into one image.

    Args:
        bodies: (label, body); bodies of one label become one object, label 0 is drawn but has no mask.
        shape: (Y, X) of the image.

    Returns:
        Density (Y, X) float32, masks (Y, X) uint16: each pixel belongs to the body that it lies deepest in,
        within the contour at half of that body's maximum.
    """
    density = np.zeros(shape, np.float32)
    masks = np.zeros(shape, np.uint16)
    deepest = np.ones(shape, np.float32)
    for label, body in bodies:
        stamp = draw(body, shape)
        density[stamp.rows, stamp.cols] += stamp.density
        if label:
            mine = stamp.closeness > deepest[stamp.rows, stamp.cols]
            masks[stamp.rows, stamp.cols][mine] = label
            deepest[stamp.rows, stamp.cols][mine] = stamp.closeness[mine]
    return density, masks
