"""Nothing is lost without a word: what was found is what is kept and what is left out, and pages say it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import worlds
from dose_plates import write_plate
from drawn_run import DIVIDES_AT, FRAMES, PLACES, SIDE, _mask
from pages import Page, quality
from test_tree import event_table
from typer.testing import CliRunner

import lineage
from lineage.config import Config
from lineage.corrections import journal
from lineage.corrections.lines import make
from lineage.io.files import read_table
from lineage.mitosis.discarded import ADDED, FOUND, KEPT, account, adds_up, rows
from lineage.progress import Screen
from lineage.run import run
from lineage.schema import LeftOut

if TYPE_CHECKING:
    from pathlib import Path

BLANK, SPECKS = 3, (10, 11, 12)  # frames
EXPLAINED = {"frames", "nuclei", "events", "classified", "crops"}


def counts_of(root: Path) -> dict[str, dict[str, int]]:
    """The account in run.json, which has to add up and to be what the tables hold."""
    found = json.loads((root / "run.json").read_text(encoding="utf-8"))["discarded"]
    counted = {kind: found[kind] for kind in EXPLAINED}
    for kind, counts in counted.items():
        assert adds_up(counts), (kind, counts)
        assert all(n >= 0 for why, n in counts.items() if why != ADDED)
    detections, events = pd.read_csv(root / "detections.csv"), pd.read_csv(root / "events.csv")
    assert counted["nuclei"][KEPT] == (detections["tracklet_id"] > 0).sum()
    assert len(detections) == counted["nuclei"][KEPT] + counted["nuclei"]["debris"]
    assert counted["events"][KEPT] == (events["verdict"] != "not_a_mitosis").sum()
    in_no_table = sum(counted["events"][why] for why in LeftOut)
    assert counted["events"][FOUND] + counted["events"][ADDED] == len(events) + in_no_table
    frames = pd.read_csv(root / "stages" / "quality.csv")
    assert counted["frames"][KEPT] == frames["usable"].sum()
    assert counted["classified"][KEPT] == len(pd.read_csv(root / "stages" / "predictions.csv"))
    assert counted["crops"][FOUND] == len(list((root / "crops").glob("*.tif")))
    return counted


def shown(root: Path) -> str:
    return Page((root / "report.html").read_text(encoding="utf-8")).text


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a blank frame, and specks that are too small to be nuclei."""
    folder = tmp_path_factory.mktemp("drawn")
    masks = np.stack([_mask(t) for t in range(FRAMES)]).astype(np.uint16)
    for t in SPECKS:
        masks[t, 3:5, 3:5] = 50
    rng = np.random.default_rng(5)
    dna = np.where(masks > 0, 900, 100) + rng.normal(0, 20, masks.shape)
    dna[DIVIDES_AT - 2 : DIVIDES_AT][masks[DIVIDES_AT - 2 : DIVIDES_AT] == 5] += 1500
    dna[BLANK] = 100
    pixels = np.stack([rng.normal(500, 20, masks.shape), dna], axis=1).astype(np.uint16)
    tifffile.imwrite(
        folder / "drawn.tif", pixels, imagej=True, resolution=(1, 1),
        metadata={"axes": "TCYX", "unit": "um", "finterval": 600, "Labels": ["phase", "SiR-DNA"] * FRAMES},
    )  # fmt: skip
    tifffile.imwrite(folder / "masks.tif", masks)
    again(folder / "drawn.lineage")
    return folder / "drawn.lineage"


def again(root: Path) -> None:
    folder = root.parent
    run(folder / "drawn.tif", root, Config(labels=folder / "masks.tif"), screen=Screen(quiet=True))


def test_a_drawn_run_accounts_for_all_it_found(drawn: Path) -> None:
    counted = counts_of(drawn)
    assert counted["frames"] == {FOUND: FRAMES, KEPT: FRAMES - 1, "blank": 1}
    assert counted["nuclei"]["too_small"] == len(SPECKS)
    daughters = FRAMES - DIVIDES_AT
    assert counted["nuclei"][FOUND] == len(PLACES) * (FRAMES - 1) + daughters + len(SPECKS)
    assert counted["events"][FOUND] == 1
    assert counted["crops"]["window_padded"] == 1
    text = shown(drawn)
    assert f"frames {FRAMES} {FRAMES - 1} 1 blank" in text
    assert "3 too small" in text
    assert "1 in part before or after the movie" in text
    assert max(max(PLACES)) < SIDE


