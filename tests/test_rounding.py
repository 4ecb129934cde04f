"""A rounded cell is told from a flat one by phase contrast alone, whatever the light."""

import math

import movies
import numpy as np
import pytest

from lineage.nuclei import segment
from lineage.nuclei.rounding import rounding
from lineage.simulate.bodies import Body
from lineage.simulate.phase import phase_image

SIZE_UM = 161.0
FLAT, ROUND, TOUCHING, DAUGHTER, CORNER = (
    (40.0, 40.0),
    (40.0, 110.0),
    (110.0, 45.0),
    (110.0, 110.0),
    (150.0, 6.0),
)
PLACES_UM = np.array([FLAT, ROUND, TOUCHING, DAUGHTER, CORNER])
IS_ROUND = np.array([False, True, True, True, True])


def lump(y, x, length, width, height, angle=0.0):
    return Body(
        y=y, x=x, length=length, width=width, angle=angle, mass=0.8 * height * math.pi / 4 * length * width,
        seed=3, roughness=0.05, texture=0.1, grain=3.4, blur=0.0,
    )  # fmt: skip


def cells():
    """A flat cell, a round one, one beside a flat one, two young daughters, a round one in a corner."""
    return [
        lump(*FLAT, 55, 22, 0.6, angle=0.4),
        lump(*ROUND, 24, 24, 3.9),
        lump(*TOUCHING, 24, 24, 3.9), lump(TOUCHING[0], TOUCHING[1] + 28, 50, 20, 0.6, angle=1.5),
        lump(*DAUGHTER, 19, 19, 3.9), lump(DAUGHTER[0] + 17, DAUGHTER[1], 19, 19, 3.9),
        lump(*CORNER, 24, 24, 3.9),
    ]  # fmt: skip


def field(pixel_size_um=1.15, noise=0.9):
    n = round(SIZE_UM / pixel_size_um)
    bodies = [(True, cell.scaled(1 / pixel_size_um, np.zeros(2))) for cell in cells()]
    contrast = 70 / pixel_size_um**2  # bodies keep their mass: in larger pixels they are thicker
    image = phase_image(bodies, (n, n), grey=103, contrast=contrast, pixel_size_um=pixel_size_um)
    return image + np.random.default_rng(1).normal(0, noise, (n, n))


def measured(image, pixel_size_um=1.15):
    return rounding(image, PLACES_UM / pixel_size_um, pixel_size_um=pixel_size_um)


@pytest.mark.parametrize("pixel_size_um", [0.325, 0.65, 1.15, 1.5])
def test_rounded_cells_stand_apart_at_every_pixel_size(pixel_size_um):
    found = measured(field(pixel_size_um), pixel_size_um)
    assert found[~IS_ROUND].max() < 0.25
    assert found[IS_ROUND].min() > 0.35


def test_neither_gain_nor_uneven_light_changes_it():
    image = field()
    slope = np.linspace(0.6, 1.5, image.shape[1])
    assert measured(37.0 * image) == pytest.approx(measured(image), rel=1e-5)
    assert measured(slope * image) == pytest.approx(measured(image), abs=0.06)


def test_an_empty_dish_is_not_round():
    assert measured(103 + np.random.default_rng(0).normal(0, 0.9, (140, 140))).max() < 0.06


def test_no_nuclei_no_measures():
    assert rounding(field(), np.zeros((0, 2)), pixel_size_um=1.15).shape == (0,)


def test_a_nucleus_is_measured_with_its_phase_or_without(tmp_path):
    mask = np.zeros(field().shape, np.int32)
    for label, (y, x) in enumerate((FLAT, ROUND), start=1):
        mask[movies.disc(mask.shape, y / 1.15, x / 1.15, 7)] = label
    frames = np.stack([np.stack([field(), 20.0 + 30 * (mask > 0)])] * 2).astype(np.float32)

    def run(name, video):
        folder = tmp_path / name
        (folder / "journal").mkdir(parents=True)
        table, _ = segment.segment(
            video, movies.fine(2, unusable=(1,)), lambda t, image: (mask, np.ones(2)),
            labels=folder / "labels.zarr", journal=folder / "journal",
        )  # fmt: skip
        return table

    flat, rounded = run("both", movies.movie(frames, pixel_size_um=1.15))["rounding"]
    assert flat < 0.25
    assert rounded > 0.35
    alone = run("dna", movies.movie(frames[:, 1:], pixel_size_um=1.15, phase=False))
    assert len(alone) == 2
    assert alone["rounding"].isna().all()
