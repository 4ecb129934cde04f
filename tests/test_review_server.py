"""The server of the review: what it answers, what it keeps, and what it refuses."""

import http.client
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from imagecodecs import png_decode
from starlette.testclient import TestClient
from typer.testing import CliRunner

from lineage.corrections import journal
from lineage.corrections.lines import make
from lineage.review.__main__ import app as command
from lineage.review.security import MAX_BODY, TOKEN
from lineage.review.server import app_of

SECRET, PORT = "an-open-secret", 8765
HERE = f"http://127.0.0.1:{PORT}"
CUT = {
    "what": "cut",
    "before": {"frame": 3, "y_px": 31, "x_px": 30},
    "after": {"frame": 4, "y_px": 31, "x_px": 30},
}
CORRECTIONS = "/api/movies/0/corrections"


@pytest.fixture
def run(drawn, tmp_path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / drawn.name))


def client_of(place: Path, **options) -> TestClient:
    app = app_of(place, token=SECRET, port=PORT, **options)
    return TestClient(app, HERE, raise_server_exceptions=False, headers={TOKEN: SECRET})


@pytest.fixture
def client(run):
    with client_of(run, who="anna") as asked:
        yield asked


def refused(answer, status: int, words: str = "") -> None:
    """Refused with that status, in one line, and without a word of what lies in the folder."""
    assert answer.status_code == status, answer.text
    (key,) = answer.json()
    line = answer.json()["error"]
    assert key == "error"
    assert words in line
    assert line
    assert "\n" not in line
    assert len(line) < 600


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- What is answered


def test_the_movie_and_its_frames(client):
    assert client.get("/api/session").json() | {"version": ""} == {
        "mode": "run", "read_only": False, "who": "anna", "version": "",
    }  # fmt: skip
    (listed,) = client.get("/api/movies").json()
    assert listed == {
        "m": 0, "name": "drawn", "dose_gy": None, "n_frames": 16, "n_cells": 10, "n_mitoses": 1,
        "n_corrections": 0, "n_todo": 1, "n_done": 0, "error": None,
    }  # fmt: skip
    about = client.get("/api/movies/0").json()
    assert about["has_pixels"]
    assert about["shape"] == [160, 160]
    assert [c["role"] for c in about["channels"]] == ["phase", "nucleus"]
    assert about["usable"] == [True] * 16
    assert about["diameter_px"] == pytest.approx(16, abs=1)
    low, high = about["levels"]["1"]
    assert 0 < low < 900 < high

    png = client.get("/api/movies/0/frames/3/1.png", params={"low": 100, "high": 1000})
    assert png.headers["content-type"] == "image/png"
    assert png.headers["x-scale"] == "1"
    seen = png_decode(png.content)
    assert seen.shape == (160, 160)
    assert seen.dtype == np.uint8
    assert seen[31, 30] > 200 > 60 > seen[5, 5]


def test_a_frame_has_the_grey_levels_of_the_movie(client, drawn):
    raw = tifffile.imread(drawn.parent / "drawn.tif")[7, 1].astype(float)
    seen = png_decode(client.get("/api/movies/0/frames/7/1.png?low=50&high=2600").content)
    assert np.abs(seen - np.clip((raw - 50) / 2550, 0, 1) * 255).max() <= 1


def test_outlines_lie_around_their_nuclei_and_have_their_cells(client, run):
    found = client.get("/api/movies/0/outlines/9").json()
    table = pd.read_csv(run / "detections.csv").query("frame == 9").set_index("label")
    assert sorted(found["labels"]) == sorted(table.index)
    for label, cell, flat in zip(*(found[k] for k in ("labels", "cells", "polygons")), strict=True):
        corners = np.array(flat).reshape(-1, 2)
        assert cell == table.loc[label, "tracklet_id"]
        assert corners.mean(axis=0) == pytest.approx(
            table.loc[label, ["x_px", "y_px"]].to_numpy(float), abs=1
        )


