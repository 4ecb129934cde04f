"""A moment of the population -> the two channels that the camera records, and the masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lineage.simulate.bodies import Body, paint
from lineage.simulate.camera import expose, haze, uneven
from lineage.simulate.chromatin import chromatin
from lineage.simulate.course import alive
from lineage.simulate.phase import cell_bodies, phase_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lineage.simulate.population import Cell
    from lineage.simulate.settings import Settings

DNA_BACKGROUND = 16.0  # grey levels of 8 bit
PHASE_GREY = 100.0
PHASE_CONTRAST = 24.0  # grey levels for a unit of thickness; a rounded cell has 4
BLEACHING = 0.15  # of the SiR-DNA light is gone by the last frame
DIRT_THICKNESS = 0.1  # of a speck, for a grey level of its glow
BLANK = 2.0  # level of a frame without light


@dataclass(frozen=True, eq=False)
class Scene:
    """What stays as it is throughout a movie."""

    settings: Settings
    cells: Mapping[int, Cell]

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) of a frame."""
        return self.settings.size, self.settings.size

    @cached_property
    def illumination(self) -> tuple[np.ndarray, np.ndarray]:
        """Uneven light of the two channels, phase and DNA."""
        rng = np.random.default_rng([self.settings.seed, 11])
        return uneven(rng, self.shape, depth=0.02), uneven(rng, self.shape, depth=0.08)

    @cached_property
    def dirt(self) -> list[Body]:
        """Specks on the dish, in um; they glow a little and move with the stage."""
        rng = np.random.default_rng([self.settings.seed, 12])
        sizes = rng.uniform(2, 5, rng.poisson(4 * (self.settings.field_um / 460) ** 2))
        return [
            Body(
                y=rng.uniform(0, self.settings.field_um),
                x=rng.uniform(0, self.settings.field_um),
                length=size,
                width=0.8 * size,
                angle=rng.uniform(0, np.pi),
                mass=14 * size**2,
                seed=int(rng.integers(2**31)),
                roughness=0.3,
                blur=1.2,
            )
            for size in sizes.tolist()
        ]

    def frame(
        self, frame: int, places: Mapping[int, np.ndarray], drift: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One frame.

        Args:
            frame: its number.
            places: cell id -> (2,) y, x in um on the dish, of all that is to be seen.
            drift: (2,) y, x in px, how far the field has moved.

        Returns:
            phase (Y, X) uint8, dna (Y, X) uint8, masks (Y, X) uint16 with the cells' ids, blank frame or not.
        """
        settings, minutes = self.settings, frame * self.settings.minutes_per_frame
        per_um = 1 / settings.pixel_size_um
        labelled = [
            (i if mine else 0, body.scaled(per_um, drift))
            for i, place in places.items()
            for mine, body in chromatin(self.cells[i], minutes, place)
        ]
        # Masses are levels x um2: in pixels of another size the same light falls on another number of them.
        density, masks = paint(labelled, self.shape)
        self._show_all(masks, places, minutes, drift)
        rng = np.random.default_rng([settings.seed, 13, frame])
        if frame in settings.blank_frames:
            dark = np.full(self.shape, BLANK, np.float32)
            return (
                _digital(expose(rng, dark, read=0.5, shot=0)),
                _digital(expose(rng, dark, read=0.5, shot=0)),
                masks,
            )
        dirt = [body.scaled(per_um, drift) for body in self.dirt]
        density += paint(((0, speck) for speck in dirt), self.shape)[0]
        cells = [
            body.scaled(per_um, drift)
            for i, place in places.items()
            for body in cell_bodies(self.cells[i], minutes, place)
        ]
        return (
            self._phase(rng, cells + [replace(speck, mass=DIRT_THICKNESS * speck.mass) for speck in dirt]),
            self._dna(rng, frame, density * per_um**2),
            masks,
        )

    def _phase(self, rng: np.random.Generator, bodies: Sequence[Body]) -> np.ndarray:
        image = phase_image(bodies, self.shape, grey=PHASE_GREY, contrast=PHASE_CONTRAST)
        return _digital(expose(rng, image * self.illumination[0], read=0.6, shot=0.0))

    def _dna(self, rng: np.random.Generator, frame: int, density: np.ndarray) -> np.ndarray:
        bleached = 1 - BLEACHING * frame / self.settings.frames
        light = haze(density, near=0.7, far=0.6) * bleached + DNA_BACKGROUND * self.illumination[1]
        return _digital(expose(rng, light, read=0.45, shot=0.012))

    def _show_all(
        self,
        masks: np.ndarray,
        places: Mapping[int, np.ndarray],
        minutes: float,
        drift: np.ndarray,
    ) -> None:
        """Give a few pixels to living cells within the field that others hide: the truth knows of them."""
        shown = set(np.unique(masks).tolist())
        for i, place in places.items():
            y, x = (round(place[k] / self.settings.pixel_size_um + drift[k]) for k in (0, 1))
            if (
                i not in shown
                and alive(self.cells[i], minutes)
                and 0 <= y < masks.shape[0]
                and 0 <= x < masks.shape[1]
            ):
                masks[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = i


def _digital(light: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)