def test_what_a_person_overrules_is_counted_as_theirs(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn.parent, tmp_path / "copy")
    root = tmp_path / "copy" / drawn.name
    before = counts_of(root)
    event = read_table(root / "events.csv").iloc[0]
    nuclei = read_table(root / "detections.csv")
    mother = nuclei[nuclei["tracklet_id"] == event["mother_id"]].iloc[-1]
    at: dict[str, Any] = {"frame": int(mother["frame"]), "y_px": mother["y_px"], "x_px": mother["x_px"]}
    named = {"mother": at, "frame": int(event["frame"])}
    other = nuclei[(nuclei["frame"] == 12) & (nuclei["tracklet_id"] > 0)].iloc[0]
    seen = {"frame": 12, "y_px": float(other["y_px"]), "x_px": float(other["x_px"])}
    journal.append(
        root / "corrections.jsonl",
        make({"what": "verdict", "event": named, "verdict": "not_a_mitosis"}, who="anna"),
        make({"what": "mitosis", "nucleus": seen}, who="anna"),
    )
    again(root)
    counted = counts_of(root)
    assert before["events"]["rejected_by_person"] == before["events"][ADDED] == 0
    assert counted["events"] | {"rejected": 0} == {
        FOUND: 1, ADDED: 1, KEPT: 1, "rejected": 0, "rejected_by_person": 1, **dict.fromkeys(LeftOut, 0),
    }  # fmt: skip
    assert "1 +1 by a person" in shown(root)
    assert "1 no mitosis, says a person" in shown(root)


def test_a_part_of_the_example_accounts_for_all_it_found(finished: Path) -> None:
    counted = counts_of(finished)
    assert counted["frames"][FOUND] == 30
    assert counted["nuclei"]["debris"] > 0
    assert counted["events"][FOUND] >= 7
    text = shown(finished)
    for row in rows(counted):
        assert f"{row.what} {row.found} {row.kept} {row.words or 'none'}" in text


def test_every_reason_is_counted_once() -> None:
    lineage, events, predictions = worlds.every_verdict()
    first, second, third, fourth, fifth = [e.event_id for e in events][:5]
    flags = {first: "square_padded window_padded", second: "frame_replaced", third: "interval_too_long"}
    flags[fourth] = "no_phase"
    sides = {e.event_id: 80.0 for e in events if e.event_id != fifth}
    table = event_table(lineage, events, predictions, side_um=sides, flags=flags)
    detections = pd.DataFrame({"tracklet_id": [1, 1, 2, -1]})
    in_no_table = {"divided_too_soon": 1, "separated_again": 2, "attempted_again": 3, "still_in_mitosis": 4}
    counted = account(
        {"measured": 5, "too_small": 1, **in_no_table},
        quality=quality([3, 4]).table,
        detections=detections,
        events=table,
    )
    assert all(map(adds_up, counted.values()))
    assert counted["frames"]["blank"] == 2
    assert counted["events"]["rejected"] == 8  # every kind of event under `none`
    assert counted["events"][FOUND] == len(table) + 10
    assert {why: counted["events"][why] for why in LeftOut} == in_no_table
    assert counted["classified"] == {
        FOUND: len(events), KEPT: len(events) - 2, "interval_too_long": 1, "no_intensities": 1,
    }  # fmt: skip
    assert counted["crops"]["square_padded"] == counted["crops"]["frame_replaced"] == 1
    assert counted["crops"]["window_padded"] == 0
    assert not adds_up(counted["nuclei"] | {"debris": 7})
    assert rows({"measured": 5, "too_small": 1}) == []  # of an earlier version


def test_an_earlier_run_that_did_not_count_them_does_not_say_that_there_were_none() -> None:
    lineage, events, predictions = worlds.every_verdict()
    table = event_table(lineage, events, predictions, side_um={}, flags={})
    counted = account(
        {"measured": 1, "too_small": 0},
        quality=quality([]).table,
        detections=pd.DataFrame({"tracklet_id": [1]}),
        events=table,
    )
    assert adds_up(counted["events"])
    assert not set(LeftOut) & set(counted["events"])


def _again_and_again(t: int) -> np.ndarray:
    """Five cells that rest, and three of whom each has one mitosis that seems two.

    6 is condensed in frames 6 to 10, and in 18 and 19; of 7, which divides in 8, a daughter divides in 16; 10
    divides in 8, is one cell again from 12 on, and parts in 18.
    """
    mask = np.zeros((SIDE, SIDE), int)

    def draw(label: int, y: float, x: float, a: float, b: float | None = None) -> None:
        rows, columns = np.indices(mask.shape)
        mask[((rows - y - 0.3 * t) / a) ** 2 + ((columns - x) / (b or a)) ** 2 <= 1] = label

    for label, (y, x) in enumerate([(30, 30), (30, 130), (130, 30), (130, 80), (130, 130)], 1):
        draw(label, y, x, 8)
    draw(6, 30, 80, *((5, 4) if 6 <= t < 11 or t in (18, 19) else (8, 8)))
    if t < DIVIDES_AT:
        draw(7, 80, 40, 9 if t < 6 else 6)
    else:
        apart = 8 + 0.5 * (min(t, 14) - DIVIDES_AT)
        draw(7, 80, 40 - apart, 6)
        draw(8, 80 if t < 16 else 74, 40 + apart, 6 if t < 14 else 5 if t < 16 else 4.5)
        if t >= 16:
            draw(9, 86, 40 + apart, 4.5)
    if t < DIVIDES_AT or 12 <= t < 18:
        draw(10, 80, 120, 6 if t in (6, 7, 16, 17) else 9)
    else:
        apart = 8 + 0.5 * (t - (DIVIDES_AT if t < 12 else 18))
        draw(10, 80, 120 - apart, 6)
        draw(11, 80, 120 + apart, 6)
    return mask


