"""A moment of the population -> the two channels that the camera records, and the masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import next_fast_len

from lineage.simulate.bodies import Body, paint
from lineage.simulate.camera import expose, haze, uneven
from lineage.simulate.chromatin import chromatin
from lineage.simulate.course import alive
from lineage.simulate.phase import cell_bodies, phase_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lineage.simulate.cells import Cell, Mitosis
    from lineage.simulate.microscope import Microscope
    from lineage.simulate.settings import Settings

HAZE = {"near": 0.7, "far": 0.6}
NEAR_UM, FAR_UM = 5.8, 25.0
BLEACHED_AT = 721  # frames, at which `Settings.bleaching` of the SiR-DNA light is gone
READ_NOISE, SHOT_NOISE = 0.6, 0.012  # of the DNA channel
DIRT_THICKNESS = 0.1  # of a speck, for a grey level of its glow
BLANK = 2.0  # level of a frame without light
BORDER_UM = 40.0  # drawn beyond the field: cells there are seen by their glow
LEAST_PX = 5  # of a cell that counts as being in view


@dataclass(frozen=True, eq=False)
class Scene:
    """What stays as it is throughout a movie."""

    settings: Settings
    cells: Mapping[int, Cell]
    microscope: Microscope

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) of a frame."""
        return self.settings.size, self.settings.size

    @cached_property
    def border(self) -> int:
        """Pixels drawn beyond each side, so many that the whole is quick to transform."""
        wanted = self.settings.size + 2 * round(BORDER_UM / self.settings.pixel_size_um)
        return (next_fast_len(wanted, real=True) - self.settings.size + 1) // 2

    @cached_property
    def illumination(self) -> tuple[np.ndarray, np.ndarray]:
        """Uneven light of the two channels, phase and DNA."""
        rng = np.random.default_rng([self.settings.seed, 11])
        return uneven(rng, self.shape, depth=0.03), uneven(rng, self.shape, depth=0.10)

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
        self, frame: int, places: Mapping[int, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One frame.

        Args:
            frame: its number.
            places: cell id -> (2,) y, x in um on the dish, of all that is to be seen.

        Returns:
            phase (Y, X) uint8, dna (Y, X) uint8, masks (Y, X) uint16 with the cells' ids, blank frame or not.
        """
        settings, minutes = self.settings, frame * self.settings.minutes_per_frame
        per_um, focus = 1 / settings.pixel_size_um, float(self.microscope.focus_um[frame])
        shift = self.microscope.drift_px[frame] + self.border
        wide = (settings.size + 2 * self.border,) * 2
        dirt = [body.scaled(per_um, shift) for body in self.dirt]
        density, masks = paint([*self.chromatin(frame, places, shift), *((0, speck) for speck in dirt)], wide)
        masks = self.in_view(frame, self._cut(masks), places)
        rng = np.random.default_rng([settings.seed, 13, frame])
        if frame in self.microscope.blank:
            dark = np.full(self.shape, BLANK, np.float32)
            phase, dna = (_digital(expose(rng, dark, read=0.5, shot=0)) for _ in range(2))
            return phase, dna, masks
        lumps = [
            (own, body.scaled(per_um, shift))
            for i, place in places.items()
            for own, body in cell_bodies(self.cells[i], minutes, place)
        ] + [(True, replace(speck, mass=DIRT_THICKNESS * speck.mass)) for speck in dirt]
        # Masses are levels x um2: in pixels of another size the same light falls on another number of them.
        return self._phase(rng, lumps, wide, focus), self._dna(rng, frame, density * per_um**2), masks

    def chromatin(
        self, frame: int, places: Mapping[int, np.ndarray], shift: np.ndarray
    ) -> list[tuple[int, Body]]:
        """The frame's chromatin in pixels, moved by `shift` (2,) y, x: (cell id, or 0 without mask; body)."""
        per_um, focus = 1 / self.settings.pixel_size_um, float(self.microscope.focus_um[frame])
        minutes = frame * self.settings.minutes_per_frame
        return [
            (i if mine else 0, body.scaled(per_um, shift))
            for i, place in places.items()
            for mine, body in chromatin(
                self.cells[i], minutes, place, origin=self._origin(self.cells[i]), focus_um=focus
            )
        ]

    def _origin(self, cell: Cell) -> Mitosis | None:
        mother = self.cells.get(cell.parents[0]) if len(cell.parents) == 1 else None
        return mother.mitosis if mother else None

    def _phase(
        self,
        rng: np.random.Generator,
        lumps: Sequence[tuple[bool, Body]],
        wide: tuple[int, int],
        focus: float,
    ) -> np.ndarray:
        image = phase_image(
            lumps, wide, grey=self.microscope.phase_grey, contrast=self.microscope.phase_contrast,
            pixel_size_um=self.settings.pixel_size_um, defocus_um=abs(focus),
        )  # fmt: skip
        return _digital(expose(rng, self._cut(image) * self.illumination[0], read=0.9, shot=0.0))

    def _dna(self, rng: np.random.Generator, frame: int, density: np.ndarray) -> np.ndarray:
        pixel = self.settings.pixel_size_um
        bleached = 1 - self.settings.bleaching * min(frame / BLEACHED_AT, 1)
        glow = haze(density, **HAZE, near_px=NEAR_UM / pixel, far_px=FAR_UM / pixel)
        gain, background = self.microscope.dna_gain, self.microscope.dna_background
        light = self._cut(glow) * (gain * bleached) + background * self.illumination[1]
        return _digital(expose(rng, light, read=READ_NOISE, shot=SHOT_NOISE))

    def _cut(self, wide: np.ndarray) -> np.ndarray:
        """The field, of an image that reaches beyond it."""
        inside = slice(self.border, self.border + self.settings.size)
        return wide[inside, inside]

    def in_view(self, frame: int, masks: np.ndarray, places: Mapping[int, np.ndarray]) -> np.ndarray:
        """The field's masks: what hardly reaches into view goes, and whoever is in view has a few pixels.

        A living cell that others hide is shown by a small square: the truth knows of it.

        Args:
            frame: its number.
            masks: (Y, X) uint16 of cell ids, of the field alone.
            places: as in `frame`.
        """
        masks, minutes = masks.copy(), frame * self.settings.minutes_per_frame
        drift = self.microscope.drift_px[frame]
        counts = np.bincount(masks.ravel(), minlength=max(self.cells, default=0) + 1)
        masks[(counts < LEAST_PX)[masks]] = 0
        for i, place in places.items():
            y, x = (round(float(place[k]) / self.settings.pixel_size_um + float(drift[k])) for k in (0, 1))
            inside = 0 <= y < masks.shape[0] and 0 <= x < masks.shape[1]
            if counts[i] < LEAST_PX and inside and alive(self.cells[i], minutes):
                masks[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = i
        return masks


def _digital(light: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)
