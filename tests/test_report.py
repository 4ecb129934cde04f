"""What the report promises: one page that needs nothing beside it and says what was found."""

from __future__ import annotations

import re
from functools import cached_property
from html.parser import HTMLParser
from itertools import pairwise

import movies
import numpy as np
import pandas as pd
import pytest
import tifffile
import worlds
from test_tree import NOTHING, annotate, event_table
from worlds import as_lineage, divisions, predictions_of

from conftest import BY_HAND as WEIGHTS
from lineage.mitosis import crops, verdict
from lineage.report import write_report
from lineage.report.cards import doubt
from lineage.report.forest import columns, forest, lone_strip, split
from lineage.report.strips import film_strip, montage
from lineage.report.svg import BLUE, VERMILLION
from lineage.report.words import FLAGS, limits
from lineage.schema import EventType, Flag, FrameQuality, MitosisEvent

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
        if tag not in ("meta", "br"):
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
    run = {"video": video, "settings": {}, "versions": {}, "stages": {}, "warnings": [], "dose_gy": None}
    return run | {k: v for k, v in changes.items() if k in run} | {"video": video | changes.get("video", {})}


@pytest.fixture
def write(tmp_path):
    """A lineage and its events -> the page of its report, with a crop for every event but event 8."""

    def write(lineage, events, predictions=NOTHING, *, flags=None, unusable=(), n_frames=N_FRAMES, **run):
        table = event_table(
            lineage,
            events,
            predictions,
            side_um={e.event_id: 80.0 for e in events},
            flags=flags or {},
        )
        (tmp_path / "crops").mkdir(exist_ok=True)
        rng = np.random.default_rng(0)
        for event_id in set(table["event_id"]) - {8}:
            pixels = rng.integers(1, 255, (12, 2, 32, 32), np.uint8)
            tifffile.imwrite(tmp_path / f"crops/event_{event_id:04d}.tif", pixels, imagej=True)
        write_report(
            tmp_path / "report.html",
            tree=annotate(lineage, events, predictions, n_frames=n_frames),
            detections=lineage.detections,
            events=table,
            quality=quality(unusable),
            crops_dir=tmp_path / "crops",
            run=run_of(**run),
        )
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return write


@pytest.fixture
def report(write):
    """World -> the page of its report."""

    def of(world, predictions=NOTHING, **settings):
        lineage = as_lineage(world())
        return write(
            lineage, divisions(lineage), predictions, flags={7: "square_padded no_phase"}, **settings
        )

    return of


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_report_of_every_world_stands_alone(report, world):
    page = report(world)

    assert page.open == []
    assert not page.having("link")
    assert not [a for a in page.having("script") if "src" in a]
    loaded = [a.get("href", a.get("src", "")) for tag, a in page.elements if tag in ("image", "img")]
    assert all(source.startswith("data:image/jpeg;base64,") for source in loaded)
    for link in page.having("a"):
        assert re.match(r"#|https://doi\.org/", link["href"])
    targets = {a["id"] for _, a in page.elements if "id" in a}
    assert {link["href"][1:] for link in page.having("a") if link["href"][0] == "#"} <= targets


def test_report_shows_each_event_with_its_verdict(report):
    page = report(worlds.two_generations, predictions_of({7: (0.25, 0.75), 8: (0.875, 0.125)}), dose_gy=5.0)

    assert "world.tif, 5 Gy" in page.text
    abnormal, normal = page.having("article", id="event-7")[0], page.having("article", id="event-8")[0]
    assert abnormal["class"] == "event abnormal"
    assert normal["class"] == "event normal"
    assert "p(abnormal) 0.75" in page.text
    assert "beyond the image's edge" in page.text
    assert "cell 1 → 2 + 3" in page.text
    assert len(page.having("image")) == 1
    assert "There is no crop of this event." in page.text
    assert "−30" in page.text
    assert "20 µm" in page.text