def test_outlines_are_shown_as_corrected_at_once(client):
    before = client.get("/api/movies/0/outlines/3").json()
    gone, new = {"frame": 3, "y_px": 31, "x_px": 30}, [[100, 70], [100, 90], [120, 90], [120, 70]]
    said = {"what": "false_nuclei", "nuclei": [gone, gone | {"frame": 4}]}
    line = client.post(CORRECTIONS, json={"say": said}).json()["id"]
    client.post(CORRECTIONS, json={"say": {"what": "draw_outline", "frame": 3, "polygon": new}})
    after = client.get("/api/movies/0/outlines/3").json()
    assert set(before["labels"]) - set(after["labels"]) == {1}
    (drawn,) = set(after["labels"]) - set(before["labels"])
    at = after["labels"].index(drawn)
    assert after["cells"][at] == -1
    assert np.reshape(after["polygons"][at], (-1, 2)).mean(axis=0) == pytest.approx((80, 110), abs=1)
    assert 1 not in client.get("/api/movies/0/outlines/4").json()["labels"]
    assert 1 in client.get("/api/movies/0/outlines/5").json()["labels"]
    client.post(CORRECTIONS, json={"say": {"what": "undo", "line": line}})
    assert 1 in client.get("/api/movies/0/outlines/3").json()["labels"]


def test_where_outlines_are_of_masks_there_is_no_network_to_ask(client):
    place = {"frame": 3, "y_px": 31, "x_px": 30}
    refused(client.post("/api/movies/0/candidate", json=place), 409, "masks")


def test_the_network_is_asked_for_what_it_would_draw(run):
    (run / "stages" / "scale.json").write_text('{"diameter_px": 16, "zoom": 1.0, "given": false}')
    with client_of(run) as client:
        found = client.post("/api/movies/0/candidate", json={"frame": 3, "y_px": 31, "x_px": 30}).json()
        assert np.mean(found["polygon"], axis=0) == pytest.approx((31, 30), abs=2)
        assert 0 < found["probability"] <= 1
        nothing = client.post("/api/movies/0/candidate", json={"frame": 3, "y_px": 1e5, "x_px": 1e5}).json()
        assert nothing == {"polygon": None, "probability": 0}


def test_nuclei_are_sent_as_plain_numbers(client, run):
    sent = client.get("/api/movies/0/nuclei").content
    n = int(np.frombuffer(sent, "<i4", 1)[0])
    table = pd.read_csv(run / "detections.csv").sort_values("frame", kind="stable")
    assert n == len(table)
    assert len(sent) == 4 + 6 * 4 * n
    whole = np.frombuffer(sent, "<i4", 3 * n, 4).reshape(3, n)
    real = np.frombuffer(sent, "<f4", 3 * n, 4 + 12 * n).reshape(3, n)
    assert (whole == table[["frame", "label", "tracklet_id"]].to_numpy().T).all()
    assert np.allclose(real[:2], table[["y_px", "x_px"]].to_numpy().T, atol=1e-3)
    assert np.allclose(real[2], np.sqrt(table["area_um2"] / np.pi), rtol=1e-4)  # a pixel is 1 um


def test_cells_and_events_are_the_tables_and_events_name_their_mother(client, run):
    cells = client.get("/api/movies/0/cells").json()
    (mother,) = [
        row
        for r in cells["rows"]
        if (row := dict(zip(cells["columns"], r, strict=True)))["fate"] == "divided"
    ]
    (event,) = client.get("/api/movies/0/events").json()
    assert event["mother_id"] == mother["tracklet_id"]
    assert event["daughter_ids"] == mother["daughter_ids"] == "9 10"
    assert event["refusion_after_min"] is None
    assert event["separated"] is True
    assert event["ref"] == {
        "mother": {"frame": 7, "y_px": pytest.approx(82.1, abs=0.5), "x_px": pytest.approx(80, abs=0.5)},
        "frame": 8,
        "event_type": "mitosis",
    }
    assert not event["person"]
    assert event["has_crop"]
    film = png_decode(client.get(f"/api/movies/0/film/{event['event_id']}.png").content)
    assert film.shape == (2 * 96, 12 * 96)
    refused(client.get("/api/movies/0/film/77.png"), 404, "event 77")


# --- What is kept


