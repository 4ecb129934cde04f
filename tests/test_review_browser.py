"""The page of the review in a real browser: looked at, corrected, killed and opened again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import tifffile
from corner import TABLES, start

from lineage.corrections import journal
from lineage.corrections.lines import make
from lineage.io.files import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect  # waits until it is so
pytest.importorskip("fastapi", reason="the extra `review` is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
# On a slow machine, or a busy one; nobody waits for longer than it takes.
SHOWN_MS, REDONE_MS = 60_000, 180_000
expect.set_options(timeout=SHOWN_MS)


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A copy of its own."""
    return Path(shutil.copytree(finished, tmp_path / finished.name))


@pytest.fixture(scope="module")
def shared(finished, tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """A copy, and the address of its server, for tests that look at the lines that they add."""
    run = Path(shutil.copytree(finished, tmp_path_factory.mktemp("shared") / finished.name))
    with server(run) as (address, _):
        yield run, address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def server(run: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its address, and its process, which is killed at the end: nothing may depend on a tidy end."""
    command = [sys.executable, "-m", "lineage.review", str(run), "--no-browser", "--who", "ada", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


@contextmanager
def opened(browser: Browser, address: str, *, name: str | None = "Ada") -> Iterator[Page]:
    """The page once it shows a frame; nothing may go wrong on it, and nothing be asked of other hosts."""
    troubles: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(SHOWN_MS)
    page = context.new_page()
    page.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: troubles.append(error.message))
    own = urlsplit(address).netloc
    page.on("request", lambda r: troubles.append(r.url) if urlsplit(r.url).netloc != own else None)
    page.goto(address)
    if name:
        page.get_by_label("Your name", exact=True).fill(name)
        page.keyboard.press("Enter")
    # Where a server was killed while it redid the run, that is finished first.
    page.wait_for_selector("#movie[data-frame]", timeout=REDONE_MS)
    page.wait_for_selector("#panel-worklist .list .item, #panel-worklist .left:has-text('Nothing')")
    yield page
    context.close()
    assert not troubles


@contextmanager
def saved(page: Page) -> Iterator[None]:
    """What is done within makes a line, and the server has written it."""
    with page.expect_response(lambda r: r.request.method == "POST") as answer:
        yield
    assert answer.value.status == 200, answer.value.text()


@contextmanager
def undone(page: Page) -> Iterator[None]:
    """What is said within is undone at once."""
    with saved(page):
        yield
    press_and_save(page, "u")


def press_and_save(page: Page, key: str) -> None:
    with saved(page):
        page.keyboard.press(key)


def lines_of(run: Path) -> list[dict]:
    path = run / journal.NAME
    return (
        [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    )


@contextmanager
def added(run: Path) -> Iterator[list[dict]]:
    """The lines that are added within, once it is over."""
    n, found = len(lines_of(run)), []
    yield found
    found += lines_of(run)[n:]


def to_the_first_event(page: Page) -> None:
    page.get_by_role("button", name="All events").click()
    page.keyboard.press("n")
    page.keyboard.press("q")
    page.wait_for_selector("#panel-cell .verdict")
    if (goes_on := page.locator("#panel-cell .goes-on")).count():
        goes_on.uncheck()  # after a verdict the page stays here


@contextmanager
def in_peace(browser: Browser, shared: tuple[Path, str]) -> Iterator[Page]:
    """The page at the first event, opened when nothing is left to be worked in, which numbers cells anew."""
    run, address = shared
    wait_for(None, lambda: not lines_of(run) or holds_all_that_is_said(run))
    with opened(browser, address) as page:
        expect(page.locator("#saved")).to_have_class("good", timeout=REDONE_MS)
        to_the_first_event(page)
        yield page


def events_of(run: Path) -> pd.DataFrame:
    return read_table(run / "events.csv", text=("daughter_ids", "verdict_because"))


def bytes_of(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in TABLES}


def holds_all_that_is_said(run: Path) -> bool:
    record = json.loads((run / "run.json").read_text())
    return "tree" in record["stages"] and journal.held(record) == journal.read(run / journal.NAME).digest


def wait_for(page: Page | None, holds: Callable[[], bool]) -> None:
    """Wait until something holds on the disk; a page that is open goes on meanwhile."""
    for _ in range(REDONE_MS // 20):
        if holds():
            return
        page.wait_for_timeout(20) if page else time.sleep(0.02)
    raise AssertionError("it does not come to hold")


def test_what_is_corrected_counts_and_outlives_a_killed_server(corner, run, browser, tmp_path):
    first = events_of(run).iloc[0]
    assert (first["verdict"], first["event_type"]) == ("normal", "mitosis")
    n_cells = len(pd.read_csv(run / "tracklets.csv"))
    with server(run) as (address, process), opened(browser, address) as page:
        assert "token" not in page.evaluate("location.href")
        to_the_first_event(page)
        pressed = page.locator("#panel-cell .verdict[aria-pressed=true]")
        expect(pressed).to_have_count(0)  # nobody has said anything: what was found is only marked
        expect(page.locator("#panel-cell .verdict.found")).to_contain_text("normal")
        press_and_save(page, "2")
        expect(pressed).to_contain_text("abnormal")  # at once, marked as one that is not worked in yet
        expect(page.locator("#panel-cell .verdict.pending")).to_have_count(1)
        expect(page.locator("#saved")).to_contain_text("1 correction; worked in", timeout=REDONE_MS)
        expect(pressed).to_contain_text("abnormal")
        expect(page.locator("#panel-cell .verdict.pending")).to_have_count(0)
        expect(page.locator("#panel-cell .verdict.found")).to_have_count(0)
        expect(page.locator("#panel-cell .source")).to_have_text("said by Ada")
        again = events_of(run).iloc[0]
        assert (again["frame"], again["verdict"], again["verdict_because"]) == (
            first["frame"],
            "abnormal",
            "person",
        )

        expect(page.locator("#panel-cell")).to_contain_text("divides")
        page.keyboard.press("Shift+Y")
        expect(page.locator("#hint")).to_contain_text("this division is none")
        press_and_save(page, "Enter")
        press_and_save(page, "u")
        # Where the run was quicker than the keys: else nothing would be left to be redone.
        wait_for(page, lambda: holds_all_that_is_said(run))
        press_and_save(page, "Shift+U")
        wait_for(page, lambda: "tree" not in json.loads((run / "run.json").read_text())["stages"])
        page.close()  # it asks every second how far the run is, and a server that is dead cannot answer
        process.kill()  # in the middle of the run
        process.wait()

    verdict, division, undo, redo = lines_of(run)
    assert (verdict["what"], verdict["verdict"], verdict["who"]) == ("verdict", "abnormal", "Ada")
    assert (division["what"], division["mother"]["frame"]) == ("no_division", first["frame"] - 1)
    assert verdict["event"] == {
        "mother": division["mother"],
        "frame": first["frame"],
        "event_type": "mitosis",
    }
    assert (undo["line"], redo["line"]) == (division["id"], undo["id"])

    with server(run) as (address, _), opened(browser, address) as page:
        expect(page.locator("#saved")).to_contain_text("2 corrections", timeout=REDONE_MS)
        expect(page.locator("#saved")).to_contain_text("worked in within", timeout=REDONE_MS)
        page.get_by_role("tab", name="Corrections").click()
        rows = page.locator("#panel-corrections .said")
        expect(rows).to_have_count(2)
        expect(rows.filter(has_text="No division of")).to_contain_text("applied")
        expect(rows.filter(has_text=": abnormal")).to_have_count(1)
        expect(page.locator("#panel-corrections .undone")).to_have_count(0)
    assert len(pd.read_csv(run / "tracklets.csv")) < n_cells
    of_mother = events_of(run).query("frame == @first.frame and mother_id == @first.mother_id")
    assert not of_mother["daughter_ids"].str.contains(" ").any()

    fresh = tmp_path / "fresh.lineage"
    fresh.mkdir()
    shutil.copy(run / journal.NAME, fresh)
    result = start(corner, "--out", fresh, "--dose-gy", 4)
    assert result.exit_code == 0, result.output
    assert bytes_of(fresh) == bytes_of(run)


@pytest.fixture
def loose_end(corner, finished, tmp_path) -> Path:
    """The run of a movie in which a cell in the middle of the field is out of sight from half time on."""
    nuclei = read_table(finished / "detections.csv")
    middle = nuclei[["y_px", "x_px"]].max() / 2
    far = np.hypot(nuclei["y_px"] - middle["y_px"], nuclei["x_px"] - middle["x_px"])
    frames = nuclei.groupby("tracklet_id")["frame"]
    whole = (frames.transform("min") < 8) & (frames.transform("max") > 22) & (nuclei["tracklet_id"] > 0)
    cell = nuclei.loc[far[whole & (nuclei["frame"] == 15)].idxmin(), "tracklet_id"]
    with tifffile.TiffFile(corner) as file:
        pixels, metadata = file.asarray(), file.imagej_metadata
    y, x = np.ogrid[: pixels.shape[2], : pixels.shape[3]]
    for row in nuclei[(nuclei["tracklet_id"] == cell) & (nuclei["frame"] >= 15)].to_dict("records"):
        near = np.hypot(y - row["y_px"], x - row["x_px"]) < 14
        dna = pixels[int(row["frame"]), 1]
        dna[near] = np.percentile(dna, 10)
    movie = tmp_path / "corner.tif"
    tifffile.imwrite(
        movie, pixels, imagej=True, resolution=(1 / 1.1518, 1 / 1.1518), metadata=metadata | {"axes": "TCYX"}
    )
    result = start(movie, "--out", tmp_path / "loose.lineage", "--dose-gy", 4)
    assert result.exit_code == 0, result.output
    return tmp_path / "loose.lineage"


def test_what_is_right_is_done(loose_end, browser):
    run = loose_end
    with server(run) as (address, _), added(run) as lines, opened(browser, address) as page:
        kinds = page.get_by_label("Kind", exact=True).locator("option")
        other = next(
            k for k in kinds.evaluate_all("all => all.map(o => o.value)") if k not in ("", "mitosis")
        )
        page.get_by_label("Kind", exact=True).select_option(other)
        saved = page.locator("#saved").inner_text()
        page.keyboard.press("n")
        page.keyboard.press("2")  # no mitosis is at hand, whatever the cell does at another time
        expect(page.locator("#notice")).to_contain_text("verdicts on a mitosis")
        item = page.locator("#panel-worklist .item[aria-current=true]")
        expect(item.locator(".tick")).to_have_text("")
        left = page.locator("#left-to-do").inner_text()
        press_and_save(page, "g")
        expect(item.locator(".tick")).to_have_text("\u2713")
        expect(page.locator("#left-to-do")).not_to_have_text(left)
        expect(page.locator("#saved")).to_have_text(saved)
        page.get_by_role("tab", name="Corrections").click()
        expect(page.locator("#panel-corrections .said").first).to_contain_text("right as it is")
        press_and_save(page, "u")
        expect(page.locator("#left-to-do")).to_have_text(left)

        page.get_by_role("tab", name="Work list").click()
        page.get_by_label("Kind", exact=True).select_option("")
        to_the_first_event(page)
        with undone(page):
            page.keyboard.press("g")  # of a mitosis it is its verdict, said by a person
    right, _, verdict, _ = lines
    assert (right["what"], set(right["nucleus"])) == ("right", {"frame", "y_px", "x_px"})
    assert (verdict["what"], verdict["verdict"]) == ("verdict", events_of(run)["verdict"].iloc[0])


SELECT_LONG_BEFORE_ITS_MITOSIS = """async () => {
    const { state, set } = await import('/static/store.js');
    const { selectNucleus } = await import('/static/find.js');
    const { events, frame } = state.lineage;
    const born = e => state.lineage.first(e.mother);
    const minutes = e => (e.frame - frame[born(e)]) * state.movie.minutes_per_frame;
    const event = events.find(e => e.event_type === "mitosis" && born(e) >= 0 && minutes(e) > 90);
    set({ frame: frame[born(event)] });
    selectNucleus(born(event));
    return state.selected.cell === event.mother;
}"""


def state_of(page: Page, what: str) -> object:
    return page.evaluate(f"async () => (await import('/static/store.js')).state.{what}")


def test_a_verdict_needs_a_mitosis_that_is_near(shared, browser):
    """A cell is not judged long before its mitosis; the mitosis is, from the work list as well."""
    run, _ = shared
    with added(run) as lines, in_peace(browser, shared) as page:
        page.keyboard.press("q")
        page.keyboard.press("q")
        expect(page.locator("#at-hand .verdict")).to_have_count(4)
        expect(page.locator("#at-hand .film canvas")).to_be_visible()
        with undone(page):
            page.locator("#at-hand .verdict").nth(1).click()
        page.keyboard.press("n")  # another item
        assert page.evaluate(SELECT_LONG_BEFORE_ITS_MITOSIS)
        expect(page.locator("#at-hand")).to_be_hidden()
        page.keyboard.press("2")
        expect(page.locator("#notice")).to_contain_text("verdicts on a mitosis")
    assert [line["what"] for line in lines] == ["verdict", "undo"]


def test_an_event_is_played_in_a_loop(shared, browser):
    with in_peace(browser, shared) as page:
        frame = state_of(page, "frame")
        page.keyboard.press("l")
        expect(page.get_by_label("The event in a loop")).to_have_attribute("aria-pressed", "true")
        loop = state_of(page, "loop")
        assert loop["from"] < frame < loop["to"]
        seen = set()
        wait_for(page, lambda: seen.add(state_of(page, "frame")) or {loop["from"], loop["to"]} <= seen)
        assert (min(seen), max(seen)) == (loop["from"], loop["to"])
        page.keyboard.press("l")
        expect(page.get_by_label("The event in a loop")).to_have_attribute("aria-pressed", "false")
        assert state_of(page, "frame") == frame


def test_tools_refuse_what_makes_no_sense(shared, browser):
    run, _ = shared
    with added(run) as lines, in_peace(browser, shared) as page:
        box = page.locator("#movie").bounding_box()
        page.route("**/candidate", lambda _: None)  # the network does not answer yet
        page.keyboard.press("a")
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator("#hint")).to_contain_text("looks")
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_contain_text("still looks")
        page.keyboard.press("Escape")

        page.keyboard.press("ArrowLeft")
        page.keyboard.press("j")  # takes the selected nucleus, and goes one frame on
        page.keyboard.press("i")
        expect(page.locator("#notice")).to_contain_text("one cell already")
    assert not lines


def test_tools_take_what_is_clicked(shared, finished, browser):
    run, _ = shared
    with added(run) as lines, in_peace(browser, shared) as page:
        box = page.locator("#movie").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2  # where the selected nucleus is
        mother = page.locator("#panel-cell h2").inner_text()

        page.keyboard.press("Escape")
        expect(page.locator("#panel-cell h2")).to_have_count(0)
        page.mouse.click(*middle)
        expect(page.locator("#panel-cell h2")).to_have_text(mother)

        with undone(page):  # at once: the run stays as it is
            page.keyboard.press("s")
            page.mouse.move(middle[0] - 60, middle[1])
            page.mouse.down()
            page.mouse.move(middle[0] + 60, middle[1])
            page.mouse.up()
        expect(page.locator("#panel-cell h2")).to_have_text(mother)  # the end of a line is no click
        with undone(page):
            page.keyboard.press("w")
            for dx, dy in ((-40, -40), (40, -40), (0, 40)):
                page.mouse.click(middle[0] + dx, middle[1] + dy)
            page.keyboard.press("Enter")
        # The server may have been quick enough to work in what is undone by now, which numbers cells anew.
        expect(page.locator("#saved")).to_have_class("good", timeout=REDONE_MS)
        expect(page.locator("#panel-cell h2")).to_have_text(mother)
        page.keyboard.press(".")  # another cell
        expect(page.locator("#panel-cell h2")).not_to_have_text(mother)
        with undone(page):
            page.keyboard.press("r")
            page.keyboard.press("Enter")

    split, drawn, false = lines[::2]
    frame = events_of(finished)["frame"].iloc[0] - 1
    assert (false["what"], split["what"], drawn["what"]) == ("false_nuclei", "split_outline", "draw_outline")
    assert false["nuclei"] != [split["nucleus"]]
    assert false["nuclei"][0]["frame"] == split["nucleus"]["frame"] == drawn["frame"] == frame
    (y0, x0), (y1, x1) = split["line"]
    assert x0 < split["nucleus"]["x_px"] < x1
    assert [y0, y1] == pytest.approx([split["nucleus"]["y_px"]] * 2, abs=2)
    assert len(drawn["polygon"]) == 3


def test_daughters_are_taken_one_frame_on(shared, finished, browser):
    run, _ = shared
    with added(run) as lines, in_peace(browser, shared) as page:
        page.keyboard.press("y")  # takes the mother, and goes one frame on
        page.keyboard.press("ArrowDown")
        page.keyboard.press("i")
        page.keyboard.press(".")
        page.keyboard.press("i")
        with undone(page):
            page.keyboard.press("Enter")
    division, _ = lines
    frames = [division["mother"]["frame"], *(d["frame"] for d in division["daughters"])]
    first = int(events_of(finished)["frame"].iloc[0])
    assert (division["what"], frames) == ("division", [first - 1, first, first])


def test_a_page_that_is_for_looking_has_no_tools(run, browser):
    name = "<img src=x onerror=alert(1)>"
    place = {"frame": 3, "y_px": 20, "x_px": 20}
    line = make({"what": "no_division", "mother": place}, who=name, why="<b>no</b>")
    journal.append(run / journal.NAME, line)
    with server(run, "--read-only") as (address, _), opened(browser, address, name=None) as page:
        to_the_first_event(page)
        expect(page.locator("#toolbar [data-view]")).not_to_have_count(0)
        expect(page.locator("#toolbar [data-tool]")).to_have_count(0)
        expect(page.locator("#panel-cell .right")).to_have_count(0)
        page.keyboard.press("r")
        expect(page.locator("#hint")).to_be_hidden()
        for key in ("2", "g", "u"):
            page.keyboard.press(key)
        expect(page.locator("#notice")).not_to_have_text("")
        page.get_by_role("tab", name="Corrections").click()  # names are shown as they are
        expect(page.locator("#panel-corrections .said")).to_contain_text(name)
        expect(page.locator("#panel-corrections .said")).to_contain_text("<b>no</b>")
        expect(page.locator("#panel-corrections button")).to_have_count(1)
        expect(page.locator("img")).to_have_count(0)
    assert [x["id"] for x in lines_of(run)] == [line.id]
