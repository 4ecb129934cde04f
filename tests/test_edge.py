"""The edge of the image is one rule, in diameters of the movie's nuclei, for all who ask."""

import nuclei
import numpy as np
import pandas as pd
import pytest
import worlds

from lineage import tree
from lineage.edge import CROSSING, CUT, diameter_um
from lineage.evaluate import events
from lineage.mitosis.events import propose
from lineage.schema import Fate, Geometry, Lineage
from lineage.tracking.tracklet_arrays import TrackletArrays

ROOM = (400, 400)
GEOMETRY = Geometry(40, ROOM, worlds.PIXEL_UM, worlds.MINUTES)
SIZES = [0.5, 1.0, 2.0]  # of nuclei


def seen_at(diameters, size):
    """A cell of 30 frames at so many diameters from the upper edge, and how large they are in pixels."""
    lineage = worlds.as_lineage(worlds.lone_cell(), lives={1: range(30)})
    area = 150.0 * size**2
    diameter_px = diameter_um(pd.DataFrame({"area_um2": [area]})) / worlds.PIXEL_UM
    y = diameters * diameter_px
    there = {"y_px": y, "x_px": 200.0, "y_um": y * worlds.PIXEL_UM, "x_um": 200 * worlds.PIXEL_UM}
    return Lineage(lineage.detections.assign(area_um2=area, **there), lineage.graph), diameter_px


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("diameters", "crosses"), [(CROSSING - 0.1, True), (CROSSING + 0.1, False)])
def test_a_cell_that_leaves_and_an_event_at_the_edge_are_told_by_one_distance(size, diameters, crosses):
    lineage, diameter_px = seen_at(diameters, size)
    told = tree.annotate(lineage, [], {}, geometry=GEOMETRY, video_name="world.tif")
    assert told.nodes[1]["fate"] == (Fate.LEFT_FIELD if crosses else Fate.LOST)
    true = pd.DataFrame(
        {"event_id": [1], "frame": 20, "y_px": diameters * diameter_px, "x_px": 200.0, "daughter_ids": "2 3"}
    ).assign(mitosis_class="normal", subtype="normal")
    none = pd.DataFrame(columns=["event_id", "frame", "y_px", "x_px", "verdict", "p_verdict"])
    table = events.outcomes(
        true, none, drift_px=np.zeros((40, 2)), shape=ROOM, pixel_size_um=worlds.PIXEL_UM,
        minutes_per_frame=worlds.MINUTES, diameter_um=diameter_px * worlds.PIXEL_UM,
    )  # fmt: skip
    assert table["at_edge"].tolist() == [crosses]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("diameters", "is_seen"), [(CUT - 0.1, False), (CUT + 0.1, True)])
def test_an_attempt_is_one_where_the_edge_does_not_cut_the_nucleus(size, diameters, is_seen):
    lineage, _ = seen_at(diameters, size)
    condensed = worlds.condensed(lineage, 1, range(15, 23))
    again = condensed.detections.assign(area_um2=lineage.detections["area_um2"])
    found, _ = propose(Lineage(again, condensed.graph), geometry=GEOMETRY, last_frames=(39,))
    assert bool(found) == is_seen


@pytest.mark.parametrize("size", SIZES)
def test_tracking_measures_the_same_distance(size):
    lineage, _ = seen_at(1.0, size)
    table = lineage.detections.assign(tracklet_id=0)
    shape_um = (ROOM[0] * worlds.PIXEL_UM, ROOM[1] * worlds.PIXEL_UM)
    time = table["frame"].to_numpy()
    arrays = TrackletArrays.of(table, time, shape_um=shape_um, pixel_size_um=worlds.PIXEL_UM)
    assert arrays.border == pytest.approx(np.ones(30))


def test_who_comes_in_over_the_edge_beside_another_is_nobodys_daughter():
    """In the middle of the field the same newcomer would have to come from somewhere, too."""
    from lineage.tracking.track import track

    cells = {
        "resident": nuclei.still((24.0, 150.0), range(18)),
        "newcomer": nuclei.walk((3.0, 150.0), range(8, 18), (0.5, 0.0)),
    }
    drawn = nuclei.looking(nuclei.table(nuclei.bystanders(18) | cells), {})
    found = track(drawn, usable=np.ones(18, bool), geometry=Geometry(18, (300, 300), 1.0, 10.0))
    names = found.detections[found.detections["tracklet_id"] > 0].groupby("tracklet_id")["name"].first()
    assert {"resident", "newcomer"} <= set(names)
    assert not found.graph.edges