def test_a_correction_is_a_line_and_undo_is_a_line(client, run):
    path = run / journal.NAME
    said = client.post(CORRECTIONS, json={"say": CUT, "who": "berta", "why": "two cells"}).json()
    assert path.read_text().count("\n") == 1
    (line,) = journal.read(path).standing
    assert (line.id, line.who, line.why, line.what) == (said["id"], "berta", "two cells", "cut")
    held = client.get("/api/movies/0/state").json()
    assert held["lines"] == 1
    assert held["holds"] == journal.read(path).digest
    assert held["applied"] == ""

    undo = client.post(CORRECTIONS, json={"say": {"what": "undo", "line": said["id"]}}).json()
    listed = client.get(CORRECTIONS).json()
    assert [(x["id"], x["who"], x["standing"]) for x in listed["lines"]] == [
        (said["id"], "berta", False), (undo["id"], "anna", False),
    ]  # fmt: skip
    assert client.get("/api/movies/0/state").json()["holds"] == ""
    client.post(CORRECTIONS, json={"say": {"what": "undo", "line": undo["id"]}})
    assert client.get("/api/movies/0/state").json()["holds"] == held["holds"]
    assert path.read_text().count("\n") == 3


def test_lines_of_others_appear_and_none_is_lost(client, run):
    client.get(CORRECTIONS)
    journal.append(run / journal.NAME, make(CUT, who="another server"))
    client.post(CORRECTIONS, json={"say": CUT, "who": "anna"})
    with (run / journal.NAME).open("a") as file:
        file.write('{"what": "cut", "befo')  # a crash of somebody else
    listed = client.get(CORRECTIONS).json()
    assert [x["who"] for x in listed["lines"]] == ["another server", "anna"]
    assert listed["unreadable"] == [3]


def test_people_who_speak_at_once_do_not_overwrite_one_another(client, run):
    def say(who: str) -> list[int]:
        return [client.post(CORRECTIONS, json={"say": CUT, "who": who}).status_code for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(say, ("anna", "berta", "clara", "dora"))) == [[200] * 10] * 4
    said = journal.read(run / journal.NAME)
    assert len(said.standing) == 40
    assert not said.unreadable


def test_an_item_is_done_once_somebody_said_something_about_it(client):
    (item,) = client.get("/api/movies/0/worklist").json()["items"]
    assert (item["kind"], item["event_id"], item["frame"], item["done"]) == ("event", 1, 8, False)
    assert "contradicted" in item["reasons"]
    (event,) = client.get("/api/movies/0/events").json()
    said = {"what": "verdict", "event": event["ref"], "verdict": "normal"}
    line = client.post(CORRECTIONS, json={"say": said}).json()
    now = client.get("/api/movies/0/worklist").json()
    assert (now["n_left"], now["n_done"]) == (0, 1)
    client.post(CORRECTIONS, json={"say": {"what": "undo", "line": line["id"]}})
    assert client.get("/api/movies/0/worklist").json()["n_left"] == 1


def until(client, path, holds, seconds: float = 300.0):
    """What is answered once it is as wanted: it is asked for again and again, as the page does."""
    end = time.monotonic() + seconds
    while not holds(found := client.get(path).json()):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


def test_the_run_is_redone_with_what_was_said(client):
    (event,) = client.get("/api/movies/0/events").json()
    before = client.get("/api/movies/0/state").json()
    said = {"what": "verdict", "event": event["ref"], "verdict": "abnormal", "subtype": "tripolar"}
    client.post(CORRECTIONS, json={"say": said})
    after = until(
        client,
        "/api/movies/0/state",
        lambda state: state["results"] != before["results"] and not state["working"],
    )
    assert after["error"] is None
    assert after["applied"] == after["holds"]
    assert after["seconds"] > 0
    (event,) = client.get("/api/movies/0/events").json()
    assert (event["verdict"], event["subtype"], event["person"]) == ("abnormal", "tripolar", True)


def test_a_movie_that_is_gone_is_said_so_and_what_was_said_is_kept(drawn, tmp_path):
    run = Path(shutil.copytree(drawn, tmp_path / "moved" / drawn.name))
    record = json.loads((run / "run.json").read_text())
    del record["sha256"]
    record["video"]["path"] = str(tmp_path / "gone.tif")
    (run / "run.json").write_text(json.dumps(record))
    with client_of(run) as client:
        about = client.get("/api/movies/0").json()
        assert not about["has_pixels"]
        assert "gone.tif is not there" in about["warnings"][0]
        refused(client.get("/api/movies/0/frames/0/0.png"), 409, "gone.tif is not there")
        assert len(client.get("/api/movies/0/outlines/0").json()["labels"]) == 8
        client.post(CORRECTIONS, json={"say": CUT})
        state = until(client, "/api/movies/0/state", lambda state: not state["working"])
        assert "gone.tif is not there" in state["error"]
        assert state["lines"] == 1