def test_report_puts_assumptions_and_warnings_first(report):
    quiet = report(worlds.lone_cell)
    assert not quiet.having("section", **{"class": "caution"})

    page = report(
        worlds.lone_cell,
        unusable=[3, 4],
        video={"assumed": ["Pixel size: 1.1518 is taken."]},
        warnings=["The solver stopped early.", "Pixel size: 1.1518 is taken."],
    )

    assert page.text.index("Pixel size: 1.1518") < page.text.index("founders")
    assert page.text.count("Pixel size: 1.1518") == 1
    assert "The solver stopped early." in page.text
    assert "2 frames could not be used" in page.text
    assert page.having("rect", **{"class": "unusable"})


def test_report_of_nothing_says_so(report):
    page = report(worlds.empty)

    assert "No nuclei were found in this movie" in page.text


def test_report_of_no_mitosis_says_so(report):
    assert "No mitosis was proposed" in report(worlds.lone_cell).text


def test_report_does_not_run_what_it_quotes(report):
    evil = "<script>alert(1)</script>"

    page = report(
        worlds.one_division,
        video={"name": evil, "channels": [evil]},
        warnings=[evil],
        settings={"a": {evil: evil}},
    )

    assert len(page.having("script")) == 1
    assert evil in page.text


def test_rejected_proposals_are_listed_but_not_counted_or_drawn(report):
    rejected = predictions_of({7: (0.1, 0.1, 0.8)}, ("normal", "abnormal", "none"))
    assert report(worlds.one_division).having("a", href="#event-7")

    page = report(worlds.one_division, rejected)

    assert page.having("article", id="event-7")[0]["class"] == "event not_a_mitosis"
    assert "rejected proposals 1" in page.text
    assert not page.having("a", href="#event-7")
    assert "0 mitoses" in page.text


def test_report_is_written_whole_or_not_at_all(report, tmp_path):
    report(worlds.lone_cell)
    before = (tmp_path / "report.html").read_bytes()

    with pytest.raises(ValueError, match="events lacks"):
        write_report(
            tmp_path / "report.html",
            tree=annotate(as_lineage(worlds.lone_cell())),
            detections=as_lineage(worlds.lone_cell()).detections,
            events=pd.DataFrame({"event_id": [1]}),
            quality=quality(),
            crops_dir=tmp_path,
            run=run_of(),
        )

    assert (tmp_path / "report.html").read_bytes() == before
    assert not list(tmp_path.glob(".report*"))


def number(pattern, text):
    """The number in the one place of `text` that looks like `pattern`."""
    (found,) = re.findall(pattern, text)
    return int(found)


def marks(page, shape):
    """Events that the forest marks with a shape; its marks are links."""
    pairs = pairwise([(tag, a) for tag, a in page.elements if tag != "title"])
    links = [(a["href"], after) for (tag, a), (after, _) in pairs if tag == "a"]
    return {int(href[7:]) for href, after in links if href.startswith("#event-") and after == shape}


@pytest.fixture
def everything(write):
    """The page of every kind of mitosis under every prediction, a fusion and a death."""
    lineage, events, predictions = worlds.every_verdict()
    place = {"y_px": 100.0, "x_px": 100.0, "y_um": 200.0, "x_um": 200.0, "source": "world"}
    events += [
        MitosisEvent(90, 11, (), 15, **place, event_type=EventType.DEATH),
        MitosisEvent(91, 12, (), 15, **place, event_type=EventType.FUSION),
    ]
    return write(lineage, events, predictions)


