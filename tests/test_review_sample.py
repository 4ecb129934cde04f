"""A blinded sample in the review: what is answered, what is kept apart, and the page in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from dose_plates import judge
from imagecodecs import png_decode

from lineage.corrections import journal, sample
from lineage.corrections.lines import Event, Nucleus

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
from starlette.testclient import TestClient

from lineage.review.blinded import TILE_PX
from lineage.review.security import TOKEN
from lineage.review.server import app_of

SECRET, PORT = "an-open-secret", 8765
N = 4


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four mitoses of two movies, whose names give the dose away."""
    folder = tmp_path / "sample"
    (folder / "crops").mkdir(parents=True)
    rng = np.random.default_rng(0)
    items = []
    for i in range(N):
        tifffile.imwrite(sample.crop(folder, i), rng.integers(1, 999, (12, 2, 24, 24)).astype(np.uint16))
        event = Event(mother=Nucleus(frame=i, y_px=10 * i, x_px=5), frame=i + 1)
        items.append(sample.Item(movie=f"PC3_{8 * (i % 2)}Gy", event_id=i, event=event, side_um=60.0))
    (folder / "sample.json").write_text(sample.dumps(sample.Sample(items=tuple(items))))
    return folder


def client_of(folder, **options) -> TestClient:
    app = app_of(folder, token=SECRET, port=PORT, **options)
    return TestClient(app, f"http://127.0.0.1:{PORT}", raise_server_exceptions=False, headers={TOKEN: SECRET})


@pytest.fixture
def client(folder):
    with client_of(folder) as asked:
        yield asked


def judged(client, who):
    return [item["judged"] for item in client.get("/api/sample", params={"who": who}).json()["items"]]


def say(client, index, verdict, who="Anna", **more):
    return client.post(f"/api/sample/{index}", json={"verdict": verdict, "who": who, **more})


def refused(answer, status, words=""):
    assert answer.status_code == status, answer.text
    line = answer.json()["error"]
    assert words in line
    assert "\n" not in line


def test_what_is_judged_is_written_as_lines_of_corrections(client, folder):
    assert client.get("/api/session").json()["mode"] == "sample"
    assert judged(client, "Anna") == [None] * N
    assert say(client, 1, "abnormal", why="three poles").json() == {"index": 1, "judged": "abnormal"}
    say(client, 0, "not_a_mitosis")
    say(client, 1, "normal")
    assert judged(client, "Anna") == ["not_a_mitosis", "normal", None, None]
    lines = journal.read(folder / "judgements" / "anna" / "PC3_8Gy.jsonl").lines
    items = sample.read(folder).items
    assert [(x.what, x.verdict, x.who, x.why) for x in lines] == [
        ("verdict", "abnormal", "Anna", "three poles"),
        ("verdict", "normal", "Anna", ""),
    ]
    assert all(x.event == items[1].event for x in lines)


def test_an_undo_gives_back_what_was_said_before(client):
    say(client, 1, "abnormal")
    say(client, 1, "normal")
    assert client.post("/api/sample/1/undo", json={"who": "Anna"}).json() == {
        "index": 1,
        "judged": "abnormal",
    }
    assert client.post("/api/sample/1/undo", json={"who": "Anna"}).json() == {"index": 1, "judged": None}
    refused(client.post("/api/sample/1/undo", json={"who": "Anna"}), 404, "nothing was said")
    assert judged(client, "Anna") == [None] * N


def test_people_are_apart_and_go_on_where_they_were(client, folder):
    say(client, 0, "normal", who="Anna")
    say(client, 2, "abnormal", who="Ben")
    assert judged(client, "Ben") == [None, None, "abnormal", None]
    refused(client.post("/api/sample/0/undo", json={"who": "Ben"}), 404)
    judge(folder, "ben", [(3, "normal")])  # by another server
    with client_of(folder) as later:
        assert judged(later, " BEN ") == [None, None, "abnormal", "normal"]
        assert judged(later, "Anna") == ["normal", None, None, None]