def test_a_table_that_was_changed_by_hand_is_refused(client, run):
    assert client.get("/api/movies/0/cells").status_code == 200
    table = (run / "events.csv").read_text()
    (run / "events.csv").write_text(table.replace("undecided", "normal"))
    for what in ("cells", "events", "nuclei", "worklist", "outlines/0"):
        refused(client.get(f"/api/movies/0/{what}"), 409, "events.csv was changed or damaged")
    refused(client.post(CORRECTIONS, json={"say": CUT}), 409, "events.csv was changed or damaged")
    assert not (run / journal.NAME).exists()
    assert "events.csv was changed" in client.get("/api/movies/0/state").json()["error"]
    (run / "events.csv").write_text(table)
    assert client.get("/api/movies/0/cells").status_code == 200


def test_a_folder_of_runs_lists_all_of_them_the_damaged_too(drawn, tmp_path):
    for name in ("day1/A1", "day1/A2", "B1", "B2"):
        shutil.copytree(drawn, tmp_path / f"{name}.lineage")
    (tmp_path / "day1" / "A2.lineage" / "events.csv").write_text("nothing")
    (tmp_path / "B2.lineage" / "run.json").write_text("{'lineage-run")
    right = {"what": "right", "nucleus": CUT["before"]}
    journal.append(tmp_path / "B1.lineage" / journal.NAME, *(make(x, who="anna") for x in (CUT, right)))
    with client_of(tmp_path) as client:
        assert client.get("/api/session").json()["mode"] == "runs"
        is_counted = lambda rows: all(r["n_todo"] is not None or r["error"] for r in rows)  # noqa: E731
        rows = until(client, "/api/movies", is_counted)
        assert [r["name"] for r in rows] == ["B1", "B2", "day1/A1", "day1/A2"]
        assert [bool(r["error"]) for r in rows] == [False, True, False, True]
        assert "run.json is damaged" in rows[1]["error"]
        assert [r["n_corrections"] for r in rows] == [1, None, 0, None]
        assert client.get("/api/movies/2/cells").status_code == 200
        refused(client.get("/api/movies/1/cells"), 409, "run.json is damaged")


# --- What is refused


@pytest.fixture
def unwritten(run):
    """The folder, which is the same afterwards."""
    before = contents(run)
    yield run
    assert contents(run) == before


EVERYWHERE = ("/api/session", "/api/movies", "/api/movies/0/state", "/api/movies/0/nuclei", CORRECTIONS)


@pytest.mark.parametrize("token", [None, "", "x", SECRET[:-1], SECRET + "x", SECRET.upper(), "ü"])
def test_without_the_token_nothing_is_answered(client, token):
    del client.headers[TOKEN]
    headers = {} if token is None else {TOKEN: token.encode()}
    for path in EVERYWHERE:
        refused(client.get(path, headers=headers), 401, "token")
    refused(client.post(CORRECTIONS, json={"say": CUT}, headers=headers), 401, "token")
    refused(client.get(f"/api/session?token={SECRET}", headers=headers), 401, "token")


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", f"127.0.0.1.nip.io:{PORT}",
     f"localhost:{PORT}.evil.example", "", f"[::1]:{PORT}", f"0.0.0.0:{PORT}", f"user@127.0.0.1:{PORT}"],
)  # fmt: skip
def test_another_name_of_this_machine_is_refused(client, host):
    for path in ("/", "/static/index.html", *EVERYWHERE):
        refused(client.get(path, headers={"Host": host}), 403, "address")


