"""The page of the review in a real browser: looked at, corrected, killed and opened again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from lineage.command import app
from lineage.corrections import journal
from lineage.corrections.lines import make

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect  # waits until it is so
pytest.importorskip("fastapi", reason="the extra `review` is not installed")

EXAMPLES = Path(__file__).parents[1] / "examples"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
FRAMES, ROWS, COLUMNS = 30, slice(160, 400), slice(60, 300)  # a corner of the example, with seven mitoses


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("review")
    pixels = tifffile.imread(EXAMPLES / "demo.tif")[:FRAMES, :, ROWS, COLUMNS]
    tifffile.imwrite(
        folder / "corner.tif", pixels, imagej=True, resolution=(1 / 1.1518, 1 / 1.1518),
        metadata={"axes": "TCYX", "unit": "um", "finterval": 600, "Labels": ["phase", "SiR-DNA"] * FRAMES},
    )  # fmt: skip
    result = CliRunner().invoke(app, [str(folder / "corner.tif"), "--out", str(folder / "corner.lineage")])
    assert result.exit_code == 0, result.output
    return folder / "corner.lineage"


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A copy of its own for each test."""
    return Path(shutil.copytree(finished, tmp_path / finished.name))


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
    page = context.new_page()
    page.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: troubles.append(error.message))
    own = urlsplit(address).netloc
    page.on("request", lambda r: troubles.append(r.url) if urlsplit(r.url).netloc != own else None)
    page.goto(address)
    if name:
        page.get_by_label("Your name", exact=True).fill(name)
        page.keyboard.press("Enter")
    page.wait_for_selector("#movie[data-frame]")
    page.wait_for_selector("#panel-worklist .list .item, #panel-worklist .left:has-text('Nothing')")
    yield page
    context.close()
    assert not troubles


@contextmanager
def saved(page: Page) -> Iterator[None]:
    """What is done within makes a line, and the server has written it."""
    with page.expect_response(lambda r: r.request.method == "POST", timeout=8000) as answer:
        yield
    assert answer.value.status == 200, answer.value.text()


def press_and_save(page: Page, key: str) -> None:
    with saved(page):
        page.keyboard.press(key)


def lines_of(run: Path) -> list[dict]:
    return [json.loads(text) for text in (run / journal.NAME).read_text(encoding="utf-8").splitlines()]


def to_the_first_event(page: Page) -> None:
    page.get_by_role("button", name="All events").click()
    page.keyboard.press("n")
    page.keyboard.press("q")
    page.wait_for_selector("#panel-cell .verdict")


def test_what_is_corrected_by_keyboard_outlives_the_server(run, browser):
    first = pd.read_csv(run / "events.csv").iloc[0]
    assert (first["verdict"], first["event_type"]) == ("normal", "mitosis")
    with server(run) as (address, process):
        with opened(browser, address) as page:
            assert "token" not in page.url
            to_the_first_event(page)
            expect(page.locator("#panel-cell .verdict.normal")).to_have_attribute("aria-pressed", "true")
            press_and_save(page, "2")
            expect(page.locator("#panel-cell .verdict.abnormal")).to_have_attribute("aria-pressed", "true")
            page.keyboard.press("Shift+Y")
            expect(page.locator("#hint")).to_contain_text("Enter: this division is none")
            press_and_save(page, "Enter")
            press_and_save(page, "u")
            press_and_save(page, "Shift+U")
        process.kill()

    verdict, division, undo, redo = lines_of(run)
    assert (verdict["what"], verdict["verdict"], verdict["who"]) == ("verdict", "abnormal", "Ada")
    assert verdict["event"]["frame"] == first["frame"]
    assert verdict["event"]["mother"] == division["mother"]
    assert division["mother"]["frame"] == first["frame"] - 1
    assert (undo["line"], redo["line"]) == (division["id"], undo["id"])
    said = journal.read(run / journal.NAME)
    assert [line.what for line in said.standing] == ["verdict", "no_division"]

    with server(run) as (address, _), opened(browser, address) as page:
        page.get_by_role("tab", name="Corrections").click()
        rows = page.locator("#panel-corrections .said")
        expect(rows).to_have_count(2)
        expect(rows.nth(0)).to_contain_text("No division at")
        expect(rows.nth(1)).to_contain_text("is abnormal")
        expect(page.locator("#panel-corrections .undone")).to_have_count(0)


