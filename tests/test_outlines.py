"""Outlines that a person merges, splits, draws and deletes, and the nuclei that are measured in them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import movies
import numpy as np
import pandas as pd
import pytest
import tifffile

from lineage.config import Config
from lineage.corrections import journal
from lineage.corrections.lines import make
from lineage.io import labels as label_store
from lineage.io.files import read_table
from lineage.io.run_folder import RunFolder
from lineage.mitosis import discarded
from lineage.nuclei import segment as segmentation
from lineage.nuclei.outlines import MIN_PIXELS, EditedLabels, by_frame, candidate, edited, touched
from lineage.nuclei.segment import StarDistFinder
from lineage.progress import Screen
from lineage.run import run
from lineage.schema import Geometry
from lineage.stages.movie import open_movie, start
from lineage.stages.nuclei import assess, light, segment
from lineage.stages.outlines import Outlined, outlines
from lineage.stardist.model import load

if TYPE_CHECKING:
    from pathlib import Path

    from lineage.corrections.lines import Line
    from lineage.stages.job import Job

SHAPE = (60, 80)


def said(what: str, **more: Any) -> Line:
    return make({"what": what, **more}, who="anna")


def at(y: float, x: float, frame: int = 0) -> dict[str, float]:
    return {"frame": frame, "y_px": y, "x_px": x}


def merge(*places: tuple[float, float], frame: int = 0) -> Line:
    return said("merge_outlines", nuclei=[at(*p, frame) for p in places])


def split(place: tuple[float, float], *line: tuple[float, float], frame: int = 0) -> Line:
    return said("split_outline", nucleus=at(*place, frame), line=line)


def draw(*polygon: tuple[float, float], frame: int = 0) -> Line:
    return said("draw_outline", frame=frame, polygon=polygon)


def square(y: float, x: float, side: float, frame: int = 0) -> Line:
    return draw((y, x), (y, x + side), (y + side, x + side), (y + side, x), frame=frame)


def delete(*places: tuple[float, ...]) -> Line:
    return said("false_nuclei", nuclei=[at(*p) for p in places])


def picture(*bars: tuple[int, int, int, int]) -> np.ndarray:
    """(Y, X) uint32: rectangles y0, y1, x0, x1, labelled from 1."""
    found = np.zeros(SHAPE, np.uint32)
    for k, (y0, y1, x0, x1) in enumerate(bars, start=1):
        found[y0:y1, x0:x1] = k
    return found


def areas(labels: np.ndarray) -> dict[int, int]:
    names, counts = np.unique(labels[labels > 0], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def corrected(labels: np.ndarray, *lines: Line) -> np.ndarray:
    before = labels.copy()
    after, not_applied = edited(labels, by_frame(lines).get(0, []))
    assert not_applied == {}
    assert np.array_equal(labels, before)  # what was given is left alone
    assert after.dtype == labels.dtype
    return after


def refused(labels: np.ndarray, line: Line) -> str:
    after, not_applied = edited(labels, by_frame([line])[0])
    assert np.array_equal(after, labels)
    assert list(not_applied) == [line.id]
    return not_applied[line.id]


# One frame


def test_pieces_are_merged_with_what_lies_between_them():
    labels = picture((10, 20, 10, 18), (10, 20, 21, 30), (40, 50, 10, 30))
    after = corrected(labels, merge((15, 25), (15, 12)))
    assert areas(after) == {1: 10 * 20, 3: 200}
    assert (after[10:20, 10:30] == 1).all()


def test_a_merge_takes_nothing_from_other_nuclei():
    labels = picture((10, 20, 10, 18), (10, 20, 22, 30), (18, 28, 19, 21))
    after = corrected(labels, merge((15, 12), (15, 25)))
    assert np.array_equal(after == 3, labels == 3)
    assert areas(after)[1] == 200 - 4


def test_three_pieces_in_a_row_are_merged_though_the_outer_ones_are_far_apart():
    labels = picture((10, 20, 10, 18), (10, 20, 20, 28), (10, 20, 30, 38))
    assert areas(corrected(labels, merge((15, 12), (15, 32), (15, 22)))) == {1: 280}


def test_nuclei_that_are_far_apart_are_not_merged():
    labels = picture((10, 20, 10, 18), (10, 20, 40, 50))
    assert "further apart than 6 pixels" in refused(labels, merge((15, 12), (15, 45)))


def test_one_outline_is_not_merged_with_itself():
    assert "nothing to merge" in refused(picture((10, 20, 10, 30)), merge((15, 12), (15, 25)))


def test_an_outline_is_split_along_the_line_and_the_larger_part_keeps_its_label():
    labels = picture((10, 20, 10, 40), (40, 50, 10, 40))
    after = corrected(labels, split((15, 20), (5, 20), (25, 20)))
    assert set(areas(after)) == {1, 2, 3}
    assert (after[10:20, 21:40] == 1).all()
    assert (after[10:20, 10:20] == 3).all()
    assert areas(after)[1] + areas(after)[3] == 300  # no pixel is lost along the line
    assert np.array_equal(after == 2, labels == 2)


@pytest.mark.parametrize("angle", range(0, 180, 7))
def test_a_line_that_ends_within_the_outline_is_prolonged_to_its_edge(angle):
    labels = movies.disc(SHAPE, 30, 40, 15).astype(np.uint32)
    dy, dx = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    line = [(30 - 5 * dy, 40 - 5 * dx), (30 + 3 * dy, 40 + 3 * dx)]
    found = areas(corrected(labels, split((30, 40), *line)))
    assert sum(found.values()) == labels.sum()
    assert min(found.values()) > 0.4 * labels.sum()


def test_a_bent_line_splits_along_its_bend():
    labels = picture((10, 40, 10, 40))
    after = corrected(labels, split((20, 20), (5, 30), (20, 30), (20, 45)))
    assert areas(after)[2] == pytest.approx(100, abs=20)
    assert (after[10:19, 32:40] == 2).all()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ([(5, 60), (25, 60)], "does not cut through"),
        ([(10, 50), (10, 60)], "does not cut through"),
        ([(15, 25), (15, 25)], "does not cut through"),
        ([(5, 10), (25, 10)], "does not cut through"),  # along the edge
        ([(5, 15), (25, 15), (25, 30), (5, 30)], "into 3 parts"),
        ([(9, 35), (15, 41)], f"fewer than {MIN_PIXELS} pixels"),  # off the corner
        ([(1e6, 60), (-1e5, 60)], "does not cut through"),
    ],
)
def test_a_line_that_makes_no_two_nuclei_is_refused(line, words):
    labels = picture((10, 20, 10, 40), (30, 40, 10, 40))
    assert words in refused(labels, split((15, 13), *line))


def test_a_polygon_is_filled_where_nothing_is():
    labels = picture((10, 20, 10, 20))
    after = corrected(labels, square(12, 15, 10))
    assert np.array_equal(after == 1, labels == 1)
    assert areas(after)[2] == 11 * 11 - 8 * 5


def test_of_a_polygon_that_others_cut_into_pieces_the_largest_is_taken():
    labels = picture((0, 60, 20, 30))
    after = corrected(labels, square(10, 15, 35))
    assert (after[:, :20] == 0).all()
    assert (after[10:46, 30:51] == 2).all()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (square(100, 100, 20), "outside of the image"),
        (square(-50, -50, 20), "outside of the image"),
        (draw((5.2, 5.2), (5.3, 5.2), (5.3, 5.3)), "no pixel"),
        (square(40, 40, 2), f"fewer than {MIN_PIXELS} pixels"),
        (square(12, 12, 5), "in no other outline"),
    ],
)
def test_what_is_drawn_where_it_cannot_be_is_refused(line, words):
    assert words in refused(picture((10, 20, 10, 20)), line)


def test_a_polygon_may_reach_out_of_the_image():
    assert areas(corrected(picture(), draw((-1e5, -1e5), (-1e5, 9), (9, 9), (9, -1e5)))) == {1: 100}


def test_false_nuclei_are_deleted_in_the_frames_that_are_named():
    labels = picture((10, 20, 10, 20), (10, 20, 30, 40))
    line = delete((15, 15, 0), (15, 15, 1), (15, 35, 3))
    lines = by_frame([line])
    assert list(lines) == [0, 1, 3]
    assert [areas(edited(labels, some)[0]) for some in lines.values()] == [{2: 100}, {2: 100}, {1: 100}]


def test_those_that_are_there_are_deleted_and_those_that_are_not_are_said():
    labels = picture((10, 20, 10, 20), (10, 20, 30, 40))
    line = delete((50, 50), (15, 15), (40, 60))
    after, not_applied = edited(labels, by_frame([line])[0])
    assert areas(after) == {2: 100}
    assert not_applied == {line.id: "there is no outline at y 50, x 50 in frame 0 (and 1 more)"}


def test_a_nucleus_is_found_by_its_centre_though_that_lies_beside_it():
    crescent = movies.disc(SHAPE, 30, 40, 15) & ~movies.disc(SHAPE, 30, 45, 13)
    labels = crescent.astype(np.uint32)
    y, x = (float(v.mean()) for v in np.nonzero(crescent))
    assert not crescent[round(y), round(x)]
    assert areas(corrected(labels, delete((y, x)))) == {}
    assert "no outline" in refused(labels, delete((30, 55)))


def test_a_nucleus_is_known_by_its_centre_though_another_one_lies_there():
    crescent = movies.disc(SHAPE, 30, 40, 15) & ~movies.disc(SHAPE, 30, 45, 13)
    other = movies.disc(SHAPE, 30, 43, 10) & ~crescent
    labels = crescent + 2 * other.astype(np.uint32)
    y, x = (float(v.mean()) for v in np.nonzero(crescent))
    assert labels[round(y), round(x)] == 2
    assert list(areas(corrected(labels, delete((y, x))))) == [2]
    assert list(areas(corrected(labels, delete((30, 43))))) == [1]
    assert list(areas(corrected(labels, delete((30, 46))))) == [1]  # near no centre: what lies there


def test_the_neighbour_of_a_nucleus_that_is_gone_is_left_alone():
    labels = picture((10, 20, 10, 13), (8, 22, 13, 30))  # a fragment beside its nucleus
    gone = corrected(labels, delete((14.5, 11)))
    assert "no outline" in refused(gone, delete((14.5, 11)))


def test_lines_are_applied_to_what_those_before_them_left():
    labels = picture((10, 20, 10, 20), (10, 20, 20, 30))
    join, cut = merge((15, 12), (15, 25)), split((15, 12), (5, 16.6), (25, 16.6))
    assert areas(corrected(labels, join, cut)) == {1: 120, 3: 80}
    assert areas(corrected(labels, cut, join)) == {1: 180, 3: 20}
    after, not_applied = edited(labels, by_frame([join, join])[0])
    assert areas(after) == {1: 200}
    assert list(not_applied) == [join.id]


def test_a_new_label_is_one_that_the_frame_never_had():
    labels = picture((10, 20, 10, 20), (10, 20, 30, 40))
    lines = [delete((15, 35)), square(40, 10, 8), delete((44, 14)), square(40, 30, 8)]
    after = corrected(labels, *lines)
    assert set(areas(after)) == {1, 4}
    assert np.array_equal(after, corrected(labels, *lines))


def test_what_a_person_touched_is_known():
    labels = picture((10, 20, 10, 30), (40, 50, 10, 20), (40, 50, 40, 50))
    after = corrected(labels, split((15, 15), (5, 18), (25, 18)), delete((45, 15)))
    assert touched(labels, after).tolist() == [1, 4]


def test_lines_of_other_kinds_and_unusable_frames_are_left_out():
    lines = [said("no_division", mother=at(1, 1)), square(1, 1, 9, frame=2), square(1, 1, 9, frame=7)]
    assert by_frame(lines) == {2: [lines[1]], 7: [lines[2]]}
    assert by_frame(lines, usable=[True, True, False, True]) == {}


def test_labels_are_corrected_as_they_are_read():
    raw = np.stack([picture((10, 20, 10, 20))] * 3)
    read = EditedLabels(raw, by_frame([delete((15, 15, 1))]))
    assert (read.shape, read.dtype) == (raw.shape, np.uint32)
    assert [areas(read[t]) for t in (0, 1, -2, np.int64(2))] == [{1: 100}, {}, {}, {1: 100}]
    with pytest.raises(IndexError):
        read[3]


# A run

N, BLANK, TALL = 8, 5, (96, 120)
PLACES = [(12 + 24 * (k // 5), 12 + 24 * (k % 5)) for k in range(20)]
DEBRIS = (50, 24)  # too small to be a nucleus


def masks_of(t: int) -> np.ndarray:
    found = np.zeros(TALL, np.uint16)
    for k, (y, x) in enumerate(PLACES, start=1):
        found[movies.disc(TALL, y + t % 2, x, 6)] = k
    found[DEBRIS[0] : DEBRIS[0] + 2, DEBRIS[1] : DEBRIS[1] + 3] = 21
    return found


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> tuple[Path, Path]:
    """DNA and two FUCCI channels, and its masks; one frame is blank. Of the nuclei half are in G1."""
    folder = tmp_path_factory.mktemp("outlines")
    rng = np.random.default_rng(0)
    masks = np.stack([masks_of(t) for t in range(N)])
    pixels = rng.normal(100, 3, (N, 3, *TALL))
    pixels[:, 0] += 400 * (masks > 0)
    pixels[:, 1] += 500 * ((masks > 0) & (masks % 2 == 0))
    pixels[:, 2] += 500 * ((masks > 0) & (masks % 2 == 1))
    pixels[BLANK] = rng.normal(100, 3, (3, *TALL))
    tifffile.imwrite(
        folder / "movie.ome.tif", pixels.astype(np.uint16), photometric="minisblack",
        metadata={
            "axes": "TCYX", "Channel": {"Name": ["DNA", "red", "green"]}, "TimeIncrement": 600,
            "PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0,
        },
    )  # fmt: skip
    tifffile.imwrite(folder / "masks.tif", masks, photometric="minisblack")
    return folder / "movie.ome.tif", folder / "masks.tif"


def stages(movie: tuple[Path, Path], out: Path, *lines: Line, **settings: Any) -> tuple[Job, Outlined]:
    config = Config.model_validate({"labels": movie[1], "segment": {"fucci": ("red", "green")}} | settings)
    video = open_movie(movie[0], config)
    folder = RunFolder.open(out, video=video.path, overwrite=False, files=video.files)
    job = start(folder, video, config, Screen(quiet=True))
    quality = assess(job)
    assert np.flatnonzero(~quality.usable).tolist() == [BLANK]
    segment(job, quality)
    light(job)
    job = replace(job, journal=journal.Journal(lines))
    return job, outlines(job, quality)


def reasons_of(job: Job) -> dict[str, str]:
    return job.folder.record.get("not_applied", {}).get("outlines", {})


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def but_for_ids(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="detection_id").reset_index(drop=True)


def cut_the_first(t: int) -> Line:
    return split((12, 12), (12, 0), (12, 30), frame=t)


def test_a_run_without_such_lines_is_as_it_was(movie, tmp_path):
    job, found = stages(movie, tmp_path / "a", said("no_division", mother=at(12, 12)))
    assert (found.nuclei, found.stages, reasons_of(job)) == (job.folder.nuclei, ("light",), {})
    assert "outlines" not in job.folder.record["stages"]
    assert not list(job.folder.stages.glob("corrected*"))
    assert areas(found.labels()[3]) == areas(masks_of(3))


def test_a_split_gives_two_nuclei_there_and_changes_nothing_elsewhere(movie, tmp_path):
    job, _ = stages(movie, tmp_path / "a")
    before, raw = read_table(job.folder.nuclei), contents(job.folder.labels)
    job, found = stages(movie, tmp_path / "a", cut_the_first(3))
    after = read_table(found.nuclei)
    assert contents(job.folder.labels) == raw
    pd.testing.assert_frame_equal(read_table(job.folder.nuclei), before)
    others = [but_for_ids(table[table["frame"] != 3]) for table in (after, before)]
    pd.testing.assert_frame_equal(*others, check_dtype=False, check_exact=True)
    assert after["detection_id"].tolist() == list(range(len(before) + 1))
    assert list(after.columns) == list(before.columns)
    here = after[after["frame"] == 3].set_index("label")
    assert here.index.tolist() == [*range(1, 21), 22]  # 21 is too small, and nobody touched it
    whole = before[before["frame"] == 3].set_index("label")
    assert here.loc[[1, 22], "area_um2"].sum() == whole.loc[1, "area_um2"]
    assert here.loc[[1, 22], "dna_mass"].sum() == pytest.approx(whole.loc[1, "dna_mass"], rel=1e-3)
    assert here.loc[[1, 22], "phase"].tolist() == ["S/G2/M"] * 2
    others = [table.drop(columns="detection_id").drop([1, 22], errors="ignore") for table in (here, whole)]
    pd.testing.assert_frame_equal(*others, check_dtype=False, check_exact=True)
    assert (here["probability"] == 1).all()


def test_the_tracked_labels_show_the_corrections(movie, tmp_path):
    job, found = stages(movie, tmp_path / "a", cut_the_first(3), delete((12, 36, 4)))
    nuclei = read_table(found.nuclei)
    cells = nuclei.assign(tracklet_id=nuclei["label"] + 1000)
    geometry = Geometry(N, TALL, 1.0, 10.0)
    label_store.write_tracked(job.folder.labels, cells, geometry, raw=found.labels())
    tracked = label_store.open_array(job.folder.labels, label_store.TRACKED)
    assert {1001, 1022} < set(areas(tracked[3]))
    assert set(areas(tracked[4])) == {1000 + k for k in range(1, 21) if k != 2}
    assert set(areas(tracked[2])) == {1000 + k for k in range(1, 21)}


def test_a_run_from_nothing_gives_what_one_gives_that_was_corrected_line_by_line(movie, tmp_path):
    lines = [
        cut_the_first(3),
        square(50, 90, 8, frame=3),
        delete((12, 36, 3), (12, 36, 4)),
        merge((36, 12), (36, 36), frame=6),  # too far apart
        cut_the_first(6),
    ]
    for n in (1, 3, 2, 4, 5):  # one is undone and done again
        job, _ = stages(movie, tmp_path / "a", *lines[:n])
    fresh_job, _ = stages(movie, tmp_path / "b", *lines)
    assert contents(job.folder.stages) == contents(fresh_job.folder.stages)
    assert reasons_of(job) == reasons_of(fresh_job)
    assert list(reasons_of(fresh_job)) == [lines[3].id]
    for name in ("discarded", "notes"):
        assert job.folder.record[name] == fresh_job.folder.record[name]


def test_when_all_is_undone_the_run_is_as_before(movie, tmp_path):
    job, _ = stages(movie, tmp_path / "a")
    files, record = contents(job.folder.stages), job.folder.record
    job, _ = stages(movie, tmp_path / "a", cut_the_first(3))
    assert contents(job.folder.stages) != files
    job, found = stages(movie, tmp_path / "a")
    assert contents(job.folder.stages) == files
    assert json.loads(json.dumps(job.folder.record)) == json.loads(json.dumps(record))
    assert found.nuclei == job.folder.nuclei


def test_only_frames_whose_lines_changed_are_read_again(movie, tmp_path, monkeypatch):
    measured: list[int] = []
    original = segmentation._measure_frame

    def counted(t, *task):
        measured.append(t)
        return original(t, *task)

    monkeypatch.setattr(segmentation, "_measure_frame", counted)
    first, second, taken_away = cut_the_first(3), cut_the_first(6), delete((60, 60, 4), (60, 60, 3))
    stages(movie, tmp_path / "a", first)
    stages(movie, tmp_path / "a", first)
    stages(movie, tmp_path / "a", first, second)
    assert measured == [3, 6]
    stages(movie, tmp_path / "b", taken_away)
    assert measured == [3, 6]  # what is only taken away needs no pixels
    job, found = stages(movie, tmp_path / "a", first, second, segment={"fucci": None, "measure": []})
    assert measured == [3, 6, 3, 6]  # the nuclei are others now
    assert "red_mean" not in read_table(found.nuclei)
    found.nuclei.write_bytes(b"damaged")
    stages(movie, tmp_path / "a", first, second, segment={"fucci": None, "measure": []})
    assert measured == [3, 6] * 3
    assert "red_mean" not in read_table(job.folder.stages / "corrected_nuclei.npz")


def test_what_a_person_outlines_is_never_too_small(movie, tmp_path):
    small = square(47, 71, 3, frame=3)
    touching = draw((48, 20), (48, 30), (55, 30), (55, 20), frame=4)
    merged = merge((50.5, 25), (52, 21), frame=4)
    job, found = stages(movie, tmp_path / "a", small, touching, merged)
    assert not reasons_of(job)
    assert found.by_person == {3: [22], 4: [21]}
    nuclei = read_table(found.nuclei)
    assert nuclei.loc[nuclei["frame"] == 3, "area_um2"].min() == 16
    assert 21 in set(nuclei.loc[nuclei["frame"] == 4, "label"])
    assert 21 not in set(nuclei.loc[nuclei["frame"] != 4, "label"])


def test_lines_that_cannot_be_applied_say_why(movie, tmp_path):
    blank, late = square(1, 1, 9, frame=BLANK), square(1, 1, 9, frame=N)
    gone = delete((60, 70, 3), (60, 70, 4), (12, 12, 6))
    job, found = stages(movie, tmp_path / "a", blank, late, gone)
    assert reasons_of(job) == {
        blank.id: f"frame {BLANK} is not used (blank), so it has no outlines",
        late.id: f"there is no frame {N}: the movie has {N}, counted from 0",
        gone.id: "there is no outline at y 60, x 70 in frame 3 (and 1 more)",
    }
    assert areas(found.labels()[BLANK]) == {}
    assert 1 not in areas(found.labels()[6])
    job, found = stages(movie, tmp_path / "b", blank)
    assert (found.stages, list(reasons_of(job))) == (("light",), [blank.id])


def test_the_record_counts_what_was_added_and_removed(movie, tmp_path):
    job, found = stages(
        movie, tmp_path / "a", cut_the_first(3), square(44, 68, 8, frame=4), delete((36, 12, 4), (36, 36, 4))
    )
    record = job.folder.record
    assert record["notes"]["outlines"] == ["outlines corrected in 2 frames: 2 nuclei added, 2 removed"]
    job, found = stages(movie, tmp_path / "a", cut_the_first(3))
    counts = job.folder.record["discarded"] | {"debris": 0}
    in_cells = len(read_table(found.nuclei))
    assert f"{in_cells} are in cells" in discarded.in_words(counts)


def test_masks_alone_are_corrected_too(movie, tmp_path):
    config = Config.model_validate(
        {"labels": movie[1], "video": {"pixel_size_um": 1.0, "minutes_per_frame": 10.0}}
    )
    video = open_movie(movie[1], config)
    folder = RunFolder.open(tmp_path / "a", video=video.path, overwrite=False, files=video.files)
    job = start(folder, video, config, Screen(quiet=True))
    quality = assess(job)
    segment(job, quality)
    light(job)
    job = replace(job, journal=journal.Journal((cut_the_first(3),)))
    nuclei = read_table(outlines(job, quality).nuclei)
    assert np.array_equal(nuclei["dna_mass"], nuclei["area_um2"])
    assert nuclei["look_interphase"].isna().all()
    assert (nuclei["frame"] == 3).sum() == (nuclei["frame"] == 4).sum() + 1


# The network's own candidate


def test_a_nucleus_that_the_network_missed_is_offered_at_a_click():
    field = np.random.default_rng(0).normal(100, 6, (300, 300))
    for y, x in [(60, 60), (60, 240), (240, 60), (240, 240)]:
        field += 300 * movies.disc(field.shape, y, x, 9)
    missed = movies.disc(field.shape, 150, 170, 9)
    for level in (8, 7, 6, 5.5, 5, 4.5):  # ever darker, until the network does not find it
        image = (field + level * missed).astype(np.uint16)
        if not StarDistFinder("sir-dna", 1.0)(0, image)[0][missed].any():
            break
    polygon, probability = candidate("sir-dna", image, zoom=1.0, y_px=151, x_px=172)
    assert polygon is not None
    assert 0 < probability < load("sir-dna").prob_threshold
    after = corrected(np.zeros(image.shape, np.uint32), draw(*map(tuple, polygon)))
    assert np.count_nonzero(missed & (after > 0)) / np.count_nonzero(missed | (after > 0)) > 0.5
    assert candidate("sir-dna", image, zoom=1.0, y_px=20, x_px=150) == (None, 0.0)
    assert candidate("sir-dna", image, zoom=1.0, y_px=-1, x_px=150) == (None, 0.0)


def test_the_candidate_at_a_nucleus_is_its_outline_also_where_frames_are_resized():
    image = np.random.default_rng(0).normal(100, 6, (512, 512))
    nucleus = movies.disc(image.shape, 380, 400, 24)
    image = (image + 300 * nucleus + 300 * movies.disc(image.shape, 100, 100, 24)).astype(np.uint16)
    polygon, probability = candidate("sir-dna", image, zoom=0.5, y_px=390, x_px=395)
    assert probability > 0.5
    after = corrected(np.zeros(image.shape, np.uint32), draw(*map(tuple, polygon)))
    assert np.count_nonzero(nucleus & (after > 0)) / np.count_nonzero(nucleus | (after > 0)) > 0.8


# The whole run


def test_a_run_with_corrected_outlines_is_the_same_redone_and_from_nothing(movie, tmp_path):
    def tables(out: Path, **settings: Any) -> dict[str, bytes]:
        config = Config.model_validate({"labels": movie[1]} | settings)
        run(movie[0], out, config, screen=Screen(quiet=True))
        names = (
            "detections.csv",
            "tracklets.csv",
            "events.csv",
            "lineages.csv",
            "stages/corrected_nuclei.npz",
        )
        return {name: (out / name).read_bytes() for name in names if (out / name).exists()}

    plain = tables(tmp_path / "a")
    lines = [cut_the_first(3), delete((12, 36, 3), (12, 36, 4)), square(44, 68, 8, frame=6)]
    for line in lines:
        journal.append(tmp_path / "a" / journal.NAME, line)
        redone = tables(tmp_path / "a")
    assert redone["detections.csv"] != plain["detections.csv"]
    detections = pd.read_csv(tmp_path / "a" / "detections.csv")
    assert detections.groupby("frame").size().to_dict() == {0: 20, 1: 20, 2: 20, 3: 20, 4: 19, 6: 21, 7: 20}
    tracked = label_store.open_array(tmp_path / "a" / "labels.zarr", label_store.TRACKED)
    here = detections[(detections["frame"] == 3) & (detections["label"] == 1)].iloc[0]
    assert tracked[3][round(here["y_px"]), round(here["x_px"])] == max(here["tracklet_id"], 0)
    assert (tracked[4][movies.disc(TALL, 12, 36, 5)] == 0).all()

    tables(tmp_path / "b", segment={"min_area": 0.1})  # segmented anew, with the corrections there
    journal.append(tmp_path / "b" / journal.NAME, *lines)
    assert tables(tmp_path / "b") == redone