def test_the_numbers_at_the_top_are_those_that_can_be_counted_below(everything):
    page = everything
    top, below = page.text.split("Counts over time", 1)
    top = top[top.index("frames, ") :]
    of_class = {
        name: {event for event, (classes, _) in page.articles.items() if name in classes.split()}
        for name in ("normal", "abnormal", "undecided", "not_a_mitosis")
    }
    counts = {name: len(events) for name, events in of_class.items()}
    assert counts == {"normal": 1, "abnormal": 23, "undecided": 9, "not_a_mitosis": 8}
    shown = of_class["normal"] | of_class["abnormal"] | of_class["undecided"]

    # The headline, the buttons and the ends of the curves.
    assert number(r"(\d+) mitoses", top) == len(shown) == number(r"all (\d+)", below)
    for name in ("normal", "abnormal", "undecided"):
        assert number(rf"(\d+) {name}", top) == counts[name] == number(rf"\b{name} (\d+)", below)
    assert number(r"rejected proposals (\d+)", below) == counts["not_a_mitosis"]
    ends = [int(t) for t in re.findall(r'class="end">(\d+)<', page.html)]
    assert ends == [counts["normal"], counts["abnormal"], counts["undecided"]]
    assert number(r"abnormal, (\d+) % of the 9 classified and decided", top) == round(100 * 8 / 9)

    # The forest's marks, each with its shape.
    assert marks(page, "path") == of_class["abnormal"]
    assert marks(page, "circle") == of_class["normal"] | of_class["undecided"]

    # Of which the classifier gave no class.
    without = {e for e in of_class["abnormal"] if "the classifier says abnormal" not in page.articles[e][1]}
    assert number(r"(\d+) of them not classified", top) == len(without) == 15

    # Kinds.
    kinds = re.findall(r"(\d+) abnormal \(([^)]*)\)", below)
    ((n, named),) = [(n, named) for n, named in kinds if "tripolar" in named]
    assert int(n) == sum(map(int, re.findall(r"\d+", named))) == counts["abnormal"]
    for kind, k in re.findall(r"([a-z ]+) (\d+)", named):
        headed = f"abnormal: {kind.strip()}"
        found = [e for e in of_class["abnormal"] if page.articles[e][1].startswith(headed)]
        assert len(found) == int(k) or kind.strip() == "of no told kind", kind

    # Cells, founders and what is no mitosis.
    cells = set(re.findall(r"Cell (\d+), generation", page.html))
    assert number(r"(\d+) cells", top) == len(cells)
    families, alone = number(r"(\d+) lineages? with a mitosis", below), number(r"(\d+) cells? alone", below)
    assert (
        number(r"(\d+) founders", top)
        == families + alone
        == len(set(re.findall(r"founder (\d+)", page.html)))
    )
    assert "2 fusions and deaths" in below


def test_each_event_shows_what_was_seen_and_what_the_classifier_says(everything):
    words = {event: text for event, (_, text) in everything.articles.items()}
    kinds = list(worlds.SUBTYPES)
    first = {kind: 7 + 5 * kinds.index(kind) for kind in kinds}  # under `normal`, then the other predictions
    said = "the classifier says"
    for kind, k, begins in (
        ("normal", 0, f"normal p 0.07: classifier 0.07 {said} normal, p(abnormal) 0.07"),
        ("normal", 1, f"abnormal p 0.90: classifier 0.90 {said} abnormal, p(abnormal) 0.90"),
        ("normal", 3, f"undecided p 0.27: contradicted, classifier none 0.70 {said} no mitosis, p(abnormal)"),
        ("normal", 4, "undecided p 0.27: not classified not classified"),
        ("tripolar", 0, "undecided p 0.60: contradicted, three daughters, classifier 0.07"),
        ("tripolar", 1, "abnormal: tripolar p 0.99: three daughters, classifier 0.90"),
        ("tripolar", 2, f"rejected classifier none 0.80 {said} no mitosis"),
        ("tripolar", 3, "abnormal: tripolar p 0.88: three daughters, contradicted, classifier none 0.70"),
        ("slippage", 4, "abnormal: slippage p 0.82: never separated, not classified"),
    ):
        assert words[first[kind] + k].startswith(begins), words[first[kind] + k]