def test_nothing_that_the_page_gets_tells_movie_dose_or_verdict(client, folder):
    judge(folder, "ben", [(0, "abnormal")])
    answers = [client.get(p) for p in ("/", "/api/session", "/api/sample?who=Anna", "/static/sample.js")]
    assert all(a.status_code == 200 for a in answers)
    for answer in answers:
        assert b"Gy" not in answer.content
        assert b"PC3" not in answer.content
        assert b"ben" not in answer.content
    assert b'"abnormal"' not in answers[2].content
    assert b"PC3" not in say(client, 0, "normal").content
    film = client.get("/api/sample/0/film.png")
    assert png_decode(film.content).shape == (2 * TILE_PX, 12 * TILE_PX)
    assert "PC3" not in str(film.headers)
    # Of a sample nothing else is served.
    assert client.get("/api/movies").status_code == 404
    for path in ("/sample.json", "/judgements/ben/PC3_0Gy.jsonl", "/static/../sample.json"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/sample/4", {"verdict": "normal", "who": "Anna"}, 404),
        ("/api/sample/-1", {"verdict": "normal", "who": "Anna"}, 404),
        ("/api/sample/..%2F..%2Fx", {"verdict": "normal", "who": "Anna"}, 404),
        ("/api/sample/0", {"verdict": "fine", "who": "Anna"}, 400),
        ("/api/sample/0", {"verdict": "normal"}, 400),
        ("/api/sample/0", {"verdict": "normal", "who": ""}, 400),
        ("/api/sample/0", {"verdict": "normal", "who": "x" * 81}, 400),
        ("/api/sample/0", {"verdict": "normal", "who": "Anna", "why": "x" * 501}, 400),
        ("/api/sample/0", {"verdict": "normal", "who": "Anna", "movie": "../../x"}, 400),
        ("/api/sample/0/undo", {"who": "Anna", "line": "0" * 32}, 400),
    ],
)
def test_what_cannot_be_said_is_one_line_and_writes_nothing(client, folder, path, body, status):
    refused(client.post(path, json=body), status)
    assert sample.raters(folder) == []


def test_no_name_writes_elsewhere(client, folder):
    for who in ("..", "../..", "/tmp/x", "a/../../b", "CON:"):
        assert say(client, 0, "normal", who=who).status_code == 200
        assert judged(client, who)[0] == "normal"
    files = {p.relative_to(folder).parts[0] for p in folder.rglob("*") if p.is_file()}
    assert files == {"sample.json", "crops", "judgements"}
    assert {p.name for p in folder.parent.iterdir()} == {"sample"}


def test_read_only_is_to_look_at(folder):
    with client_of(folder, read_only=True) as client:
        refused(say(client, 0, "normal"), 403, "--read-only")
        assert client.get("/api/sample/0/film.png").status_code == 200
    assert not (folder / "judgements").exists()


def test_a_crop_that_is_gone_is_one_line(client, folder):
    sample.crop(folder, 2).write_bytes(b"no image")
    refused(client.get("/api/sample/2/film.png"), 409, "draw the sample anew")
    refused(client.get("/api/sample/9/film.png"), 404)


# The page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


@contextmanager
def opened(folder):
    """The page in a browser, its server in a process of its own; nothing may go wrong on it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    command = [sys.executable, "-m", "lineage.review", str(folder), "--no-browser", "--who", "ada"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        sync_api.sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page, troubles = browser.new_page(viewport={"width": 1280, "height": 800}), []
        page.set_default_timeout(60_000)  # a slow machine, or a busy one
        page.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: troubles.append(error.message))
        try:
            page.goto(process.stdout.readline().strip())
            page.get_by_label("Your name", exact=True).fill("Anna")
            page.keyboard.press("Enter")
            yield page
            assert not troubles
        finally:
            process.kill()
            browser.close()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_a_sample_is_judged_by_keyboard(folder):
    with opened(folder) as page:
        page.wait_for_selector("#film[data-index='0']")
        assert "token" not in page.url
        for key, then in (("1", 1), ("2", 2), ("u", 1), ("3", 2), ("0", 3)):
            page.keyboard.press(key)
            page.wait_for_selector(f"#film[data-index='{then}']")
        assert page.locator("#count").text_content() == "3 of 4 judged"
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector("#film[data-index='2']")
        assert page.locator("#verdicts [aria-pressed=true]").text_content() == "0undecided"
        page.keyboard.press("Enter")
        page.wait_for_selector("#film[data-index='3']")
        page.keyboard.press("2")
        page.wait_for_selector("#count:has-text('All 4 are judged')")
        page.reload()
        page.wait_for_selector("#count:has-text('All 4 are judged')")
    opened_sample = sample.read(folder)
    said = sample.judged(folder, opened_sample, "anna")
    assert [said[i].verdict.value for i in range(N)] == ["normal", "not_a_mitosis", "undecided", "abnormal"]
    texts = (folder / "judgements" / "anna" / "PC3_8Gy.jsonl").read_text().splitlines()
    assert [json.loads(text)["what"] for text in texts] == ["verdict", "undo", "verdict", "verdict"]