def test_tools_take_what_is_clicked(run, browser):
    with server(run) as (address, _), opened(browser, address) as page:
        to_the_first_event(page)
        box = page.locator("#movie").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2  # where the selected nucleus is
        mother = page.locator("#panel-cell h2").inner_text()

        page.keyboard.press("Escape")
        expect(page.locator("#panel-cell h2")).to_have_count(0)
        page.mouse.click(*middle)
        expect(page.locator("#panel-cell h2")).to_have_text(mother)

        page.keyboard.press(".")  # another cell: what is said of it changes nothing here
        page.keyboard.press("r")
        press_and_save(page, "Enter")
        page.keyboard.press("s")
        page.mouse.move(middle[0] - 60, middle[1])
        page.mouse.down()
        page.mouse.move(middle[0] + 60, middle[1])
        with saved(page):
            page.mouse.up()
        page.keyboard.press("w")
        for dx, dy in ((-40, -40), (40, -40), (0, 40)):
            page.mouse.click(middle[0] + dx, middle[1] + dy)
        press_and_save(page, "Enter")

    false, split, drawn = lines_of(run)
    frame = pd.read_csv(run / "events.csv")["frame"].iloc[0] - 1
    assert (false["what"], split["what"], drawn["what"]) == ("false_nuclei", "split_outline", "draw_outline")
    assert false["nuclei"] != [split["nucleus"]]
    assert false["nuclei"][0]["frame"] == split["nucleus"]["frame"] == drawn["frame"] == frame
    (y0, x0), (y1, x1) = split["line"]
    assert x0 < split["nucleus"]["x_px"] < x1
    assert [y0, y1] == pytest.approx([split["nucleus"]["y_px"]] * 2, abs=2)
    assert len(drawn["polygon"]) == 3


def test_daughters_are_taken_one_frame_on(run, browser):
    with server(run) as (address, _), opened(browser, address) as page:
        to_the_first_event(page)
        page.keyboard.press("y")  # takes the mother, and goes one frame on
        page.keyboard.press("ArrowDown")
        page.keyboard.press("i")
        page.keyboard.press(".")
        page.keyboard.press("i")
        press_and_save(page, "Enter")
    (line,) = lines_of(run)
    frames = [line["mother"]["frame"], *(d["frame"] for d in line["daughters"])]
    first = int(pd.read_csv(run / "events.csv")["frame"].iloc[0])
    assert (line["what"], frames) == ("division", [first - 1, first, first])


def test_a_page_that_is_for_looking_has_no_tools(run, browser):
    with server(run, "--read-only") as (address, _), opened(browser, address, name=None) as page:
        to_the_first_event(page)
        expect(page.locator("#toolbar [data-view]")).not_to_have_count(0)
        expect(page.locator("#toolbar [data-tool]")).to_have_count(0)
        page.keyboard.press("2")
        page.keyboard.press("r")
        expect(page.locator("#hint")).to_be_hidden()
        expect(page.locator("#notice")).to_contain_text("only shows")
    assert not (run / journal.NAME).exists()


def test_names_are_shown_as_they_are(run, browser):
    name = "<img src=x onerror=alert(1)>"
    place = {"frame": 3, "y_px": 20, "x_px": 20}
    journal.append(
        run / journal.NAME, make({"what": "no_division", "mother": place}, who=name, why="<b>no</b>")
    )
    with server(run) as (address, _), opened(browser, address) as page:
        page.get_by_role("tab", name="Corrections").click()
        expect(page.locator("#panel-corrections .said")).to_contain_text(name)
        expect(page.locator("#panel-corrections .said")).to_contain_text("<b>no</b>")
        expect(page.locator("img")).to_have_count(0)
