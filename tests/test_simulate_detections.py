"""Nuclei without a movie are those of the movie."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from synthetic.detections import MERGED_UM, TRUE_COLUMNS, Detections, detect, imperfect

from lineage.export import graphml
from lineage.nuclei.segment import measure
from lineage.schema import LOOK_COLUMNS, NUCLEUS_COLUMNS
from lineage.simulate.movie import simulate
from lineage.simulate.settings import Settings

SETTINGS = Settings(
    frames=16, size=200, founders=14, dose_gy=8, irradiated_min_before_start=700, seed=77, blank_frames=(5,)
)


@pytest.fixture(scope="module")
def found() -> Detections:
    return detect(SETTINGS)


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    out = tmp_path_factory.mktemp("detections") / "movie.tif"
    return out, simulate(out, SETTINGS)


@pytest.fixture(scope="module")
def measured(found, movie) -> pd.DataFrame:
    """What is measured on the movie, with the truth's masks."""
    out, truth = movie
    tables = []
    for t in np.flatnonzero(found.usable).tolist():
        mask = tifffile.imread(truth / "TRA" / f"man_track{t:03d}.tif")
        tables.append(
            measure(
                mask,
                tifffile.imread(out, key=2 * t + 1),
                np.ones(int(mask.max())),
                frame=t,
                pixel_size_um=SETTINGS.pixel_size_um,
                minutes_per_frame=SETTINGS.minutes_per_frame,
                drift_px=found.drift_px[t],
            )
        )
    return pd.concat(tables, ignore_index=True)


def test_the_same_nuclei_are_in_the_same_places(found, measured):
    assert len(measured) > 100
    assert list(found.nuclei.columns) == [*NUCLEUS_COLUMNS, *TRUE_COLUMNS]
    for column in ("frame", "label", "y_px", "x_px", "y_um", "x_um", "area_um2", "eccentricity"):
        np.testing.assert_allclose(found.nuclei[column], measured[column], atol=1e-6, err_msg=column)
    assert (found.nuclei["cell"] == found.nuclei["label"]).all()


@pytest.mark.parametrize(
    ("column", "tolerance"),
    [("dna_mass", 0.03), ("mean_intensity", 0.03), ("solidity", 0.02), ("texture", 0.1)],
)
def test_what_is_not_drawn_is_close(found, measured, column, tolerance):
    ratio = found.nuclei[column] / measured[column]
    assert abs(ratio.median() - 1) < tolerance
    assert np.abs(ratio - 1).quantile(0.9) < 5 * tolerance


def test_the_truth_is_the_movies(found, movie):
    _, truth = movie
    np.testing.assert_array_equal(found.tracks, np.loadtxt(truth / "TRA" / "man_track.txt", int, ndmin=2))
    written = graphml.read(truth / "lineage.graphml")
    assert sorted(found.graph.edges) == sorted(written.edges)
    assert dict(found.graph.nodes) == {n: dict(written.nodes[n]) for n in found.graph}
    events = pd.read_csv(truth / "events.csv", keep_default_na=False)
    assert len(events) > 0
    assert found.events[["mother_id", "frame", "subtype"]].values.tolist() == (
        events[["mother_id", "frame", "subtype"]].values.tolist()
    )


def test_a_frame_without_light_has_no_nuclei(found):
    assert not found.usable[5]
    assert set(found.nuclei["frame"]) == set(range(SETTINGS.frames)) - {5}


def test_a_perfect_segmentation_makes_no_mistakes(found):
    same = imperfect(
        found.nuclei, np.random.default_rng(1), miss=0, false=0, jitter_um=0, mass_noise=0, area_noise=0
    )
    order = found.nuclei.sort_values(["frame", "y_um", "x_um"], ignore_index=True)
    pd.testing.assert_frame_equal(same[["frame", "cell"]], order[["frame", "cell"]])
    np.testing.assert_allclose(same["mean_intensity"], order["mean_intensity"])


def test_mistakes_are_as_many_as_asked_for(found):
    many = pd.concat([found.nuclei] * 30, ignore_index=True)
    before = many.copy()
    wrong = imperfect(many, np.random.default_rng(1), miss=0.1, false=0.05)
    pd.testing.assert_frame_equal(many, before)
    assert (wrong["cell"] > 0).sum() == pytest.approx(0.9 * len(many), rel=0.03)
    assert (wrong["cell"] == 0).sum() == pytest.approx(0.05 * len(many), rel=0.1)
    assert wrong["detection_id"].tolist() == list(range(len(wrong)))
    assert not wrong.duplicated(["frame", "label"]).any()
    assert not wrong.drop(columns=["rounding", *LOOK_COLUMNS]).isna().any().any()  # no phase is drawn


def test_places_in_the_image_and_on_the_dish_move_together(found):
    wrong = imperfect(found.nuclei, np.random.default_rng(3), false=0.1)
    drift = found.drift_px[wrong["frame"]]
    assert (wrong["cell"] == 0).any()
    for k, axis in enumerate("yx"):
        back = wrong[f"{axis}_um"] / SETTINGS.pixel_size_um + drift[:, k]
        np.testing.assert_allclose(back, wrong[f"{axis}_px"], atol=1e-6)


def test_sisters_that_touch_may_be_taken_for_one(found):
    two = found.nuclei.iloc[[0, 1]].assign(frame=3, cell=[4, 5], y_um=50.0, x_um=[60.0, 60 + 0.9 * MERGED_UM])
    apart = two.assign(x_um=[60.0, 60 + 1.1 * MERGED_UM])
    perfect = {"miss": 0, "false": 0, "mass_noise": 0, "merge_touching": 1}
    one = imperfect(two, np.random.default_rng(1), **perfect)
    assert sorted(one[["cell", "also"]].iloc[0]) == [4, 5]
    assert one["dna_mass"].sum() == pytest.approx(two["dna_mass"].sum())
    assert len(imperfect(apart, np.random.default_rng(1), **perfect)) == 2


def test_nothing_becomes_nothing(found):
    nothing = found.nuclei.iloc[:0]
    assert imperfect(nothing, np.random.default_rng(1)).empty