def test_the_two_names_of_this_machine_are_answered(client):
    for host in (f"127.0.0.1:{PORT}", f"localhost:{PORT}"):
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert client.get("/api/session", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{PORT}"},
        {"Origin": f"http://localhost:{PORT}"},  # the other name is another origin
        {"Origin": f"http://127.0.0.1:{PORT}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ],
)
def test_the_page_of_another_site_is_refused(client, unwritten, headers):
    for path in EVERYWHERE:
        refused(client.get(path, headers=headers), 403, "another site")
    refused(client.post(CORRECTIONS, json={"say": CUT}, headers=headers), 403, "another site")


def test_a_link_to_the_page_may_stand_anywhere_but_it_may_be_no_frame(client):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/", headers=link).status_code == 200
    refused(client.get("/", headers=link | {"Sec-Fetch-Dest": "iframe"}), 403)
    refused(client.get("/static/index.html", headers=link), 403)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_other_methods_are_refused_and_no_other_site_is_let_in(client, unwritten, method):
    answer = client.request(method, CORRECTIONS)
    assert answer.status_code == 405
    assert not [h for h in answer.headers if h.startswith("access-control")]


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""]
)
def test_forms_of_other_sites_are_refused(client, unwritten, kind):
    body = json.dumps({"say": CUT})
    refused(client.post(CORRECTIONS, content=body, headers={"Content-Type": kind}), 415, "JSON")


def test_every_answer_says_what_a_browser_may_do_with_it(client):
    for path, status in (("/", 200), ("/api/session", 200), ("/api/nothing", 404), ("/static/none.js", 404)):
        answer = client.get(path)
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == ("no-store" if path.startswith("/api") else "no-cache")
    assert client.get("/api/session", headers={TOKEN: "x"}).headers["x-frame-options"] == "DENY"


UPWARDS = ("%2e%2e", "..%2f..%2frun.json", "%2e%2e%2f", "..%5c..", "....//", "%00", "~", "%2fetc%2fpasswd")


@pytest.mark.parametrize("up", UPWARDS)
def test_no_parameter_is_a_path(client, unwritten, up):
    for path in (
        f"/api/movies/{up}", f"/api/movies/{up}/cells", f"/api/movies/0/{up}", f"/api/movies/0/outlines/{up}",
        f"/api/movies/0/frames/{up}/1.png", f"/api/movies/0/frames/0/{up}.png",
        f"/api/movies/0/film/{up}.png", f"/static/{up}/server.py", f"/static/{up}server.py",
        f"/{up}/run.json",
    ):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code in (400, 403, 404), (path, answer.status_code)
        assert b"import" not in answer.content
        assert b"lineage-run" not in answer.content
    for wrong in (up, {"frame": up, "y_px": up, "x_px": up}):
        refused(client.post(CORRECTIONS, json={"say": CUT | {"before": wrong}}), 400)
        refused(client.post("/api/movies/0/candidate", json={"frame": wrong, "y_px": 1, "x_px": 1}), 400)


@pytest.mark.parametrize(
    "number", [-1, 16, 10**9, 2**63, 10**30, "1e3", "0x1", "nan", "9" * 5000, "1.5", "%20"]
)
def test_numbers_that_are_none_of_the_movie_are_refused(client, number):
    for path in (
        f"/api/movies/{number}", f"/api/movies/0/frames/{number}/0.png",
        f"/api/movies/0/frames/0/{number}.png", f"/api/movies/0/outlines/{number}",
        f"/api/movies/0/film/{number}.png",
    ):  # fmt: skip
        answer = client.get(path)
        refused(answer, answer.status_code)
        assert answer.status_code in (400, 404), path


@pytest.mark.parametrize(
    "levels", ["low=nan&high=1", "low=0&high=inf", "low=a", "high=1e999", "low=-inf", "high=1e308"]
)
def test_grey_levels_are_numbers(client, levels):
    refused(client.get(f"/api/movies/0/frames/0/0.png?{levels}"), 400)


def test_too_large_is_refused_whether_or_not_the_size_is_said(client, unwritten):
    large = json.dumps({"say": CUT, "why": "x" * MAX_BODY}).encode()
    kind = {"Content-Type": "application/json"}
    refused(client.post(CORRECTIONS, content=large, headers=kind), 413)
    refused(
        client.post(
            CORRECTIONS, content=(large[i : i + 999] for i in range(0, len(large), 999)), headers=kind
        ),
        413,
    )
    for length in ("-5", "1e9", "9" * 40, ""):
        refused(client.post(CORRECTIONS, content=b"{}", headers=kind | {"Content-Length": length}), 413)