def test_what_seems_one_mitosis_more_is_counted_and_said_also_by_a_run_that_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks, root = tmp_path / "masks.tif", tmp_path / "masks.lineage"
    tifffile.imwrite(masks, np.stack([_again_and_again(t) for t in range(36)]).astype(np.uint16))
    settings: dict[str, Any] = {
        "labels": masks,
        "video": {"pixel_size_um": 1.0, "minutes_per_frame": 10.0},
        "events": {"min_log_odds_unclassified": -4.0},
    }
    run(masks, root, Config(**settings), screen=Screen())
    counts = counts_of(root)["events"]
    assert (counts["divided_too_soon"], counts["separated_again"]) == (1, 1)
    assert counts["attempted_again"] > 0
    words = f"1 divided too soon, 1 separated again, {counts['attempted_again']} attempted again"
    line = f"events: {counts[KEPT]} of {counts[FOUND]}; left out: {words}"
    assert line in capsys.readouterr().out.splitlines()
    assert f"events {counts[FOUND]} {counts[KEPT]} {words}" in shown(root)
    told = lineage.track(lineage.from_masks(masks, **settings["video"], quiet=True), quiet=True).notes
    assert any(note.startswith("events left out: 1 divided too soon, 1 separated again") for note in told)
    (root / "report.html").unlink()
    run(masks, root, Config(**settings | {"dose_gy": 2.0}), screen=Screen())
    said = capsys.readouterr().out.splitlines()
    assert not any(text.startswith(("track ", "events ")) for text in said)  # no stage of them is run again
    assert line in said
    assert counts_of(root)["events"] == counts
    assert f"events {counts[FOUND]} {counts[KEPT]} {words}" in shown(root)
    run(masks, root, Config(**settings | {"track": {"min_life_min": 0.0}}), screen=Screen(quiet=True))
    assert counts_of(root)["events"]["divided_too_soon"] == 0


def test_an_analysis_accounts_for_movies_wells_and_cells(tmp_path: Path) -> None:
    from pipelines.dose.__main__ import app

    runs = tmp_path / "runs"
    plate = write_plate(runs, doses=(0, 4), wells=2, founders=4, frames=60)
    gone = plate.iloc[[0]].assign(movie="/movies/gone.tif", run_folder="gone.lineage", well="H9")
    pd.concat([plate.iloc[:-1], gone]).to_csv(runs / "plate.csv", index=False)
    record = json.loads((runs / "A2_p1.lineage" / "run.json").read_text())
    (runs / "A2_p1.lineage" / "run.json").write_text(json.dumps(record | {"stages": {}}))
    in_no_table = {"divided_too_soon": 2, "separated_again": 0, "attempted_again": 3}
    record = json.loads((runs / "A1_p1.lineage" / "run.json").read_text())  # A3 is of an earlier version
    record |= {"discarded": {"events": in_no_table}}
    (runs / "A1_p1.lineage" / "run.json").write_text(json.dumps(record))
    result = CliRunner().invoke(app, [str(runs), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    counted = json.loads((tmp_path / "out" / "analysis.json").read_text())["discarded"]
    for kind, counts in counted.items():
        assert adds_up(counts), (kind, counts)
    assert counted["movies"] == {FOUND: 4, KEPT: 2, "no_run": 1, "not_finished": 1}
    assert counted["runs"] == {FOUND: 4, KEPT: 2, "not_finished": 1, "not_in_map": 1}
    assert counted["wells"] == {FOUND: 4, KEPT: 2, "no_movie_left": 2}
    assert counted["cells"][FOUND] == len(pd.read_csv(tmp_path / "out" / "fates.csv"))
    mitoses = sum(
        len(pd.read_csv(runs / f"{w}_p1.lineage" / "events.csv").query("event_type == 'mitosis'"))
        for w in ("A1", "A3")
    )
    assert counted["mitoses"][FOUND] == mitoses + 5 > 5
    assert {why: counted["mitoses"][why] for why in in_no_table} == in_no_table
    text = Page((tmp_path / "out" / "dose_report.html").read_text(encoding="utf-8")).text
    assert "movies of the plate map 4 2 1 not run, 1 run not finished" in text
    assert "2 divided too soon, 3 attempted again" in text
