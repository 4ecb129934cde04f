"""Tracks that another program made: each format is read as it was meant, and becomes cells of ours."""

from __future__ import annotations

import gzip
import json
import shutil
from itertools import pairwise
from pathlib import Path

import drawn_run
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import worlds
from corner import start
from exports import paint
from test_tree import annotate
from worlds import as_lineage

import lineage
from lineage.corrections import journal
from lineage.corrections.lines import make
from lineage.export import ctc, geff, trackmate
from lineage.imports import Placed, place, read_tracks
from lineage.imports.alone import geometry_of, lineage_alone
from lineage.imports.record import GivenTracks, table
from lineage.schema import NUCLEUS_COLUMNS, Geometry, InputError
from lineage.stages.cells import NOT_OURS

FAKE = Path(__file__).parent / "fixtures" / "tracks" / "FakeTracks.xml.gz"
UNITS = {"pixel_size_um": worlds.PIXEL_UM, "minutes_per_frame": worlds.MINUTES}


def exported(form: str, world, folder: Path) -> Path:
    """A world as we export it."""
    tree, labels = annotate(world), paint(world)
    if form == "ctc":
        ctc.write(tree, labels, folder)
        return folder / ctc.RESULT
    path = folder / {"trackmate": "a.xml", "geff": "a.geff"}[form]
    if form == "geff":
        geff.write(tree, world.detections, path, labels=folder / "l.zarr" / "tracked")
    else:
        trackmate.write(tree, world.detections, path, labels=labels)
    return path


def relations(graph: nx.DiGraph, detections: pd.DataFrame) -> tuple[set, set]:
    """Cells by their first frame and place, and who became whom, whatever they are numbered."""
    seen = detections[detections["tracklet_id"] >= 0].sort_values("frame")
    first = seen.groupby("tracklet_id")[["frame", "y_px", "x_px"]].first().round(3)
    last = seen.groupby("tracklet_id")["frame"].last()
    name = {
        c: (*row, last[c])
        for c, row in zip(first.index, first.itertuples(index=False, name=None), strict=True)
    }
    return set(name.values()), {(name[a], name[b]) for a, b in graph.edges}


def on_nuclei(given: GivenTracks, world, n_frames: int = 40) -> Placed:
    drawn = paint(world)
    return place(
        given,
        world.detections[list(NUCLEUS_COLUMNS)],
        labels=drawn,
        geometry=Geometry(n_frames, worlds.SHAPE, worlds.PIXEL_UM, worlds.MINUTES),
        usable=np.ones(n_frames, bool),
    )


# --- Round trips through our own exports


@pytest.mark.parametrize("form", ["trackmate", "geff", "ctc"])
@pytest.mark.parametrize("unseen", [{}, {2: [13, 14]}])
@pytest.mark.parametrize("world", [w for w in worlds.WORLDS if w is not worlds.empty])
def test_what_we_export_comes_back_as_the_same_cells(tmp_path, form, unseen, world):
    if (form, world) == ("trackmate", worlds.lone_cell):
        world = worlds.one_division
    before = as_lineage(world(), unseen=unseen)
    given = read_tracks(exported(form, before, tmp_path))

    after = on_nuclei(given, before, n_frames=len(paint(before))).lineage

    graph = before.graph.copy()
    if form == "ctc":  # which has one parent at most
        graph.remove_edges_from([(a, b) for a, b in before.graph.edges if before.graph.in_degree(b) > 1])
    assert len(before.detections) == len(after.detections)
    assert relations(after.graph, after.detections) == relations(graph, before.detections)
    assert (form == "ctc") == given.spots["y"].isna().all()


def test_tracks_without_a_movie_have_divisions_fusions_and_no_verdict_but_undecided(tmp_path):
    path = exported("trackmate", as_lineage(worlds.clones_fuse()), tmp_path)
    tracks = lineage.load(path, quiet=True)
    assert nx.is_isomorphic(tracks.tree, worlds.clones_fuse())
    assert sorted(tracks.events["event_type"]) == ["fusion", "mitosis"]
    assert set(tracks.events["verdict"]) == {"", "undecided"}
    assert tracks.events["evidence_mass_ratio"].isna().all()
    assert tracks.tree.graph["pixel_size_um"] == worlds.PIXEL_UM  # as the file states it
    assert lineage.load(path, pixel_size_um=1.0, quiet=True).tree.graph["pixel_size_um"] == 1.0


