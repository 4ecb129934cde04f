"""Pages of small worlds, written as a run writes them, and read by an HTML parser."""

from __future__ import annotations

import re
from functools import cached_property
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import tifffile
import worlds
from test_tree import NOTHING, annotate, event_table
from worlds import as_lineage, divisions

from lineage.report import write_report
from lineage.schema import EventType, FrameQuality, MitosisEvent

N_FRAMES = 40


class Page(HTMLParser):
    """The elements of a page, each with its attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @cached_property
    def articles(self) -> dict[int, tuple[str, str]]:
        """Event -> the classes of its article, and the article's text, in order of the page."""
        found = re.findall(
            r'<article class="event ([^"]*)" id="event-(\d+)".*?</article>', self.html, re.DOTALL
        )
        texts = re.findall(r"<article.*?</article>", self.html, re.DOTALL)
        return {int(i): (c, Page(t).text) for (c, i), t in zip(found, texts, strict=True)}

    def having(self, name, **attributes):
        return [a for tag, a in self.elements if tag == name and attributes.items() <= a.items()]


def quality(unusable=()):
    frames = np.arange(N_FRAMES)
    table = pd.DataFrame({"frame": frames, "time_min": frames * worlds.MINUTES})
    table["usable"] = ~table["frame"].isin(unusable)
    table["reason"] = np.where(table["usable"], "", "blank")
    for column in ("mean_intensity", "saturated_fraction", "focus", "drift_y_px", "drift_x_px"):
        table[column] = 0.0
    return FrameQuality(table)


def run_of(**changes):
    video = {
        "path": "/d/world.tif",
        "name": "world.tif",
        "n_frames": N_FRAMES,
        "shape": list(worlds.SHAPE),
        "channels": ["phase", "SiR-DNA"],
        "pixel_size_um": worlds.PIXEL_UM,
        "minutes_per_frame": worlds.MINUTES,
        "assumed": [],
        "notes": [],
    }
    run = {
        "lineage": "0.1.0",
        "video": video,
        "settings": {},
        "versions": {},
        "stages": {},
        "warnings": [],
        "dose_gy": None,
        "light": None,
        "notes": {},
    }
    return run | {k: v for k, v in changes.items() if k in run} | {"video": video | changes.get("video", {})}


def write_page(
    folder,
    lineage,
    events,
    predictions=NOTHING,
    *,
    flags=None,
    unusable=(),
    n_frames=N_FRAMES,
    spoilt=None,
    **run,
):
    """The page of a lineage and its events, with a crop for every event but event 8.

    `spoilt` says of which events the crop is damaged, and by what.
    """
    table = event_table(
        lineage,
        events,
        predictions,
        side_um={e.event_id: 80.0 for e in events},
        flags=flags or {},
    )
    (folder / "crops").mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for event_id in set(table["event_id"]) - {8}:
        pixels = rng.integers(1, 255, (12, 2, 32, 32), np.uint8)
        tifffile.imwrite(folder / f"crops/event_{event_id:04d}.tif", pixels, imagej=True)
    for event_id, spoil in (spoilt or {}).items():
        spoil(folder / f"crops/event_{event_id:04d}.tif")
    write_report(
        folder / "report.html",
        tree=annotate(lineage, events, predictions, n_frames=n_frames),
        detections=lineage.detections,
        events=table,
        quality=quality(unusable),
        crops_dir=folder / "crops",
        run=run_of(**run),
    )
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def page_of(folder, world, predictions=NOTHING, **settings):
    """The page of a world, whose event 7 has two flags."""
    lineage = as_lineage(world())
    flags = {7: "square_padded no_phase"}
    return write_page(folder, lineage, divisions(lineage), predictions, flags=flags, **settings)


def page_of_every_verdict(folder):
    """The page of every kind of mitosis under every prediction, a fusion and a death."""
    lineage, events, predictions = worlds.every_verdict()
    position = {"y_px": 100.0, "x_px": 100.0, "y_um": 200.0, "x_um": 200.0, "source": "world"}
    events += [
        MitosisEvent(90, 11, (), 15, **position, event_type=EventType.DEATH),
        MitosisEvent(91, 12, (), 15, **position, event_type=EventType.FUSION),
    ]
    return write_page(folder, lineage, events, predictions)
