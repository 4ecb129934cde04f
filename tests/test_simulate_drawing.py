"""How simulated cells are drawn: what is bright, what is sharp, and what the masks show."""

from __future__ import annotations

import numpy as np
import pytest
from lives import one_division, population

from lineage.simulate import nucleus_field
from lineage.simulate.bodies import Body, paint
from lineage.simulate.cells import Cell, Subtype
from lineage.simulate.chromatin import chromatin, dna_mass, heading_rad
from lineage.simulate.settings import Settings


def drawn_mass(cell: Cell, minutes: float) -> float:
    bodies = [body for _, body in chromatin(cell, minutes, np.array([60.0, 60.0]))]
    return float(paint(((0, body) for body in bodies), (120, 120))[0].sum())


def peak(cell: Cell, minutes: float) -> float:
    bodies = [body for _, body in chromatin(cell, minutes, np.array([60.0, 60.0]))]
    return float(paint(((0, body) for body in bodies), (120, 120))[0].max())


def test_dna_doubles_through_the_cycle_and_division_conserves_it() -> None:
    mother, daughters = one_division()
    assert mother.dna_at(99) == 2 * mother.dna_at(-500)
    assert dna_mass(mother, 99) == pytest.approx(sum(dna_mass(d, 101) for d in daughters))
    assert drawn_mass(mother, 99) == pytest.approx(sum(drawn_mass(d, 101) for d in daughters), rel=0.01)


def test_condensing_nucleus_brightens_without_gaining_mass() -> None:
    mother, _ = one_division()
    assert drawn_mass(mother, 30) == pytest.approx(drawn_mass(mother, 95), rel=0.01)
    assert 3 < peak(mother, 95) / peak(mother, 30) < 8


def test_what_lags_between_the_plates_is_taken_from_them() -> None:
    mother, daughters = one_division(Subtype.LAGGING, lagging=0.1)
    place = np.array([60.0, 60.0])
    bodies = chromatin(daughters[0], 105, place, origin=mother.mitosis)
    assert [mine for mine, _ in bodies] == [True, False]
    (_, plate), (_, lagging) = bodies
    assert lagging.mass / (plate.mass + lagging.mass) == pytest.approx(0.1, abs=0.02)
    assert plate.mass + lagging.mass == pytest.approx(dna_mass(daughters[0], 105))


def test_micronuclei_are_drawn_beside_the_nucleus_and_not_in_its_mask() -> None:
    cell = Cell(1, (), 0, 1, -900, 1.0, 7, micronuclei=(0.02, 0.04))
    mine = [body for own, body in chromatin(cell, 0, np.zeros(2)) if own]
    others = [body for own, body in chromatin(cell, 0, np.zeros(2)) if not own]
    assert len(mine) == 1
    assert len(others) == 2
    assert sum(b.mass for b in others) / dna_mass(cell, 0) == pytest.approx(0.06)
    assert all(np.hypot(b.y - mine[0].y, b.x - mine[0].x) > mine[0].width / 2 for b in others)


def test_out_of_focus_is_dimmer_at_its_peak() -> None:
    mother, _ = one_division()
    sharp, blurred = (
        paint([(0, body)], (120, 120))[0].max()
        for focus in (3.0, 20.0)
        for _, body in chromatin(mother, 90, np.array([60.0, 60.0]), focus_um=focus)
    )
    assert blurred < 0.7 * sharp


def test_a_nucleus_turns_smoothly() -> None:
    cell = Cell(1, (), 0, 1, -900, 1.0, 2**52 + 12345)
    angles = np.array([heading_rad(cell, 10.0 * t) for t in range(60)])
    turns = np.degrees(np.abs(np.diff(angles)))
    assert turns.max() < 3
    assert (turns == 0).mean() < 0.1


def test_cells_fused_before_the_movie_have_their_nuclei() -> None:
    settings = Settings(frames=2, size=400, founders=60, dose_gy=6, irradiated_min_before_start=2880)
    fused = [c for c in population(1, settings) if c.n_nuclei > 1 and not c.parents]
    assert fused
    for cell in fused[:5]:
        if cell.mitosis is None or cell.mitosis.start_min > 0:
            assert sum(mine for mine, _ in chromatin(cell, 0, np.zeros(2))) == cell.n_nuclei


def test_mask_is_the_contour_at_half_maximum() -> None:
    disc = Body(y=30, x=30, length=24, width=24, angle=0, mass=1000, seed=0, blur=1.5)
    density, mask = paint([(1, disc)], (60, 60))
    np.testing.assert_array_equal(mask > 0, density > density.max() / 2)


def test_bodies_at_the_border_are_cut_not_moved() -> None:
    corner = Body(y=0, x=0, length=20, width=20, angle=0, mass=400, seed=0)
    density, mask = paint([(1, corner)], (40, 40))
    assert density.sum() == pytest.approx(100, rel=0.2)
    assert mask[0, 0] == 1
    far = Body(y=-500, x=20, length=20, width=20, angle=0, mass=400, seed=0)
    assert not paint([(1, far)], (40, 40))[0].any()


def test_field_is_reproducible_and_its_masks_are_bright() -> None:
    image, masks = nucleus_field(np.random.default_rng(5), size=128, n_nuclei=8)
    again, _ = nucleus_field(np.random.default_rng(5), size=128, n_nuclei=8)
    np.testing.assert_array_equal(image, again)
    assert image.dtype == np.float32
    assert masks.dtype == np.uint16
    assert set(np.unique(masks)) == set(range(masks.max() + 1))
    assert masks.max() >= 4
    levels = [image[masks == k].mean() for k in range(1, masks.max() + 1)]
    assert min(levels) > np.median(image[masks == 0])


def test_empty_field_has_no_masks() -> None:
    image, masks = nucleus_field(np.random.default_rng(0), size=64, n_nuclei=0)
    assert not masks.any()
    assert image.std() > 0