def test_the_first_screen_says_how_far_verdicts_can_be_trusted(everything, write, monkeypatch):
    top = everything.text.split("Counts over time", 1)[0]
    assert limits(verdict.load().get("held_out")) in top
    told_of = {"n": 41, "sensitivity": 0.75, "specificity": 0.5, "undecided": 0.125, "lines": ["PC3"]}
    monkeypatch.setattr(verdict, "load", lambda: WEIGHTS | {"held_out": told_of | {"minutes_per_frame": 10}})
    lineage = as_lineage(worlds.one_division())
    top = write(lineage, divisions(lineage)).text.split("Counts over time", 1)[0]
    assert "On 41 held-out mitoses of PC3 at 10 min a frame, of the abnormal 75 %" in top
    monkeypatch.setattr(verdict, "load", lambda: {k: v for k, v in WEIGHTS.items() if k != "held_out"})
    assert "was not measured" in write(lineage, divisions(lineage)).text.split("Counts over time", 1)[0]


def test_the_forest_has_the_colours_of_the_verdicts(everything):
    """Also the bar from a mother to her daughters, and the words at a mark."""
    tripolar = r"<title>Mitosis 12: undecided\np 0\.60: contradicted, three daughters, classifier 0\.07\n"
    assert re.search(tripolar + r"the classifier says normal, p\(abnormal\) 0\.07", everything.html)
    lineage = as_lineage(worlds.three_daughters())
    predictions = predictions_of({7: (0.7, 0.3)})
    events = event_table(lineage, predictions=predictions)
    assert events["mitosis_class"].tolist() == ["normal"]
    drawn = "".join(forest(annotate(lineage, predictions=predictions), events))
    assert VERMILLION in drawn
    assert BLUE not in drawn


# --- What to look at first


def event_of(**changes):
    return {"verdict": "normal", "p_verdict": 0.1, "p_none": 0.0, "confidence": 9.0} | changes


def test_most_doubtful_are_the_undecided_then_what_is_near_one_half_then_what_the_tracking_doubts():
    nan = float("nan")
    in_order = [
        event_of(verdict="undecided", p_verdict=0.45),
        event_of(verdict="undecided", p_verdict=0.27, p_none=nan),
        event_of(verdict="undecided", p_verdict=0.27, p_none=0.95),  # the tracking overrules it
        event_of(verdict="not_a_mitosis", p_verdict=nan, p_none=0.55),
        event_of(p_none=0.4),
        event_of(verdict="abnormal", p_verdict=0.7),
        event_of(confidence=nan),
        event_of(confidence=1.0),
        event_of(),
        event_of(p_verdict=0.01, confidence=0.1),
    ]
    assert sorted(in_order[1:] + in_order[:1], key=doubt) == in_order


def test_the_page_can_be_sorted_by_doubt(everything):
    ranks = {int(a["id"][6:]): int(a["data-doubt"]) for a in everything.having("article")}
    assert sorted(ranks.values()) == list(range(len(ranks)))
    undecided = {e for e, (classes, _) in everything.articles.items() if "undecided" in classes}
    assert len(undecided) == 9
    assert {e for e, rank in ranks.items() if rank < 9} == undecided


# --- What is to be wary of


def test_every_flag_is_explained_where_it_is_shown(write):
    lineage = as_lineage(worlds.one_division())
    page = write(lineage, divisions(lineage), flags={7: " ".join(Flag)})

    for flag in Flag:
        words, meaning = FLAGS[flag]
        assert words in page.articles[7][1]
        assert [a for a in page.having("span", **{"class": "flag"}) if a["title"] == meaning]
        # Paper has no mouse.
        assert meaning in page.text
        assert flag in page.text.split("</article>")[0]


def test_flags_that_no_event_has_are_not_explained(report):
    page = report(worlds.one_division)
    assert FLAGS[Flag.SQUARE_PADDED][1] in page.text
    assert FLAGS[Flag.FRAME_REPLACED][1] not in page.text