def test_a_folder_of_the_challenge_brings_its_masks(tmp_path):
    path = exported("ctc", as_lineage(worlds.two_generations()), tmp_path)
    tracks = lineage.load(path, **UNITS, quiet=True)
    assert nx.is_isomorphic(tracks.tree, worlds.two_generations())
    assert tracks.nuclei["area_um2"].eq(49 * worlds.PIXEL_UM**2).all()
    with pytest.raises(InputError, match="pixels"):
        lineage.load(path, quiet=True)


@pytest.mark.parametrize(
    ("unit", "scale", "scaled_unit", "wanted"),
    [
        ("pixel", 2.0, "micrometer", ("px", 2.0, 100.0)),
        ("pixel", None, None, ("px", None, 100.0)),
        (None, None, None, ("px", None, 100.0)),
        ("micrometer", 1000.0, "nanometer", ("um", None, 100.0)),
        ("nanometer", 0.001, "micrometer", ("um", None, 0.1)),
        ("nanometer", None, None, "positions are in 'nanometer'"),
    ],
)
def test_geff_says_its_unit_and_what_it_is_scaled_to(tmp_path, unit, scale, scaled_unit, wanted):
    from geff_spec import GeffMetadata

    path = exported("geff", as_lineage(worlds.lone_cell()), tmp_path)
    metadata = GeffMetadata.read(path)
    for axis in metadata.axes[1:]:
        axis.scaled_unit = axis.scale = axis.unit = None
        axis.unit, axis.scale, axis.scaled_unit = unit, scale, scaled_unit
    metadata.write(path)
    if isinstance(wanted, str):
        with pytest.raises(InputError, match=wanted):
            read_tracks(path)
        return
    given = read_tracks(path)
    assert (given.unit, given.pixel_size_um, round(given.spots["y"].iloc[0], 6)) == wanted


# --- Files that other programs wrote


def test_a_file_that_trackmate_wrote(tmp_path):
    path = tmp_path / "FakeTracks.xml"
    path.write_bytes(gzip.decompress(FAKE.read_bytes()))
    given = read_tracks(path)
    # Its log: two of seven tracks pass the filters, one of 74 spots with two splits, one of 10 with a gap.
    assert len(given.spots) == 84
    assert (given.pixel_size_um, given.minutes_per_frame, given.image) == (1.0, None, (50, 128, 128))
    assert given.notes[0] == "tracks that TrackMate's filters hide, left out: 5"
    with pytest.raises(InputError, match="no time between frames"):
        lineage.load(path)  # one second a frame is ImageJ's default, and nobody's measurement
    tracks = lineage.load(path, minutes_per_frame=10, quiet=True)
    assert len(tracks.events) == 2
    assert max(d for _, d in tracks.tree.out_degree) == 2
    assert len(tracks.tree) == 6
    assert tracks.nuclei["area_um2"].between(15, 60).all()
    assert any("gaps bridged, the longest of 1 frames: 1" in note for note in tracks.notes)


@pytest.fixture(scope="module")
def of_btrack():
    """Tracks of btrack's own: a mother, two daughters, and a dummy in a gap of one of them."""
    from btrack.btypes import PyTrackObject, Tracklet

    def life(number, frames, y, x, parent, gap=()):
        objects = []
        for t in frames:
            one = PyTrackObject()
            one.ID, one.t, one.x, one.y, one.z, one.dummy = number * 100 + t, t, x, y + t, 0, t in gap
            objects.append(one)
        found = Tracklet(number, objects)
        found.parent, found.root, found.generation = parent, 1, int(number > 1)
        return found

    return [
        life(1, range(5), 20, 30, 1),
        life(2, range(5, 10), 15, 24, 1, gap=[7]),
        life(3, range(5, 10), 15, 36, 1),
    ]


