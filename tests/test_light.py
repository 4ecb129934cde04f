"""Uneven light and bleaching: read from nuclei that wander, and taken out of what was measured of them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from movies import disc, movie

from lineage.nuclei.light import Light, estimate_light
from lineage.nuclei.segment import measure
from lineage.schema import NUCLEUS_COLUMNS

SIDE, FRAMES = 400, 96  # pixels of 1 um; 10 min a frame
VIDEO = movie(np.broadcast_to(np.uint8(0), (FRAMES, 1, SIDE, SIDE)), phase=False)


def wandering(n: int, seed: int = 0, *, swelling: float = 0.0) -> pd.DataFrame:
    """NUCLEUS_COLUMNS of nuclei that wander apart from each other; a third replicates its DNA.

    Args:
        n: how many.
        seed: of chance.
        swelling: by how much all grow in area, so that their intensity falls while their DNA stays.
    """
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(n)))
    lanes = np.stack(np.unravel_index(rng.permutation(side**2)[:n], (side, side)), 1) + 0.5
    turns = rng.normal(0, 0.8, (n, FRAMES // 16, 2)).repeat(16, axis=1)  # where to, for 16 frames
    steps = np.cumsum(turns, axis=1)
    places = np.clip(lanes[:, None] * SIDE / side + steps, 0, SIDE - 1).reshape(-1, 2)
    # Each cell has its own brightness, and more so the further down it is: as clones have, and no light.
    dna = 1000 * rng.lognormal(0, 0.3, (n, 1)) * (1 + lanes[:, :1] / side)
    starts = rng.uniform(-40, FRAMES, (n, 1))
    replicates = (np.arange(n) % 3 == 0)[:, None]
    dna = dna * np.where(replicates, 2 ** np.clip((np.arange(FRAMES) - starts) / 48, 0, 1), 1)
    dna = (dna * rng.lognormal(0, 0.03, dna.shape)).ravel()
    frame = np.tile(np.arange(FRAMES), n)
    area = 120.0 * (1 + swelling * frame / FRAMES)
    y, x = places.T
    table = pd.DataFrame(0.0, index=range(n * FRAMES), columns=list(NUCLEUS_COLUMNS)).assign(
        frame=frame, time_min=10.0 * frame, y_px=y, x_px=x, y_um=y, x_um=x, area_um2=area,
        dna_mass=dna, mean_intensity=dna / area,
    )  # fmt: skip
    return table.sort_values(["frame", "y_um"], ignore_index=True)


def vignette(y_px: np.ndarray, x_px: np.ndarray, missing: float = 0.5) -> np.ndarray:
    """Brightest off the middle; `missing` of the light is missing in the darkest corner."""
    y, x = (y_px + 0.5) / SIDE - 0.4, (x_px + 0.5) / SIDE - 0.6
    return 1 - missing * (y**2 + x**2) / 0.72


def seen(nuclei: pd.DataFrame, light: np.ndarray) -> pd.DataFrame:
    return nuclei.assign(dna_mass=nuclei["dna_mass"] * light, mean_intensity=nuclei["mean_intensity"] * light)


def in_vignette(nuclei: pd.DataFrame) -> pd.DataFrame:
    return seen(nuclei, vignette(nuclei["y_px"].to_numpy(), nuclei["x_px"].to_numpy()))


def bleached(nuclei: pd.DataFrame, loss: float) -> pd.DataFrame:
    return seen(nuclei, np.exp(np.log(1 - loss) * nuclei["frame"].to_numpy() / (FRAMES - 1)))


def test_the_field_is_found_and_not_how_cells_differ():
    light = estimate_light(in_vignette(wandering(150)), VIDEO)
    places = np.meshgrid(np.arange(20.0, 390, 40), np.arange(20.0, 390, 40), indexing="ij")
    true = vignette(*places)
    ratio = light.flat_field(*places) / (true / true.mean())
    assert ratio.std() < 0.05
    assert light.flat_field(*places).mean() == pytest.approx(1, abs=0.03)
    assert 1.5 < light.contrast < 2.3
    assert light.bleaching == ()
    assert "times the light of its darkest" in light.notes[0]
    assert any("some may not be found" in w for w in light.warnings)


@pytest.mark.parametrize("loss", [0.3, 0.6])
def test_bleaching_is_found_beside_uneven_light_and_falls_all_the_time(loss):
    light = estimate_light(bleached(in_vignette(wandering(150)), loss), VIDEO)
    left = np.array(light.bleaching)
    assert left.shape == (FRAMES,)
    assert left[0] == 1
    assert (np.diff(left) <= 0).all()
    assert light.loss == pytest.approx(loss, abs=0.06)
    assert not light.is_even
    assert any("late ones may not be found" in w for w in light.warnings) == (loss > 0.5)


def test_measured_values_are_corrected_and_the_rest_stays():
    plain = wandering(150)
    dim = bleached(in_vignette(plain), 0.5)
    light = estimate_light(dim, VIDEO)
    given = dim.copy()
    correct = light.correct(dim)
    pd.testing.assert_frame_equal(dim, given)
    others = [c for c in NUCLEUS_COLUMNS if c not in ("dna_mass", "mean_intensity")]
    pd.testing.assert_frame_equal(correct[others], dim[others])
    for column in ("dna_mass", "mean_intensity"):
        before, after = (np.log(t[column] / plain[column]).std() for t in (dim, correct))
        assert after < 0.06 < 0.2 < before


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [60, 150])
@pytest.mark.parametrize("swelling", [0.0, 0.6])
def test_even_light_without_bleaching_stays_as_it_is(n, seed, swelling):
    """Also where nuclei swell, as after irradiation: their intensity falls, their DNA does not."""
    nuclei = wandering(n, seed, swelling=swelling)
    light = estimate_light(nuclei, VIDEO)
    ratio = light.correct(nuclei)["dna_mass"] / nuclei["dna_mass"]
    assert np.abs(ratio - 1).max() < 0.02
    assert light.warnings == ()
    assert len(light.notes) == 2


def test_of_few_nuclei_nothing_is_corrected_and_the_run_says_so():
    few = bleached(in_vignette(wandering(30)), 0.6)
    light = estimate_light(few, VIDEO)
    assert light.is_even
    assert light.bleaching == ()
    assert light.notes == (
        "light: 30 nuclei could be followed for long enough, and 50 are needed to tell uneven light and "
        "bleaching; nothing is corrected",
    )
    pd.testing.assert_frame_equal(light.correct(few), few)


@pytest.mark.parametrize("rows", [0, 1, 40])
def test_a_movie_with_hardly_any_nucleus_is_left_alone(rows):
    nuclei = wandering(40).iloc[:rows]
    assert estimate_light(nuclei, VIDEO).correct(nuclei).equals(nuclei)


def test_nuclei_without_light_of_their_own_do_no_harm():
    nuclei = in_vignette(wandering(150))
    nuclei.loc[::50, ["dna_mass", "mean_intensity"]] = -3.0  # darker than what surrounds them
    assert 1.5 < estimate_light(nuclei, VIDEO).contrast < 2.3


def test_it_can_be_switched_off():
    light = estimate_light(in_vignette(wandering(150)), VIDEO, correct=False)
    assert light.is_even
    assert light.notes == ()


def test_light_is_kept_as_json_and_checked_when_it_is_read():
    light = estimate_light(bleached(in_vignette(wandering(150)), 0.4), VIDEO)
    kept = json.loads(json.dumps(light.as_dict()))
    assert Light.read(kept, n_frames=FRAMES) == light
    with pytest.raises(ValueError, match="96 frames for 10"):
        Light.read(kept, n_frames=10)
    with pytest.raises(ValueError, match="not between 0 and 1"):
        Light.read(kept | {"bleaching": [1.2] * FRAMES}, n_frames=FRAMES)
    with pytest.raises(ValueError, match="field of 2"):
        Light.read(kept | {"field": [0, 0]}, n_frames=FRAMES)


def test_discs_in_uneven_light_are_measured_as_in_even_light():
    nuclei = wandering(64)
    around = np.argwhere(disc((11, 11), 5, 5, 5)) - 5
    light = vignette(*np.indices((SIDE, SIDE)))
    tables, levels = [], []
    for t, rows in nuclei.groupby("frame"):
        image, masks = np.full((SIDE, SIDE), 200.0), np.zeros((SIDE, SIDE), int)
        for label, (y, x, level) in enumerate(rows[["y_px", "x_px", "mean_intensity"]].to_numpy(), 1):
            inside = tuple(np.clip(around + np.array([round(y), round(x)]), 0, SIDE - 1).T)
            image[inside], masks[inside] = 200 + 20 * level, label
        table = measure(
            masks, (image * light).round(), np.ones(64), frame=int(t), pixel_size_um=1.0,
            minutes_per_frame=10.0, drift_px=np.zeros(2), look=False,
        )  # fmt: skip
        tables.append(table)
        levels.append(20 * rows["mean_intensity"].to_numpy()[table["label"] - 1])
    measured = pd.concat(tables, ignore_index=True)
    found = estimate_light(measured, VIDEO)
    before, after = (
        t["mean_intensity"] / np.concatenate(levels) for t in (measured, found.correct(measured))
    )
    assert before.std() / before.mean() > 0.09
    assert after.std() / after.mean() < 0.05


def test_a_short_movie_is_left_alone_and_the_run_says_so():
    short = movie(np.broadcast_to(np.uint8(0), (30, 1, SIDE, SIDE)), phase=False)
    nuclei = in_vignette(wandering(150))
    light = estimate_light(nuclei[nuclei["frame"] < 30], short)
    assert light.is_even
    assert "the movie is 5.0 h long, and 9 h are needed" in light.notes[0]


@pytest.mark.parametrize("loss", [0.0, 0.5])
def test_nuclei_that_stand_still_say_nothing_of_the_field_but_of_the_stain(loss):
    nuclei = wandering(100)
    places = ["y_px", "x_px", "y_um", "x_um"]
    lane = np.arange(100)
    still = np.stack([20 + 36 * (lane // 10), 20 + 36 * (lane % 10)] * 2, axis=1)
    nuclei[places] = np.tile(still, (FRAMES, 1))
    nuclei["dna_mass"] = 1000.0 * np.tile(1 + lane / 100, FRAMES)
    light = estimate_light(bleached(nuclei, loss), VIDEO)
    assert light.is_even
    assert light.loss == pytest.approx(loss, abs=0.03)


def test_a_gap_of_a_day_is_no_harm():
    nuclei = bleached(in_vignette(wandering(150)), 0.5)
    gap = nuclei["frame"].between(20, 70)
    light = estimate_light(nuclei[~gap], VIDEO)
    assert np.isfinite(light.correct(nuclei)["dna_mass"]).all()
    assert light.loss <= 0.55


def test_what_is_gained_later_was_never_lost():
    """Two days, of which the second is brighter again, as after a change of the medium."""
    dim = np.interp(np.arange(FRAMES), [0, 48, 95], [1.0, 0.5, 0.75])
    nuclei = wandering(150)
    video = replace(VIDEO, minutes_per_frame=30.0)
    light = estimate_light(seen(nuclei, dim[nuclei["frame"]]), video)
    left = np.array(light.bleaching)
    assert (np.diff(left) <= 0).all()
    assert light.loss == pytest.approx(0.25, abs=0.1)


def test_a_field_that_no_microscope_has_is_not_believed():
    nuclei = wandering(120)
    y, x = (nuclei[c].to_numpy(float) for c in ("y_px", "x_px"))
    dark = seen(nuclei, vignette(y, x, missing=0.85))
    assert vignette(y, x, missing=0.85).max() / vignette(y, x, missing=0.85).min() > 4
    found = estimate_light(dark, VIDEO)
    assert found.is_even
    assert "not credible" in " ".join(found.notes)
