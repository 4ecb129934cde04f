"""The population at one time -> the two channels that the camera records, and the masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import next_fast_len

from lineage.simulate import fucci
from lineage.simulate.bodies import Body, paint
from lineage.simulate.camera import expose, haze, uneven, vignetted
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
BLEACHED_AT = 721  # frame at which the share `Settings.bleaching` of the SiR-DNA light is gone
READ_NOISE, SHOT_NOISE = 0.6, 0.012  # of the DNA channel
DIRT_THICKNESS = 0.1  # of a speck in phase, relative to its mass in the DNA channel
BLANK = 2.0  # level of a frame without light
BORDER_UM = 40.0  # drawn beyond the field, since the glow of cells there reaches into it
MIN_PX = 5  # visible pixels of a cell that counts as being in view


@dataclass(frozen=True, eq=False)
class Scene:
    """What is the same in all frames of a movie, and the drawing of one frame."""

    settings: Settings
    cells: Mapping[int, Cell]
    microscope: Microscope

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) of a frame."""
        return self.settings.size, self.settings.size

    @cached_property
    def border(self) -> int:
        """Pixels drawn beyond each side; the full image then has a size with a fast Fourier transform."""
        wanted = self.settings.size + 2 * round(BORDER_UM / self.settings.pixel_size_um)
        return (next_fast_len(wanted, real=True) - self.settings.size + 1) // 2

    @cached_property
    def illumination(self) -> tuple[np.ndarray, np.ndarray]:
        """Uneven light of the two channels, phase and DNA."""
        rng = np.random.default_rng([self.settings.seed, 11])
        return uneven(rng, self.shape, depth=0.03), uneven(rng, self.shape, depth=0.10)

    @cached_property
    def vignette(self) -> np.ndarray:
        """(Y, X) share of the DNA stain's light that arrives, 1 where it is brightest."""
        settings = self.settings
        return vignetted(self.shape, share=settings.vignetting, brightest_at=settings.brightest_at)

    @cached_property
    def dirt(self) -> list[Body]:
        """Specks on the dish, in um; they emit a little light and move with the stage."""
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
        self, frame: int, positions: Mapping[int, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw one frame.

        Args:
            frame: its number.
            positions: cell id -> (2,) y, x in um on the dish, of all cells that can be seen.

        Returns:
            phase (Y, X) uint8, dna (Y, X) uint8, masks (Y, X) uint16 of cell ids, also of blank frames.
        """
        settings, minutes = self.settings, frame * self.settings.minutes_per_frame
        per_um, focus = 1 / settings.pixel_size_um, float(self.microscope.focus_um[frame])
        shift = self.microscope.drift_px[frame] + self.border
        wide = (settings.size + 2 * self.border,) * 2
        dirt = [body.scaled(per_um, shift) for body in self.dirt]
        density, masks = paint(
            [*self.chromatin(frame, positions, shift), *((0, speck) for speck in dirt)], wide
        )
        masks = self.in_view(frame, self._cut(masks), positions)
        rng = np.random.default_rng([settings.seed, 13, frame])
        if frame in self.microscope.blank:
            dark = np.full(self.shape, BLANK, np.float32)
            phase, dna = (_digital(expose(rng, dark, read=0.5, shot=0)) for _ in range(2))
            return phase, dna, masks
        phase_bodies = [
            (own, body.scaled(per_um, shift))
            for i, position in positions.items()
            for own, body in cell_bodies(self.cells[i], minutes, position)
        ] + [(True, replace(speck, mass=DIRT_THICKNESS * speck.mass)) for speck in dirt]
        # Masses are grey levels x um2; here they become grey levels x pixels.
        return self._phase(rng, phase_bodies, wide, focus), self._dna(rng, frame, density * per_um**2), masks

    def reporters(self, frame: int, positions: Mapping[int, np.ndarray]) -> tuple[np.ndarray, ...]:
        """The FUCCI channels of one frame; none where the settings ask for none.

        Args:
            frame: its number.
            positions: as in `frame`.

        Returns:
            hCdt1 and geminin, each (Y, X) uint8.
        """
        if not self.settings.fucci:
            return ()
        rng = np.random.default_rng([self.settings.seed, 14, frame])
        if frame in self.microscope.blank:
            dark = np.full(self.shape, BLANK, np.float32)
            return tuple(_digital(expose(rng, dark, read=0.5, shot=0)) for _ in fucci.CHANNELS)
        minutes, wide = frame * self.settings.minutes_per_frame, (self.settings.size + 2 * self.border,) * 2
        nuclei = [
            (i, b)
            for i, b in self.chromatin(frame, positions, self.microscope.drift_px[frame] + self.border)
            if i
        ]
        whole: dict[int, float] = {}
        for i, body in nuclei:
            whole[i] = whole.get(i, 0.0) + body.mass
        bright = {i: fucci.levels(self.cells[i], self.cells, minutes) for i in whole}
        images = []
        for k in range(len(fucci.CHANNELS)):
            masses = [(b, fucci.MASS * bright[i][k] * b.mass / max(whole[i], 1e-6)) for i, b in nuclei]
            density, _ = paint([(0, replace(b, mass=mass)) for b, mass in masses if mass > 0], wide)
            images.append(self._fluorescence(rng, density / self.settings.pixel_size_um**2, gain=1.0))
        return tuple(images)

    def chromatin(
        self, frame: int, positions: Mapping[int, np.ndarray], shift: np.ndarray
    ) -> list[tuple[int, Body]]:
        """The frame's chromatin, in pixels.

        Args:
            frame: its number.
            positions: as in `frame`.
            shift: (2,) y, x, pixels, added to all positions.

        Returns:
            (cell id, or 0 for a body without mask; body).
        """
        per_um, focus = 1 / self.settings.pixel_size_um, float(self.microscope.focus_um[frame])
        minutes = frame * self.settings.minutes_per_frame
        return [
            (i if mine else 0, body.scaled(per_um, shift))
            for i, position in positions.items()
            for mine, body in chromatin(
                self.cells[i], minutes, position, origin=self._origin(self.cells[i]), focus_um=focus
            )
        ]

    def _origin(self, cell: Cell) -> Mitosis | None:
        mother = self.cells.get(cell.parents[0]) if len(cell.parents) == 1 else None
        return mother.mitosis if mother else None

    def _phase(
        self,
        rng: np.random.Generator,
        phase_bodies: Sequence[tuple[bool, Body]],
        wide: tuple[int, int],
        focus: float,
    ) -> np.ndarray:
        image = phase_image(
            phase_bodies,
            wide,
            grey=self.microscope.phase_grey,
            contrast=self.microscope.phase_contrast,
            pixel_size_um=self.settings.pixel_size_um,
            defocus_um=abs(focus),
        )
        return _digital(expose(rng, self._cut(image) * self.illumination[0], read=0.9, shot=0.0))

    def _dna(self, rng: np.random.Generator, frame: int, density: np.ndarray) -> np.ndarray:
        bleached = 1 - self.settings.bleaching * min(frame / BLEACHED_AT, 1)
        return self._fluorescence(rng, density, gain=self.microscope.dna_gain * bleached)

    def _fluorescence(self, rng: np.random.Generator, density: np.ndarray, *, gain: float) -> np.ndarray:
        pixel = self.settings.pixel_size_um
        glow = haze(density, **HAZE, near_px=NEAR_UM / pixel, far_px=FAR_UM / pixel)
        light = self._cut(glow) * gain + self.microscope.dna_background * self.illumination[1]
        return _digital(expose(rng, light * self.vignette, read=READ_NOISE, shot=SHOT_NOISE))

    def _cut(self, wide: np.ndarray) -> np.ndarray:
        """The field, cut out of an image that extends beyond it."""
        inside = slice(self.border, self.border + self.settings.size)
        return wide[inside, inside]

    def in_view(self, frame: int, masks: np.ndarray, positions: Mapping[int, np.ndarray]) -> np.ndarray:
        """Correct the field's masks, so that each cell in view has a few pixels and no other has any.

        Cells with fewer than MIN_PX pixels are removed. A living cell in the field that others hide gets a
        small square, since the truth contains it.

        Args:
            frame: its number.
            masks: (Y, X) uint16 of cell ids, of the field alone.
            positions: as in `frame`.

        Returns:
            (Y, X) uint16, a new array.
        """
        masks, minutes = masks.copy(), frame * self.settings.minutes_per_frame
        drift = self.microscope.drift_px[frame]
        counts = np.bincount(masks.ravel(), minlength=max(self.cells, default=0) + 1)
        masks[(counts < MIN_PX)[masks]] = 0
        for i, position in positions.items():
            y, x = (round(float(position[k]) / self.settings.pixel_size_um + float(drift[k])) for k in (0, 1))
            inside = 0 <= y < masks.shape[0] and 0 <= x < masks.shape[1]
            if counts[i] < MIN_PX and inside and alive(self.cells[i], minutes):
                masks[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = i
        return masks


def _digital(light: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)