@pytest.mark.parametrize("suffix", ["h5", "csv"])
def test_what_btrack_wrote(tmp_path, of_btrack, suffix):
    from btrack.io import HDF5FileHandler, export_CSV

    path = tmp_path / f"tracks.{suffix}"
    if suffix == "csv":
        export_CSV(path, of_btrack)
    else:
        with HDF5FileHandler(path, "w", obj_type="obj_type_1") as file:
            file.write_tracks(of_btrack)
    given = read_tracks(path)
    assert len(given.spots) == 14
    assert given.notes == ("dummy objects, with which btrack bridges gaps, left out: 1",)
    first = given.spots.sort_values(["frame", "x"]).iloc[0]
    assert (first["frame"], first["y"], first["x"]) == (0, 20, 30)
    tracks = lineage.load(path, **UNITS, quiet=True)
    assert nx.is_isomorphic(tracks.tree, worlds.one_division())
    mother = tracks.cells.set_index("tracklet_id").loc[1]
    assert (mother["first_frame"], mother["last_frame"]) == (0, 4)


# --- napari and tables


def rows() -> np.ndarray:
    """(N, 4) as in napari: 1 --+-- 2, +-- 3, and 2, 3 fuse to 4."""
    lives = {1: range(5), 2: range(5, 8), 3: range(5, 8), 4: range(8, 12)}
    return np.array([[c, t, 20 + t, 30 + 10 * c] for c, frames in lives.items() for t in frames], float)


GRAPH = {"2": [1], "3": 1, "4": [2, 3]}
WANTED = nx.DiGraph([(1, 2), (1, 3), (2, 4), (3, 4)])


@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_tracks_of_napari_with_a_graph_beside_them(tmp_path, suffix):
    path = tmp_path / f"tracks.{suffix}"
    if suffix == "npy":
        np.save(path, np.insert(rows(), 2, 0, axis=1))  # with z
    else:
        pd.DataFrame(rows(), columns=["track_id", "t", "y", "x"]).to_csv(path)
    alone = lineage.load(path, **UNITS, quiet=True)
    assert not alone.tree.edges
    (tmp_path / "tracks.json").write_text(json.dumps(GRAPH))
    assert nx.is_isomorphic(lineage.load(path, **UNITS, quiet=True).tree, WANTED)