@pytest.mark.parametrize(
    "text",
    ["", "nothing", "[]", "3", '"say"', "[" * 100_000, '{"a":' * 50_000, '{"say": 3}', "\x00", "\ufeff{}",
     '{"say": NaN}', '{"say": {"what": "cut"}', '{"say": {}, "path": "/etc/passwd"}',
     '{"say": 9' + "9" * 5000 + "}"],
)  # fmt: skip
def test_what_is_no_correction_is_refused(client, unwritten, text):
    kind = {"Content-Type": "application/json"}
    refused(client.post(CORRECTIONS, content=text.encode(), headers=kind), 400)


@pytest.mark.parametrize(
    "say",
    [
        CUT | {"surprise": 1},
        CUT | {"id": "0" * 32},
        CUT | {"who": "somebody else"},
        CUT | {"what": "rm"},
        CUT | {"before": {"frame": 3, "y_px": 1, "x_px": 1, "path": ".."}},
        CUT | {"before": {"frame": -3, "y_px": 1, "x_px": 1}},
        CUT | {"before": {"frame": 3, "y_px": 1e300, "x_px": 1}},
        CUT | {"after": {"frame": 16, "y_px": 1, "x_px": 1}},
        {"what": "undo", "line": "0" * 32},
        {"what": "undo", "line": "../../etc/passwd"},
        {"what": "draw_outline", "frame": 3, "polygon": [[1, 1]] * 501},
        {"what": "draw_outline", "frame": 99, "polygon": [[1, 1], [1, 9], [9, 9]]},
        {"what": "false_nuclei", "nuclei": [CUT["before"]] * 2001},
        {"what": "false_nuclei", "nuclei": []},
    ],
)
def test_a_correction_says_what_it_may_say_and_nothing_else(client, unwritten, say):
    refused(client.post(CORRECTIONS, json={"say": say}), 400)


@pytest.mark.parametrize("who", ["", "x" * 81, 7, ["anna"], {"$ne": 1}, True])
def test_who_is_a_name(client, run, who):
    answer = client.post(CORRECTIONS, json={"say": CUT, "who": who})
    if who == "":  # nobody is named: it is whoever started the server
        assert answer.json()["line"]["who"] == "anna"
    else:
        refused(answer, 400, "who")
        assert not (run / journal.NAME).exists()


def test_no_number_is_none(client, unwritten):
    for bad in ("NaN", "Infinity", "-Infinity", "1e999"):
        text = json.dumps({"say": CUT}).replace("30", bad, 1)
        assert bad in text
        kind = {"Content-Type": "application/json"}
        refused(client.post(CORRECTIONS, content=text, headers=kind), 400)


def test_names_in_html_stay_names(client):
    name, why = "<img src=x onerror=alert(1)>", '</script>"&\u2028\ud800'
    answer = client.post(CORRECTIONS, content=json.dumps({"say": CUT, "who": name, "why": why}),
                         headers={"Content-Type": "application/json"})  # fmt: skip
    refused(answer, 400)  # half a letter
    refused(client.post(CORRECTIONS, json={"say": CUT, "who": name, "why": "\x1b[2J"}), 400, "why")
    client.post(CORRECTIONS, json={"say": CUT, "who": name, "why": why[:-1]})
    answer = client.get(CORRECTIONS)
    assert answer.headers["content-type"] == "application/json"
    (line,) = answer.json()["lines"]
    assert (line["who"], line["why"]) == (name, why[:-1])


def test_read_only_means_that_nothing_is_written(run, unwritten):
    with client_of(run, read_only=True) as client:
        assert client.get("/api/session").json()["read_only"]
        refused(client.post(CORRECTIONS, json={"say": CUT}), 403, "--read-only")
        for what in ("", "/state", "/worklist", "/events", "/outlines/3", "/frames/3/1.png"):
            assert client.get(f"/api/movies/0{what}").status_code == 200
        assert not client.get("/api/movies/0/state").json()["working"]


def test_a_header_that_is_there_twice_is_refused(client):
    twice = [(TOKEN, SECRET), (TOKEN, "x")]
    refused(client.get("/api/session", headers=twice), 400, TOKEN)
    twice = [("Host", "evil.example"), ("Host", f"127.0.0.1:{PORT}")]
    refused(client.get("/api/session", headers=twice), 400, "host")


