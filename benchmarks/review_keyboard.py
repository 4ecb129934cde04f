"""How fast a run is corrected by keyboard: `python benchmarks/review_keyboard.py RUN_DIR` (needs playwright).

A script presses the keys in a real browser, on a copy of the run. It waits for what a person would wait
for: the next item and its frame are shown before it judges, and the page shows what was said before it goes
on. It does not think, so the figures say what the page takes, not what a person needs. The run is redone
beside it as always. Frames are timed from the key to the picture on the canvas.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from playwright.sync_api import sync_playwright

from lineage.io.integrity import read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

SHOWN = "async ([frame]) => document.getElementById('movie').dataset.frame === String(frame)"
STATE = "async () => { const { state } = await import('/static/store.js'); return %s }"
VERDICTS = "213"  # pressed in turns: abnormal, normal, not a mitosis


def ask(page: Page, expression: str) -> object:
    """A value of the page's state."""
    return page.evaluate(STATE % expression)


@contextmanager
def copied(run: Path) -> Iterator[Path]:
    """A copy without corrections."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(run, Path(folder) / run.name))
        (copy / "corrections.jsonl").unlink(missing_ok=True)
        yield copy


@contextmanager
def served(run: Path) -> Iterator[str]:
    """The address of a server on a run."""
    command = [sys.executable, "-m", "lineage.review", str(run), "--no-browser", "--who", "benchmark"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait()


@contextmanager
def opened(address: str, browser: str | None) -> Iterator[Page]:
    """The page, once it shows a frame."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.wait_for_selector("#name-dialog[open]")
        page.keyboard.press("Enter")  # the name as it is
        page.wait_for_selector("#movie[data-frame]")
        page.wait_for_selector("#panel-worklist .item")
        yield page
        chromium.close()


def to_first(page: Page) -> int:
    """Begin the list of all mitoses, done or not; how many there are."""
    page.get_by_role("button", name="All events").click()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_label("Kind").select_option("mitosis")
    page.evaluate("async () => (await import('/static/store.js')).set({ item: null })")
    to_next(page)
    return int(str(ask(page, "state.lineage.events.filter(e => e.event_type === 'mitosis').length")))


def to_next(page: Page) -> None:
    """The next item, and its frame on the screen."""
    page.keyboard.press("n")
    shown(page)


def shown(page: Page) -> None:
    """Wait until the frame that is wanted is on the screen."""
    page.wait_for_function(SHOWN, arg=[ask(page, "state.frame")], polling="raf")


def say(page: Page, *keys: str) -> bool:
    """Press keys until the page shows one line more; whether it does."""
    n = ask(page, "state.corrections.lines.length")
    for key in keys:
        page.keyboard.press(key)
    for _ in range(200):
        if ask(page, "state.corrections.lines.length") != n:
            return True
        page.wait_for_timeout(5)
    page.keyboard.press("Escape")
    return False


def verdicts(page: Page, i: int) -> bool:
    """A verdict, and on to the next."""
    said = say(page, VERDICTS[i % 3])
    to_next(page)
    return said


def mixed(page: Page, i: int) -> bool:
    """A verdict, no division, a cut, an undo, right, and a mitosis, in turns."""
    kinds = [("2",), ("Shift+Y", "Enter"), ("x", "Enter"), ("u",), ("g",), ("m", "1")]
    said = say(page, *kinds[i % len(kinds)])
    to_next(page)
    return said


def measure(page: Page, name: str, act: Callable[[Page, int], bool], n: int) -> None:
    """A row: how many lines a minute."""
    n = min(n, to_first(page) - 1)
    start, times, said = time.perf_counter(), [], 0
    for i in range(n):
        began = time.perf_counter()
        said += act(page, i)
        times.append(1000 * (time.perf_counter() - began))
    minutes = (time.perf_counter() - start) / 60
    print(
        f"{name:<40} {said:6d} {said / minutes:8.0f} {np.median(times):8.0f} {np.percentile(times, 95):8.0f}"
    )


def frames(page: Page, n: int) -> None:
    """A row: milliseconds from the key to the picture."""
    page.keyboard.press("z")
    page.keyboard.press("Home")
    shown(page)
    for name, key in (("frame, first time", "ArrowRight"), ("frame, seen before", "ArrowLeft")):
        times = []
        for _ in range(n):
            began = time.perf_counter()
            page.keyboard.press(key)
            shown(page)
            times.append(1000 * (time.perf_counter() - began))
        print(f"{name:<40} {n:6d} {'':8} {np.median(times):8.0f} {np.percentile(times, 95):8.0f}")


def main() -> None:
    """Copy the run, press the keys, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--n", type=int, default=60, help="corrections, at most one an event")
    parser.add_argument("--browser", default=shutil.which("chromium"))
    args = parser.parse_args()
    n_frames = read_record(args.run)["video"]["n_frames"]
    print(f"{'':<40} {'n':>6} {'a minute':>8} {'ms':>8} {'ms, 95 %':>8}")
    with copied(args.run) as run, served(run) as address, opened(address, args.browser) as page:
        frames(page, min(args.n, n_frames - 1))
        measure(page, "verdicts: key, next item", verdicts, args.n)
    with copied(args.run) as run, served(run) as address, opened(address, args.browser) as page:
        measure(page, "mixed corrections: keys, next item", mixed, args.n)


if __name__ == "__main__":
    main()