def as_ultrack(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(parent_track_id=data["track_id"].map({2: 1, 3: 1}).fillna(-1).astype(int))


def as_motile_tracker(data: pd.DataFrame) -> pd.DataFrame:
    data = data.assign(id=np.arange(len(data)) + 1)
    before = {b: a for one in (1, 2, 3, 4) for a, b in pairwise(data["id"][data["track_id"] == one])}
    last, first = (data.groupby("track_id")["id"].agg(end) for end in ("last", "first"))
    return data.assign(parent_id=data["id"].map(before | {first[2]: last[1], first[3]: last[1]}))


@pytest.mark.parametrize("style", [as_ultrack, as_motile_tracker])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_with_parents(tmp_path, style, separator):
    data = pd.DataFrame(rows(), columns=["track_id", "t", "y", "x"])
    style(data.astype({"track_id": int, "t": int})).to_csv(tmp_path / "a.csv", index=False, sep=separator)
    tree = lineage.load(tmp_path / "a.csv", **UNITS, quiet=True).tree
    assert nx.is_isomorphic(tree, nx.DiGraph([(1, 2), (1, 3), (4, 5)]).subgraph([1, 2, 3, 4]))


def test_micrometres_are_told_by_the_columns_name(tmp_path):
    data = pd.DataFrame(rows(), columns=["track_id", "t", "y_um", "x_um"])
    data.to_csv(tmp_path / "a.csv")
    tracks = lineage.load(tmp_path / "a.csv", pixel_size_um=2.0, minutes_per_frame=5, quiet=True)
    assert tracks.nuclei["y_um"].tolist() == data.sort_values(["track_id", "t"])["y_um"].tolist()
    assert tracks.nuclei["y_px"].iloc[0] == 10.0


# --- What is not as it should be


def tracks_of(spots: list[tuple], links: list[tuple], **more) -> GivenTracks:
    """Spots are (number, frame, y, x)."""
    made = table((*s, np.nan, -1) for s in spots)
    return GivenTracks("a.csv", "tables", made, np.array(links).reshape(-1, 2), **more)


LINE = [(t, t, 100.0, 60.0) for t in range(10)]
ALONG = list(pairwise(range(10)))


@pytest.mark.parametrize(
    ("spots", "links", "words"),
    [
        ([], [], "holds no tracks"),
        ([*LINE, (3, 11, 1.0, 1.0)], ALONG, "spot 3 is there twice"),
        ([*LINE, (10, -1, 1.0, 1.0)], ALONG, "spot 10 is in frame -1; frames count from 0"),
        ([*LINE, (10, 11, np.nan, 1.0)], ALONG, "spot 10 has no position"),
        (LINE, [*ALONG, (3, 99)], "names spot 99, and there is no such spot"),
        (
            LINE,
            [*ALONG, (7, 3)],
            "1 links do not lead to a later frame, first from spot 7 in frame 7 to spot 3",
        ),
        ([*LINE, (10, 5, 1.0, 1.0)], [*ALONG, (5, 10)], "spot 5 in frame 5 to spot 10 in frame 5"),
        ([*LINE, (10, 40, 1.0, 1.0)], ALONG, "spot 10 is in frame 40, the movie has 40, 0 to 39"),
        (
            [(s, t, 3 * y, x) for s, t, y, x in LINE],
            ALONG,
            "10 of 10 spots lie outside the image of 300 x 200",
        ),
        ([(s, t, y, x + 60) for s, t, y, x in LINE], ALONG, "only 0% of 10 spots lie on a nucleus"),
    ],
)
def test_tracks_that_cannot_be_of_this_movie_are_refused_in_one_line(spots, links, words):
    world = as_lineage(worlds.lone_cell())
    assert len(on_nuclei(tracks_of(LINE, ALONG), world).lineage.graph) == 1
    with pytest.raises(InputError, match=words) as error:
        on_nuclei(tracks_of(spots, links), world)
    assert "\n" not in str(error.value)


def test_frames_counted_from_1_are_guessed_and_said():
    spots = [(t, t, 100.0, 60.0) for t in range(1, 41)]
    with pytest.raises(InputError, match="if its frames count from 1, take 1 off"):
        on_nuclei(tracks_of(spots, []), as_lineage(worlds.lone_cell()))


def test_another_size_of_image_is_refused_and_another_pixel_size_or_interval_warned_of():
    world = as_lineage(worlds.lone_cell())
    with pytest.raises(InputError, match="of images of 512 x 512 px, the movie's are 300 x 200"):
        on_nuclei(tracks_of(LINE, ALONG, image=(40, 512, 512)), world)
    in_um = [(s, t, 0.65 * y, 0.65 * x) for s, t, y, x in LINE]
    given = tracks_of(in_um, ALONG, unit="um", pixel_size_um=0.65, minutes_per_frame=30.0)
    warnings = on_nuclei(given, world).lineage.warnings
    assert [w.split(":")[0] for w in warnings] == [
        "a.csv states 0.65 um a pixel, the movie has 2",
        "a.csv states 30 min a frame, the movie has 10",
    ]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.xml", "<TrackMate", "cannot be read as XML"),
        ("a.xml", "<html/>", "not TrackMate's"),
        ("a.xml", '<!DOCTYPE g [<!ENTITY a "a">]><TrackMate>&a;</TrackMate>', "cannot be read as XML"),
        ("a.xml", '<TrackMate><Model spatialunits="inch"/></TrackMate>', "positions are in 'inch'"),
        ("a.xml", '<TrackMate><Model spatialunits="um"/></TrackMate>', "holds no tracks"),
        (
            "a.xml",
            "<TrackMate><Model><AllSpots><SpotsInFrame><Spot "
            'ID="1"/></SpotsInFrame></AllSpots></Model></TrackMate>',
            "is not as TrackMate writes it",
        ),
        ("a.csv", "a,b\n1,2\n", "wanted are track_id, t, y, x"),
        ("a.csv", "track_id,t,y,x\n1,0,2,oops\n", "x is 'oops' in row 1"),
        ("a.csv", "track_id,t,y,x\n1,0.5,2,3\n", "t is 0.5; wanted are whole numbers"),
        ("a.csv", "track_id,t,y,x\n1,0,2,3\n1,0,4,5\n", "track 1 has two positions in frame 0"),
        (
            "a.csv",
            "track_id,t,y,x,parent_track_id\n1,0,2,3,7\n",
            "track 1 comes of track 7, and there is no track 7",
        ),
        ("a.csv", "track_id,t,y,x,parent_track_id\n1,3,2,3,2\n2,4,2,3,-1\n", "do not lead to a later frame"),
        ("a.csv", "track_id,t,y,x,parent_track_id\n1,3,2,3,2\n2,3,2,3,1\n", "do not lead to a later frame"),
        ("a.csv", "", "cannot be read as a table"),
        ("a.h5", "no hdf", "cannot be read as btrack's HDF5"),
        ("a.npy", "no array", "wanted is an array"),
        ("a.doc", "?", "no file of tracks that is known"),
        ("res_track.txt", "1 0 3\n", "wanted are four whole numbers"),
        ("res_track.txt", "1 4 3 0\n", "does not end before it begins"),
        ("res_track.txt", "1 0 3 0\n1 4 5 0\n", "label 1 is there twice"),
        ("res_track.txt", "1 0 3 9\n", "track 1 has the parent 9"),
        ("res_track.txt", "", "holds no tracks"),
        ("a.geff/zarr.json", '{"attributes": {"geff": {}}}', "cannot be read as GEFF"),
    ],
)
def test_files_that_are_damaged_or_something_else_are_refused_in_one_line(tmp_path, name, text, words):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(InputError, match=words) as error:
        read_tracks(path if path.parent == tmp_path else path.parent)
    assert "\n" not in str(error.value)


