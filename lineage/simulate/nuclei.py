"""A random generator -> an image of SiR-DNA nuclei and its masks, to train segmentation on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lineage.simulate.bodies import Body, paint
from lineage.simulate.camera import expose, haze, uneven

INTERPHASE_LEVEL = 14.0  # grey levels of an interphase nucleus above background, as in the paper's clips
G2 = 1.2  # DNA of a dividing cell over that of the average nucleus
DOME = 0.8  # about the mean over the maximum of a drawn body: turns a brightness into a mass

Site = tuple[float, float, float]  # of a cell: y, x and diameter of its interphase nucleus


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _mass(diameter: float, level: float) -> float:
    """Mass of a round interphase nucleus of that diameter and brightness."""
    return DOME * level * np.pi / 4 * diameter**2


def _interphase(rng: np.random.Generator, site: Site, level: float) -> list[Body]:
    """One nucleus: round to elongated, smooth to lobed (irradiated nuclei often are)."""
    y, x, diameter = site
    stretch = rng.uniform(1.0, 1.3)
    nucleus = Body(
        y=y,
        x=x,
        length=diameter * stretch,
        width=diameter / stretch,
        angle=rng.uniform(0, np.pi),
        mass=_mass(diameter, level),
        seed=_seed(rng),
        roughness=rng.choice([0.05, 0.12, 0.25], p=[0.6, 0.3, 0.1]),
        texture=rng.uniform(0.05, 0.25),
        grain=diameter * rng.uniform(0.2, 0.5),
        bend=rng.normal(0, 0.05),
        hollow=rng.choice([0.0, rng.uniform(0.2, 0.6)], p=[0.75, 0.25]),
    )
    return [nucleus]


def _prometaphase(rng: np.random.Generator, site: Site, level: float) -> list[Body]:
    """One rounded, ragged, bright body."""
    y, x, diameter = site
    size = diameter * rng.uniform(0.5, 0.75)
    ball = Body(
        y=y,
        x=x,
        length=size * rng.uniform(1, 1.25),
        width=size,
        angle=rng.uniform(0, np.pi),
        mass=G2 * _mass(diameter, level),
        seed=_seed(rng),
        roughness=rng.uniform(0.1, 0.35),
        texture=rng.uniform(0.1, 0.4),
        grain=size / 2,
        hollow=rng.choice([0.0, 0.5], p=[0.8, 0.2]),
    )
    return [ball]


def _metaphase(rng: np.random.Generator, site: Site, level: float) -> list[Body]:
    """One bar, seen from the side or somewhat tilted."""
    y, x, diameter = site
    plate = Body(
        y=y,
        x=x,
        length=diameter * rng.uniform(0.65, 0.95),
        width=diameter * rng.uniform(0.22, 0.45),
        angle=rng.uniform(0, np.pi),
        mass=G2 * _mass(diameter, level),
        seed=_seed(rng),
        roughness=0.08,
        texture=0.1,
        bend=rng.normal(0, 0.04),
    )
    return [plate]


def _plates(
    rng: np.random.Generator, site: Site, level: float, *, n: int, distance: float, thick: float
) -> list[Body]:
    """`n` plates around the site, each across its radius, `distance` diameters from its neighbours."""
    y, x, diameter = site
    turn, radius = rng.uniform(0, 2 * np.pi), distance * diameter / (2 * np.sin(np.pi / n))
    directions = turn + 2 * np.pi * np.arange(n) / n + rng.normal(0, 0.1 if n == 2 else 0.25, n)
    return [
        Body(
            y=y + radius * np.sin(direction),
            x=x + radius * np.cos(direction),
            length=diameter * rng.uniform(0.5, 0.75) * np.sqrt(2 / n),
            width=diameter * thick * rng.uniform(0.9, 1.1),
            angle=direction + np.pi / 2 + rng.normal(0, 0.15),
            mass=G2 / n * rng.uniform(0.9, 1.1) * _mass(diameter, level),
            seed=_seed(rng),
            roughness=0.1,
            texture=0.1,
            bend=rng.uniform(0, 0.12),
        )
        for direction in directions
    ]


def _anaphase(rng: np.random.Generator, site: Site, level: float) -> list[Body]:
    return _plates(rng, site, level, n=2, distance=rng.uniform(0.42, 0.95), thick=0.25)


def _multipolar(rng: np.random.Generator, site: Site, level: float) -> list[Body]:
    n = int(rng.choice([3, 4], p=[0.75, 0.25]))
    return _plates(rng, site, level, n=n, distance=rng.uniform(0.5, 0.9), thick=0.28)


def _telophase(rng: np.random.Generator, site: Site, level: float) -> list[Body]:
    """Two small bright daughters, often touching."""
    return _plates(rng, site, level, n=2, distance=rng.uniform(0.6, 1.4), thick=rng.uniform(0.35, 0.55))


def _touching(rng: np.random.Generator, site: Site, level: float) -> list[Body]:
    """Two early-G1 daughters side by side, or the two halves of a binucleate cell."""
    y, x, diameter = site
    size, direction = 0.75 * diameter, rng.uniform(0, np.pi)
    half = 0.5 * size * rng.uniform(0.85, 1.15)
    return [
        _interphase(rng, (y + offset * np.sin(direction), x + offset * np.cos(direction), size), level)[0]
        for offset in (-half, half)
    ]


Drawing = Callable[[np.random.Generator, Site, float], list[Body]]

# Mitotic figure -> its share of all.
FIGURES: dict[Drawing, float] = {
    _prometaphase: 0.2,
    _metaphase: 0.25,
    _anaphase: 0.2,
    _telophase: 0.2,
    _multipolar: 0.15,
}
TOUCHING = 0.06  # share of the sites


def _chosen(rng: np.random.Generator, chance: float, mitotic: float) -> Drawing:
    """What is drawn at a site, by a random number from 0 to 1."""
    if chance < mitotic:
        return list(FIGURES)[rng.choice(len(FIGURES), p=list(FIGURES.values()))]
    return _touching if chance < mitotic + TOUCHING else _interphase


def _sites(
    rng: np.random.Generator, n: int, size: int, diameter_px: tuple[float, float], overlap: float
) -> list[Site]:
    """Up to `n` sites whose nuclei overlap by at most `overlap` of their radii; fewer if the field is full.

    Half of them lie beside an earlier one, since cells grow in patches.
    """
    sites: list[Site] = []
    for _ in range(20 * n):
        if len(sites) == n:
            break
        diameter = rng.uniform(*diameter_px)
        y, x = rng.uniform(-0.3 * diameter, size + 0.3 * diameter, 2)
        if sites and rng.random() < 0.5:
            by, bx, other = sites[rng.integers(len(sites))]
            direction, step = rng.uniform(0, 2 * np.pi), 0.5 * (diameter + other) * rng.uniform(1.0, 1.6)
            y, x = by + step * np.sin(direction), bx + step * np.cos(direction)
        if all(np.hypot(y - v, x - u) > 0.5 * (1 - overlap) * (diameter + d) for v, u, d in sites):
            sites.append((float(y), float(x), float(diameter)))
    return sites


def _cytoplasm(rng: np.random.Generator, site: Site, level: float) -> Body:
    """The faint light of a rounded cell around its chromatin: drawn, but never in the masks."""
    y, x, diameter = site
    size = diameter * rng.uniform(1.1, 1.7)
    return Body(
        y=y,
        x=x,
        length=size * rng.uniform(1, 1.25),
        width=size,
        angle=rng.uniform(0, np.pi),
        mass=rng.uniform(0.1, 0.7) * _mass(size, level),
        seed=_seed(rng),
        blur=rng.uniform(0.7, 2.5),
    )


def _debris(rng: np.random.Generator, size: int, level: float) -> list[Body]:
    """Small bright specks and apoptotic fragments: drawn, but never in the masks."""
    return [
        Body(
            y=rng.uniform(0, size),
            x=rng.uniform(0, size),
            length=length,
            width=length * rng.uniform(0.7, 1),
            angle=rng.uniform(0, np.pi),
            mass=level * rng.uniform(0.5, 3) * length**2,
            seed=_seed(rng),
            roughness=0.2,
            blur=rng.uniform(0.7, 1.5),
        )
        for length in rng.uniform(1.5, 4, rng.poisson(2 * (size / 256) ** 2))
    ]


def nucleus_field(
    rng: np.random.Generator,
    *,
    size: int = 256,
    n_nuclei: int | None = None,
    diameter_px: tuple[float, float] = (12.0, 25.0),
    mitotic: float = 0.15,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a field of SiR-DNA nuclei as the widefield microscope shows them, and its masks.

    Brightness, blur, haze, background and noise vary from field to field around those of the paper's clips:
    interphase nuclei about 14 grey levels of 8 bit above background, condensed chromatin four to five times
    as bright, noise 0.7.

    Args:
        rng: the only source of chance: the same state gives the same field.
        size: side of the square, pixels.
        n_nuclei: sites taken by a cell (a dividing one shows several objects); None draws from nearly empty
            to crowded.
        diameter_px: smallest and largest interphase nucleus; a field uses a part of that range.
        mitotic: share of the sites taken by a mitotic figure, on average.

    Returns:
        Image (Y, X) float32, grey levels of 8 bit, unclipped. Masks (Y, X) uint16, 1..n without gaps, 0 is
        background: the visible object within the contour at half of its own maximum. Sisters are separate
        objects from the first anaphase frame.
    """
    if n_nuclei is None:
        n_nuclei = round(
            rng.choice([rng.uniform(0, 6), rng.uniform(6, 35), rng.uniform(35, 90)]) * (size / 256) ** 2
        )
    centre, spread = rng.uniform(*diameter_px), 0.2 * (diameter_px[1] - diameter_px[0])
    sizes = (max(diameter_px[0], centre - spread), min(diameter_px[1], centre + spread))
    level = INTERPHASE_LEVEL * np.exp(rng.normal(0, 0.35))
    blur = rng.uniform(0.7, 1.9)
    bodies: list[Body] = []
    unlabelled: list[Body] = []
    for site in _sites(rng, n_nuclei, size, sizes, overlap=rng.uniform(0, 0.12)):
        chance = rng.random()
        draw = _chosen(rng, chance, mitotic)
        if chance < mitotic and rng.random() < 0.6:
            unlabelled.append(_cytoplasm(rng, site, level))
        focus = blur + (rng.uniform(0.5, 2.0) if rng.random() < 0.15 else 0.0)
        for body in draw(rng, site, level * np.exp(rng.normal(0, 0.25))):
            bodies.append(replace(body, blur=focus))
    density, masks = paint(enumerate(bodies, start=1), (size, size))
    unlabelled += _debris(rng, size, level)
    density += paint(((0, body) for body in unlabelled), (size, size))[0]
    light = haze(density, near=rng.uniform(0.1, 0.9), far=rng.uniform(0.1, 0.6), far_px=rng.uniform(15, 30))
    light += rng.uniform(5, 30) * uneven(rng, light.shape, depth=rng.uniform(0.02, 0.25))
    noise = np.exp(rng.normal(0, 0.4))
    image = expose(rng, light, read=0.5 * noise, shot=0.015 * noise**2)
    return image, _renumbered(masks)


def _renumbered(masks: np.ndarray, min_px: int = 6) -> np.ndarray:
    """Masks 1..n without gaps; objects with fewer than `min_px` visible pixels are dropped."""
    counts = np.bincount(masks.ravel())
    seen = counts >= min_px
    seen[0] = False
    return np.where(seen, np.cumsum(seen), 0).astype(np.uint16)[masks]