# --- The forest


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_every_cell_is_drawn_once(world):
    lineage = as_lineage(world())
    tree = annotate(lineage)
    events = event_table(lineage)

    drawn = "".join(forest(tree, events) + lone_strip(tree, events))

    assert sorted(map(int, re.findall(r"<title>Cell (\d+),", drawn))) == sorted(tree)
    assert len(re.findall(r"#event-", drawn)) == len(events)


def test_no_two_cells_share_a_place_at_the_same_time():
    for world in worlds.WORLDS:
        tree = annotate(as_lineage(world()))
        for family in split(tree, [])[0]:
            at = columns(tree, family)
            for a in family:
                for b in family:
                    together = tree.nodes[a]["first_frame"] == tree.nodes[b]["first_frame"]
                    assert a == b or not together or at[a] != at[b]


def test_mother_of_an_event_without_daughters_is_not_folded_away():
    tree = annotate(as_lineage(worlds.lone_cell()))

    assert split(tree, []) == ([], [1])
    assert split(tree, [1]) == ([[1]], [])


# --- Film strips


def test_montage_leaves_out_a_missing_phase_and_stretches_each_channel_over_all_frames():
    pixels = np.full((12, 2, 8, 8), 100, np.uint16)
    pixels[:, 1] = 10
    pixels[3, 1, 2:5, 2:5] = 1000
    assert montage(pixels, 8).shape == (16, 96)
    pixels[:, 0] = 0

    image = montage(pixels, 8)

    assert image.shape == (8, 96)
    assert image[:, 24:32].max() == 255
    assert image[:, :24].max() == 0


@pytest.fixture
def strip(tmp_path):
    """A crop around (y, x) of a movie of 200 x 300 px -> its strip."""

    def draw(y_um, x_um=150.0, **drift):
        video = movies.movie(np.full((40, 2, 200, 300), 100, np.uint8))
        crop = crops.CropWindow(1, y_um, x_um, 60.0, tuple(range(3, 15)), ())
        crops.write(video, movies.fine(40, **drift), [crop], tmp_path / "crops", size_px=30)
        return film_strip(tmp_path / "crops" / crops.name(1), side_um=60.0, tile_px=30)

    return draw


def outside(svg):
    """Outlines of what a strip marks as outside the image."""
    (path,) = re.findall(r'<path d="([^"]*)" class="outside"', svg)
    return path.split("M")[1:]


def test_a_strip_hatches_what_lies_outside_the_image(strip):
    assert 'class="outside"' not in strip(100.0)

    outlines = outside(strip(9.5))

    # Of 30 rows of a tile of 90 the first 10: two channels, twelve frames, each a frame with a hole.
    assert len(outlines) == 2 * 2 * 12
    assert outlines[:2] == ["58.0 10.0h90.0v90.0h-90.0z", "58.0 40.0h90.0v60.0h-90.0z"]


def test_what_is_hatched_follows_the_stage(strip):
    drift = np.stack([20.0 * (np.arange(40) >= 14), np.zeros(40)], axis=1)
    outlines = outside(strip(9.5, drift_px=drift))
    assert len(outlines) == 2 * 2 * 11
    assert not any(outline.startswith(f"{58.0 + 11 * 90:.1f}") for outline in outlines)


def test_a_frame_that_shows_nothing_of_the_image_is_hatched_whole(strip):
    drift = np.stack([-100.0 * (np.arange(40) == 3), np.zeros(40)], axis=1)
    assert outside(strip(60.5, drift_px=drift)) == [
        "58.0 10.0h90.0v90.0h-90.0z",
        "58.0 100.0h90.0v90.0h-90.0z",
    ]


def test_padding_does_not_change_the_contrast_of_the_image():
    pixels = np.full((12, 2, 8, 8), 100, np.uint16)
    pixels[:, :, 4:] = 200
    pixels[:, :, :2] = 60000
    inside = np.zeros((12, 8, 8), bool)
    inside[:, 2:] = True
    image = montage(np.where(inside[:, None], pixels, 0), 8)
    assert (image[2:4].max(), image[4:8].min(), image[:2].max()) == (0, 255, 0)