def test_a_graph_beside_that_is_none_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", rows())
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="is no graph of napari's"):
        read_tracks(tmp_path / "a.npy")
    (tmp_path / "a.json").write_text('{"2": [9]}')
    with pytest.raises(InputError, match="track 2 comes of track 9"):
        read_tracks(tmp_path / "a.npy")


# --- What is not in the lineage is counted


def counted(placed: Placed) -> dict[str, int]:
    pairs = [note.rsplit(": ", 1) for note in placed.lineage.notes[2:]]
    return {what: int(n) for what, n in pairs}


def test_spots_on_no_nucleus_are_left_out_bridged_and_counted():
    world = as_lineage(worlds.one_division(), unseen={1: [4, 5], 2: [10, 11]})
    spots = as_lineage(worlds.one_division()).detections
    numbers = {(c, t): k for k, (c, t) in enumerate(zip(spots["tracklet_id"], spots["frame"], strict=True))}
    links = [(n, numbers[c, t + 1]) for (c, t), n in numbers.items() if (c, t + 1) in numbers]
    links += [(numbers[1, 9], numbers[d, 10]) for d in (2, 3)]
    at = [
        (k, *row) for k, row in enumerate(spots[["frame", "y_px", "x_px"]].itertuples(index=False, name=None))
    ]
    placed = on_nuclei(tracks_of(at, links), world)
    assert relations(placed.lineage.graph, placed.lineage.detections) == relations(
        world.graph, world.detections
    )
    assert counted(placed) == {"spots left out, no nucleus": 4, "gaps bridged, the longest of 2 frames": 2}
    lost = placed.spots[placed.spots["detection_id"] < 0]
    assert sorted(lost["frame"]) == [4, 5, 10, 11]


