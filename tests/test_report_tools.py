"""What people do with the report's page: find a cell, filter, open the files beside it, copy the methods."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial

import numpy as np
import pytest
import worlds
from pages import Page, page_of, page_of_every_verdict, write_page
from worlds import predictions_of

from lineage.config import Config
from lineage.report.charts import Series, line_chart

TABLES = ("events.csv", "tracklets.csv", "detections.csv")


@pytest.fixture
def report(tmp_path):
    """World -> the page of its report."""
    return partial(page_of, tmp_path)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    return page_of_every_verdict(tmp_path_factory.mktemp("everything"))


def methods_text(page):
    """The text that is there to be copied."""
    (text,) = re.findall(r'<p id="methods-text">(.*?)</p>', page.html, re.DOTALL)
    return Page(text).text


# --- Files beside the page


def test_the_page_links_to_the_tables_that_lie_beside_it(tmp_path):
    assert not [a for a in page_of(tmp_path, worlds.one_division).having("a") if a["href"].endswith(".csv")]
    for name in TABLES:
        (tmp_path / name).touch()

    page = page_of(tmp_path, worlds.one_division)

    assert [a["href"] for a in page.having("a") if a["href"].endswith(".csv")] == list(TABLES)


def test_every_event_with_a_crop_links_to_its_file(report, tmp_path):
    page = report(worlds.two_generations)

    links = [a["href"] for a in page.having("a") if a["href"].startswith("crops/")]
    assert links == [f"crops/event_{event:04d}.tif" for event in page.articles if event != 8]
    assert 8 in page.articles
    assert all((tmp_path / link).exists() for link in links)


# --- Search


def test_the_search_finds_every_cell_and_every_event(everything):
    (box,) = everything.having("input", type="search")
    assert everything.having("label", **{"for": box["id"]})
    lineage, events, _ = worlds.every_verdict()
    drawn = [int(a["data-cell"]) for a in everything.having("g") if "data-cell" in a]
    assert sorted(drawn) == sorted(lineage.graph)
    numbered = {a["id"] for _, a in everything.elements if a.get("id", "").startswith("event-")}
    assert numbered == {f"event-{e.event_id}" for e in events} | {"event-90", "event-91"}


def test_an_event_is_found_by_its_mother_and_by_her_daughters(report):
    page = report(worlds.three_daughters)
    (mother,) = [m for m in worlds.three_daughters() if worlds.three_daughters().out_degree(m)]
    daughters = sorted(worlds.three_daughters().successors(mother))
    assert len(daughters) == 3

    (article,) = page.having("article", id="event-7")

    assert article["data-cells"].split() == [str(mother), *map(str, daughters)]


def test_an_empty_movie_has_no_search(report):
    page = report(worlds.empty)
    assert not page.having("input", type="search")


# --- Filters


def test_each_kind_can_be_chosen_and_says_how_many_there_are(everything):
    articles = everything.having("article")
    kinds = dict.fromkeys((a["data-kind"] for a in articles), 0)
    assert len(kinds) > 5
    kinds |= Counter(a["data-kind"] for a in articles if a["data-verdict"] != "not_a_mitosis")
    offered = dict(re.findall(r'<option value="(\w+)">[^<]*\((\d+)\)</option>', everything.html))
    assert {kind: int(n) for kind, n in offered.items()} == kinds


def test_each_verdict_can_be_chosen(everything):
    verdicts = {a["data-verdict"] for a in everything.having("article")}
    assert verdicts == {"normal", "abnormal", "undecided", "not_a_mitosis"}
    buttons = {a["data-show"] for a in everything.having("button") if "data-show" in a}
    assert buttons == {"all"} | verdicts


def test_rejected_proposals_are_hidden_until_they_are_asked_for(everything):
    hidden = {a["id"] for a in everything.having("article") if "hidden" in a}
    assert hidden == {a["id"] for a in everything.having("article") if a["data-verdict"] == "not_a_mitosis"}
    assert hidden


# --- Methods text


def test_the_methods_text_says_what_was_done_with_what(report):
    settings = Config().model_dump(mode="json")
    versions = {"btrack": "0.7.0", "scipy": "1.16.0", "torch": "2.9.0"}

    text = methods_text(
        report(
            worlds.one_division,
            predictions_of({7: (0.9, 0.1)}),
            settings=settings,
            versions=versions,
            dose_gy=4.0,
        )
    )

    for words in (
        "world.tif (40 frames, one every 10 min; 2 µm a pixel, 4 Gy)",
        "mitosis-lineage 0.1.0.",
        "focus below 0.6 of the median of 51 frames",
        "StarDist (Schmidt et al. 2018; model sir-dna, torch 2.9.0)",
        "btrack 0.7.0 (Ulicna et al. 2021; steps up to 0.08 nuclear diameters a minute, gaps up to 3 frames)",
        "HiGHS, scipy 1.16.0",
        "by the bundled classifier. What it took for no mitosis (probability 0.5 or more) was rejected",
        "mitoses of 0.65 or more were counted as abnormal, those of 0.35 or less as normal",
    ):
        assert words in text, words


def test_the_methods_text_leaves_out_what_the_run_does_not_record(report):
    text = methods_text(report(worlds.one_division))

    assert "Gy" not in text
    assert "StarDist" not in text
    assert "Nuclei were tracked with btrack (Ulicna et al. 2021)" in text
    assert "None" not in text


def test_the_methods_text_does_not_claim_a_classifier_that_was_not_asked(report):
    assert "bundled classifier" in methods_text(report(worlds.one_division, predictions_of({7: (0.9, 0.1)})))
    text = methods_text(report(worlds.one_division))
    assert "Mitoses were not classified by their images." in text
    assert "classifier" not in text


# --- Words where they are needed


def test_the_dose_is_shown_where_the_run_has_one(report):
    assert "Gy" not in report(worlds.one_division).text
    assert "2.5 Gy dose" in report(worlds.one_division, dose_gy=2.5).text


def test_quality_charts_say_their_unit_and_threshold(report):
    page = report(worlds.one_division, settings=Config().model_dump(mode="json"))

    for words in (
        "Stage drift (px)",
        "1 px is 2 µm",
        "Movements below 0.25 px count as none",
        "up to 100 px are followed",
        "Focus (no unit)",
        "less than 60 % of the median of 51 frames",
        "Mean intensity (grey levels)",
    ):
        assert words in page.text, words


def test_each_event_says_how_sure_the_tracking_is_in_words(tmp_path):
    lineage, events, predictions = worlds.every_verdict()

    page = write_page(tmp_path, lineage, events, predictions)

    sure = [e.event_id for e in events if e.confidence == e.confidence]
    assert sure
    assert all("tracking over 99 % sure (log-odds 9.0)" in page.articles[e][1] for e in sure)
    assert "at 3 this is twenty times as likely" in page.text


@pytest.mark.parametrize(("values", "ticks"), [([0, 0, 1], "0 1"), ([0, 0.5, 1], "0.0 0.5 1.0")])
def test_counts_have_whole_ticks(values, ticks):
    line = Series("nuclei", np.arange(3.0), np.array(values, float), "#000")
    svg = line_chart([line], hours=3, label="nuclei")
    texts = re.findall(r">([^<>\n]+)</text>", svg)
    assert texts[texts.index("hours") + 1 :] == ticks.split()
