"""What the report promises: one complete page, which says what was found and how far to trust it."""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise

import pandas as pd
import pytest
import worlds
from damaged_crops import DAMAGES
from pages import page_of, page_of_every_verdict, quality, run_of, write_page
from test_tree import annotate
from worlds import as_lineage, divisions, predictions_of

from conftest import BY_HAND as WEIGHTS
from lineage.mitosis import verdict
from lineage.report import write_report
from lineage.report.cards import doubt
from lineage.report.words import FLAGS, limits
from lineage.schema import Flag


@pytest.fixture
def write(tmp_path):
    """A lineage and its events -> the page of its report."""
    return partial(write_page, tmp_path)


@pytest.fixture
def report(tmp_path):
    """World -> the page of its report."""
    return partial(page_of, tmp_path)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    return page_of_every_verdict(tmp_path_factory.mktemp("everything"))


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_report_of_every_world_stands_alone(report, world):
    page = report(world)

    assert page.open == []
    assert not page.having("link")
    assert not [a for a in page.having("script") if "src" in a]
    loaded = [a.get("href", a.get("src", "")) for tag, a in page.elements if tag in ("image", "img")]
    assert all(source.startswith("data:image/jpeg;base64,") for source in loaded)
    for link in page.having("a"):
        assert re.match(r"#|https://doi\.org/|(events|tracklets|detections)\.csv$|crops/", link["href"])
    targets = {a["id"] for _, a in page.elements if "id" in a}
    assert {link["href"][1:] for link in page.having("a") if link["href"][0] == "#"} <= targets


def test_report_shows_each_event_with_its_verdict(report):
    page = report(worlds.two_generations, predictions_of({7: (0.25, 0.75), 8: (0.875, 0.125)}), dose_gy=5.0)

    assert "world.tif, 5 Gy" in page.text
    abnormal, normal = page.having("article", id="event-7")[0], page.having("article", id="event-8")[0]
    assert abnormal["class"] == "event abnormal"
    assert normal["class"] == "event normal"
    assert "classifier alone: abnormal (abnormal: 0.75)" in page.text
    assert "beyond the image's edge" in page.text
    assert "cell 1 → 2 + 3" in page.text
    assert len(page.having("image")) == 1
    assert "There is no crop of this event." in page.text
    assert "−30" in page.text
    assert "20 µm" in page.text


def test_a_damaged_crop_costs_its_strip_and_no_other(tmp_path):
    lineage = as_lineage(worlds.two_generations())
    whole = write_page(tmp_path, lineage, divisions(lineage))
    assert len(whole.having("image")) == 1  # event 8 has no crop

    page = write_page(tmp_path, lineage, divisions(lineage), spoilt={7: DAMAGES["cut_short"]})

    assert not page.having("image")
    assert "crops/event_0007.tif is damaged" in page.articles[7][1]
    assert "There is no crop of this event." in page.articles[8][1]


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
    assert page.having("g", **{"class": "unusable"})


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
    ends = [int(t) for t in re.findall(r'class="end">.*?>(\d+)</text>', page.html, re.DOTALL)]
    assert ends == [counts["normal"], counts["abnormal"], counts["undecided"]]
    assert number(r"abnormal, (\d+) % of the 9 classified and decided", top) == round(100 * 8 / 9)

    # The forest's marks, each with its shape.
    assert marks(page, "path") == of_class["abnormal"]
    assert marks(page, "circle") == of_class["normal"] | of_class["undecided"]

    # Of which the classifier gave no class.
    without = {e for e in of_class["abnormal"] if "classifier alone: abnormal" not in page.articles[e][1]}
    assert number(r"(\d+) of them not classified", top) == len(without) == 15

    # Kinds.
    kinds = re.findall(r"(\d+) abnormal \(([^)]*)\)", below)
    ((n, named),) = [(n, named) for n, named in kinds if "tripolar" in named]
    assert int(n) == sum(map(int, re.findall(r"\d+", named))) == counts["abnormal"]
    for kind, k in re.findall(r"([a-z ]+) (\d+)", named):
        headed = f"abnormal: {kind.strip()}"
        found = [e for e in of_class["abnormal"] if page.articles[e][1].startswith(headed)]
        assert len(found) == int(k) or kind.strip() == "unspecified", kind

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
    said, p = "classifier alone:", "probability of abnormal:"
    against = "the classifier contradicts what was seen"
    for kind, k, begins in (
        ("normal", 0, f"normal {p} 0.07 (classifier 0.07) {said} normal (abnormal: 0.07, no"),
        ("normal", 1, f"abnormal {p} 0.90 (classifier 0.90) {said} abnormal (abnormal: 0.90,"),
        ("normal", 3, f"undecided {p} 0.27 ({against}, classifier: no mitosis 0.70) {said} no mitosis"),
        ("normal", 4, f"undecided {p} 0.27 (the classifier was not asked) not classified"),
        ("tripolar", 0, f"undecided {p} 0.60 ({against}, three daughters, classifier 0.07"),
        ("tripolar", 1, f"abnormal: tripolar {p} 0.99 (three daughters, classifier 0.90"),
        ("tripolar", 2, f"rejected classifier: no mitosis 0.80 {said} no mitosis"),
        ("tripolar", 3, f"abnormal: tripolar {p} 0.88 (three daughters, {against}, classifier: no mitosis"),
        ("slippage", 4, f"abnormal: slippage {p} 0.82 (never separated, the classifier was not asked"),
    ):
        assert words[first[kind] + k].startswith(begins), words[first[kind] + k]


def test_the_first_screen_says_how_far_verdicts_can_be_trusted(everything, write, monkeypatch):
    top = everything.text.split("Counts over time", 1)[0]
    assert limits(verdict.load().get("held_out")) in top
    measured = {"n": 41, "sensitivity": 0.75, "specificity": 0.5, "undecided": 0.125, "lines": ["PC3"]}
    monkeypatch.setattr(verdict, "load", lambda: WEIGHTS | {"held_out": measured | {"minutes_per_frame": 10}})
    lineage = as_lineage(worlds.one_division())
    top = write(lineage, divisions(lineage)).text.split("Counts over time", 1)[0]
    assert "Of 41 known mitoses of PC3 at 10 min a frame that were kept out of training, 12 %" in top
    assert "75 % of the abnormal mitoses were called abnormal and 50 % of the normal ones normal" in top
    monkeypatch.setattr(verdict, "load", lambda: {k: v for k, v in WEIGHTS.items() if k != "held_out"})
    assert "was not measured" in write(lineage, divisions(lineage)).text.split("Counts over time", 1)[0]


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


def test_report_shows_what_the_light_was_taken_to_be(report):
    light = {"map": [[1.25, 1.0], [1.0, 0.5]], "bleaching": [1.0, 0.8, 0.6]}
    page = report(worlds.two_generations, light=light, notes={"light": ["light: 2.50 times the light"]})

    labels = [a.get("aria-label") for a in page.having("svg")]
    assert {"light over the field", "light of the stain that is left"} <= set(labels)
    for words in ("Light over the field", "1.25", "0.50", "light: 2.50 times the light"):
        assert words in page.text
    assert "corrected for uneven illumination (log-quadratic in position) and bleaching" in page.text
    assert page.open == []


def test_report_of_even_light_has_no_charts_of_it(report):
    for light in (None, {"map": [], "bleaching": []}):
        page = report(worlds.two_generations, light=light)
        assert "Light over the field" not in page.text
        assert "Light of the stain" not in page.text
        assert "were corrected for" not in page.text