def test_of_two_tracks_on_a_nucleus_the_nearer_has_it():
    world = as_lineage(worlds.lone_cell())
    twice = [*LINE, *((10 + t, t, 101.0, 61.0) for t in range(10))]
    placed = on_nuclei(tracks_of(twice, [*ALONG, *((10 + a, 10 + b) for a, b in ALONG)]), world)
    assert len(placed.lineage.graph) == 1
    assert counted(placed) == {"spots left out, nucleus of a nearer spot": 10}
    assert placed.lineage.warnings == (
        "10 of 20 spots of a.csv are not in the lineage; given_spots.csv says of each why",
    )


def test_a_link_from_a_spot_that_divides_to_one_that_fuses_is_left_out():
    spots = [(1, 0, 0.0, 0.0), (2, 0, 0.0, 9.0), (3, 1, 0.0, 0.0), (4, 1, 0.0, 9.0)]
    given = tracks_of(spots, [(1, 3), (1, 4), (2, 4)])
    geometry, _ = geometry_of(given, **UNITS)
    placed = lineage_alone(given, geometry)
    assert counted(placed) == {"links left out from a spot that divides to one that fuses": 1}
    assert [len(placed.lineage.graph), placed.lineage.graph.number_of_edges()] == [2, 0]


def test_three_daughters_are_kept_and_said():
    given = tracks_of(
        [(0, 0, 5.0, 5.0), *((k, 1, 5.0 * k, 5.0) for k in (1, 2, 3))], [(0, k) for k in (1, 2, 3)]
    )
    placed = lineage_alone(given, geometry_of(given, **UNITS)[0])
    assert counted(placed) == {"divisions into 3": 1}
    assert nx.is_isomorphic(placed.lineage.graph, worlds.three_daughters())