# --- The command, on a real socket


def started(*arguments: object) -> tuple[subprocess.Popen, int, str]:
    """The server in a process of its own, its port and its token."""
    server = subprocess.Popen(
        [sys.executable, "-m", "lineage.review", *map(str, arguments), "--no-browser"],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    address = server.stdout.readline()
    port, token = address.strip().removeprefix("http://127.0.0.1:").split("/?token=")
    return server, int(port), token


def ended(server: subprocess.Popen, how: int = signal.SIGKILL) -> int:
    server.send_signal(how)
    server.stdout.close()
    return server.wait(120)


def asked(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_server_that_is_killed_right_after_an_answer_has_lost_nothing(run):
    server, port, token = started(run)
    try:
        own = {"X_Review_Token": token, "Content_Type": "application/json"}
        ids = []
        for _ in range(5):
            status, answer = asked(port, "POST", CORRECTIONS, json.dumps({"say": CUT}).encode(), **own)
            assert status == 200
            ids.append(json.loads(answer)["id"])
    finally:
        assert ended(server) == -signal.SIGKILL
    assert [line.id for line in journal.read(run / journal.NAME).lines] == ids


def test_the_real_server_answers_this_machine_alone_and_refuses_what_it_should(run):
    server, port, token = started(run, "--read-only")
    try:
        assert asked(port, "GET", "/api/session", X_Review_Token=token)[0] == 200
        assert asked(port, "GET", "/api/session")[0] == 401
        assert asked(port, "GET", "/api/session", X_Review_Token=token, Host=f"evil.example:{port}")[0] == 403
        for up in (
            "/static/../server.py",
            "/static/%2e%2e/server.py",
            "/../../../../etc/passwd",
            "//etc/passwd",
        ):
            status, answer = asked(port, "GET", up)
            assert status == 404
            assert b"import" not in answer
        own = {"X_Review_Token": token, "Content_Type": "application/json"}
        assert asked(port, "POST", CORRECTIONS, b"x" * (MAX_BODY + 1), **own)[0] == 413
        assert chunked(port, CORRECTIONS, token, pieces=40, size=10_000) == 413
        others = {a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for address in others - {"127.0.0.1"}:
            if not address.startswith("127."):
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection((address, port), timeout=5)
    finally:
        assert ended(server, signal.SIGTERM) is not None


def chunked(port: int, path: str, token: str, *, pieces: int, size: int) -> int:
    """The status of a request that does not say how long it is."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Review-Token: {token}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        line.sendall(head.encode())
        try:
            for _ in range(pieces):
                line.sendall(f"{size:x}\r\n".encode() + b"x" * size + b"\r\n")
        except OSError:
            pass  # it was refused before it was all sent
        return int(line.recv(100).split()[1])


def test_bad_input_is_one_line(tmp_path):
    for place in (tmp_path, tmp_path / "none"):
        ended = CliRunner().invoke(command, [str(place), "--no-browser"])
        assert ended.exit_code == 2
        assert "is no run folder and holds none" in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_a_name_that_no_line_could_hold_is_refused_before_anything_is_said(run):
    ended = CliRunner().invoke(command, [str(run), "--who", "x" * 81, "--no-browser"])
    assert ended.exit_code == 2
    assert "at most 80" in ended.stderr


def test_a_port_that_is_taken_is_said_so(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = CliRunner().invoke(command, [str(run), "--port", str(taken.getsockname()[1]), "--no-browser"])
    assert ended.exit_code == 2
    assert "cannot be used" in ended.stderr


def test_without_the_extra_it_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['fastapi'] = None; from lineage.review.__main__ import app; app(['x'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert 'pip install "mitosis-lineage[review]"' in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_numbers_of_answers_are_numbers(client):
    """No NaN reaches a browser, whose JSON knows none."""
    for what in ("", "/cells", "/events", "/worklist", "/state", "/corrections"):
        json.loads(client.get(f"/api/movies/0{what}").text, parse_constant=lambda name: pytest.fail(name))
    assert math.isfinite(client.get("/api/movies/0").json()["levels"]["0"][0])