# --- A run


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """A movie and its masks, and tracks of it by hand: the mother divides two frames late, one cell is "
    "cut."""
    folder = tmp_path_factory.mktemp("drawn")
    run = drawn_run.write_run(folder)
    seen = pd.read_csv(run / "detections.csv")
    names = dict(zip(seen["label"], seen["label"], strict=True))
    data = seen[["frame", "y_px", "x_px"]].assign(track_id=seen["label"].map(names))
    born = (seen["label"] == 5) & (seen["frame"] >= drawn_run.DIVIDES_AT)
    data.loc[born, "track_id"] = 10
    data.loc[(seen["label"] == 1) & (seen["frame"] >= 5), "track_id"] = 11
    data = data.assign(parent_track_id=data["track_id"].map({10: 5, 9: 5}).fillna(-1).astype(int))
    data.rename(columns={"y_px": "y", "x_px": "x"}).to_csv(folder / "tracks.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def given_run(drawn) -> Path:
    out = drawn / "given.lineage"
    result = run_it(drawn)
    assert result.exit_code == 0, result.output
    return out


def run_it(drawn: Path, *more: object):
    paths = (
        "--tracks",
        drawn / "tracks.csv",
        "--labels",
        drawn / "masks.tif",
        "--out",
        drawn / "given.lineage",
    )
    return start(drawn / "drawn.tif", *paths, *more)


def test_a_run_goes_on_from_given_tracks(drawn, given_run):
    found = lineage.load(given_run)
    assert len(lineage.load(drawn / "drawn.lineage").cells) == 10
    # Eight, one cut in two, and two daughters; but the classifier takes discs for no mitosis, and nobody says
    # how sure the tracks are.
    assert "11 cells" in found.record["notes"]["track"][0]
    assert len(found.cells) == 10
    (event,) = found.events.to_dict("records")
    assert (event["frame"], event["event_type"], event["source"]) == (
        drawn_run.DIVIDES_AT,
        "mitosis",
        "division",
    )
    assert 0 <= event["p_abnormal"] <= 1
    assert np.isnan(event["confidence"])  # how sure the tracks are nobody says
    assert found.crop(event["event_id"]).shape[0] == 12
    assert found.record["settings"]["tracks"].endswith("tracks.csv")
    spots = pd.read_csv(given_run / "given_spots.csv")
    assert (spots["detection_id"] >= 0).all()
    page = (given_run / "report.html").read_text()
    assert "Tracks were taken from tracks.csv" in page
    assert "tracked with btrack" not in page


def test_a_run_is_not_done_again_unless_its_tracks_change(drawn, given_run):
    before = lineage.load(given_run).record["stages"]
    assert run_it(drawn).exit_code == 0
    assert lineage.load(given_run).record["stages"] == before
    data = pd.read_csv(drawn / "tracks.csv")
    data[data["track_id"] != 7].to_csv(drawn / "tracks.csv", index=False)
    result = run_it(drawn)
    assert result.exit_code == 0, result.output
    found = lineage.load(given_run)
    assert len(found.cells) == 9
    assert found.record["stages"]["segment"] == before["segment"]
    assert "16 in none of the tracks that were given" in result.output
    without = start(drawn / "drawn.tif", "--labels", drawn / "masks.tif", "--out", given_run)
    assert without.exit_code == 0, without.output
    assert len(lineage.load(given_run).cells) == 10
    assert not (given_run / "given_spots.csv").exists()
    data.to_csv(drawn / "tracks.csv", index=False)
    assert run_it(drawn).exit_code == 0


def test_corrections_of_tracks_are_not_applied_to_given_ones_and_it_is_said(drawn, given_run, tmp_path):
    out = tmp_path / "given.lineage"
    shutil.copytree(given_run, out)
    line = make({"what": "no_division", "mother": {"frame": 7, "y_px": 82.1, "x_px": 80.0}}, who="R")
    journal.append(out / journal.NAME, line)
    files = "--tracks", drawn / "tracks.csv", "--labels", drawn / "masks.tif"
    result = start(drawn / "drawn.tif", *files, "--out", out)
    assert result.exit_code == 0, result.output
    assert "correct them where they were made" in result.output.replace("\n", " ")
    assert lineage.load(out).record["corrections"]["not_applied"] == {line.id: NOT_OURS}


def test_dose_reads_a_run_with_given_tracks(given_run):
    from pipelines.dose.movies import read

    found = read(given_run, {"dose_gy": 2, "irradiated_min_before_start": 0})
    assert len(found.tracklets) == 10


def test_masks_alone_and_tracks_are_a_run(drawn, tmp_path):
    out = tmp_path / "masks.lineage"
    files = "--labels", drawn / "masks.tif", "--tracks", drawn / "tracks.csv"
    result = start(*files, "--pixel-size-um", 1, "--minutes-per-frame", 10, "--out", out)
    assert result.exit_code == 0, result.output
    found = lineage.load(out)
    assert len(found.cells) == 11
    assert found.events["verdict"].tolist() == ["undecided"]
    loaded = lineage.load(
        drawn / "tracks.csv", masks=drawn / "masks.tif", pixel_size_um=1, minutes_per_frame=10
    )
    assert nx.utils.graphs_equal(nx.DiGraph(loaded.tree.edges), nx.DiGraph(found.tree.edges))
    columns = ["frame", "mother_id", "daughter_ids", "verdict", "evidence_mass_ratio"]
    pd.testing.assert_frame_equal(loaded.events[columns], found.events[columns])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("far.csv", "track_id,t,y,x\n1,0,2000,3\n", "outside the image"),
        ("late.csv", "track_id,t,y,x\n1,99,20,30\n", "the movie has 16, 0 to 15"),
        ("none.csv", None, "is not there"),
    ],
)
def test_bad_tracks_are_refused_before_anything_is_written(drawn, tmp_path, name, text, words):
    if text:
        (tmp_path / name).write_text(text)
    out = tmp_path / "out.lineage"
    result = start(
        drawn / "drawn.tif", "--labels", drawn / "masks.tif", "--tracks", tmp_path / name, "--out", out
    )
    assert result.exit_code == 2
    assert words in result.stderr.replace("\n", " ")
    assert not out.exists()


def test_a_run_needs_no_units_or_movie_beside_it(given_run):
    with pytest.raises(InputError, match="has its own movie"):
        lineage.load(given_run, movie="a.tif")
