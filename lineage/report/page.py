"""Tree, tables, crops and the run's own notes -> report.html."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.io.files import atomic_write
from lineage.mitosis import discarded, verdict
from lineage.mitosis.counts import count, mitoses_of
from lineage.report.cards import cards
from lineage.report.charts import Series, bands, line_chart, steps
from lineage.report.forest import COLOURS, MINUTES_PER_HOUR, forest, lone_strip, mark, split
from lineage.report.svg import BLUE, INK, VERMILLION, picture
from lineage.report.words import legend, limits
from lineage.schema import (
    ABNORMAL_SUBTYPES,
    EVENT_COLUMNS,
    CellKey,
    Decision,
    EventType,
    Subtype,
    check_columns,
)
from lineage.tree import median_intermitotic_min

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import networkx as nx
    import pandas as pd
    from jinja2 import Template

    from lineage.schema import FrameQuality

REFERENCES = (
    (
        "Delgado-Rodriguez P., Morales Sánchez R., Rouméas-Noël E., Paris F., Muñoz-Barrutia A. Automatic "
        "classification of normal and abnormal cell division using deep learning. Scientific Reports (2024).",
        "10.1038/s41598-024-64834-7",
    ),
    (
        "Schmidt U., Weigert M., Broaddus C., Myers G. Cell detection with star-convex polygons. "
        "MICCAI (2018).",
        "10.1007/978-3-030-00934-2_30",
    ),
    (
        "Ulicna K., Vallardi G., Charras G., Lowe A. R. Automated deep lineage tree analysis using a "
        "Bayesian single cell tracking approach. Frontiers in Computer Science 3 (2021).",
        "10.3389/fcomp.2021.734559",
    ),
)
ROWS_OPEN = 10  # rows of lineages that are not folded away, so that the mitoses stay within reach
CLASSES = (Decision.NORMAL.value, Decision.ABNORMAL.value, Decision.UNDECIDED.value)


def write_report(
    path: Path,
    *,
    tree: nx.DiGraph,
    detections: pd.DataFrame,
    events: pd.DataFrame,
    quality: FrameQuality,
    crops_dir: Path,
    run: Mapping[str, Any],
) -> None:
    """Write one page that needs nothing beside it, whole or not at all.

    Args:
        path: report.html; replaced if it is there.
        tree: annotated tree.
        detections: DETECTION_COLUMNS.
        events: EVENT_COLUMNS, rejected proposals, fusions and deaths included.
        quality: of every frame.
        crops_dir: holds `event_0007.tif`, (12, 2, H, W), channels (phase, dna); an event without a file is
            listed without its pictures.
        run: what run.json holds: `video`, `settings`, `versions`, `stages`, `warnings`, `dose_gy`,
            `discarded`.
    """
    check_columns(events, EVENT_COLUMNS, "events")
    others = events[events["event_type"] != EventType.MITOSIS]
    mitoses = mitoses_of(events)
    page = template("report.html.j2")
    families, lone = split(tree, mitoses.loc[mitoses["verdict"] != Decision.NOT_A_MITOSIS, "mother_id"])
    html = page.render(
        video=run["video"],
        dose_gy=run.get("dose_gy"),
        cautions=_cautions(run, quality),
        facts=facts(tree),
        left_out=discarded.in_words(run["discarded"]) if run.get("discarded") else "",
        n=count(mitoses),
        limits=limits(verdict.load().get("held_out")),
        n_families=len(families),
        n_lone=len(lone),
        lone_fates=_fates(tree, lone),
        forest=forest(tree, mitoses),
        rows_open=ROWS_OPEN,
        lone_strip=lone_strip(tree, mitoses),
        sign={name: picture(mark(name, 8, 8), 16, 16, name) for name in COLOURS},
        counts=_count_charts(tree, detections, mitoses, quality),
        quality=_quality_charts(tree, quality),
        unusable=quality.table.loc[~quality.usable, ["frame", "time_min", "reason"]].to_dict("records"),
        cards=list(cards(mitoses, crops_dir)),
        legend=legend(mitoses.to_dict("records")),
        kinds=kinds(mitoses),
        others=others.assign(
            kind=others["subtype"].str.replace("_", " "), hours=others["time_min"] / MINUTES_PER_HOUR
        ).to_dict("records"),
        notes=[
            (title, flat(run[key]))
            for title, key in (("Settings", "settings"), ("Versions", "versions"), ("Stages", "stages"))
            if run.get(key)
        ],
        references=REFERENCES,
    )
    with atomic_write(path) as part:
        part.write_text(html, encoding="utf-8")


def template(name: str) -> Template:
    """One of the package's pages."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("lineage.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template(name)


def facts(tree: nx.DiGraph) -> dict[str, Any]:
    """The numbers at the top of the page, but for the mitoses."""
    cycle_min = median_intermitotic_min(tree)
    return {
        "frames": tree.graph["n_frames"],
        "hours": tree.graph["n_frames"] * tree.graph["minutes_per_frame"] / MINUTES_PER_HOUR,
        "cells": len(tree),
        "founders": sum(not tree.in_degree(cell) for cell in tree),
        "intermitotic_h": None if cycle_min is None else cycle_min / MINUTES_PER_HOUR,
    }


def kinds(mitoses: pd.DataFrame) -> list[tuple[str, int]]:
    """What the abnormal mitoses were seen to be, the most frequent first.

    Args:
        mitoses: of `counts.mitoses_of`.
    """
    subtypes = mitoses.loc[mitoses["verdict"] == Decision.ABNORMAL, "subtype"]
    seen = ABNORMAL_SUBTYPES - {Subtype.ABNORMAL}
    return Counter(s.replace("_", " ") if s in seen else "of no told kind" for s in subtypes).most_common()


def flat(values: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted name, value) lines.

    >>> flat({"track": {"max_step_um": 20.0}, "names": ["a", "b"]})
    [('track.max_step_um', '20.0'), ('names', 'a, b')]
    """
    if isinstance(values, dict):
        return [line for key, value in values.items() for line in flat(value, f"{name}.{key}".lstrip("."))]
    if isinstance(values, (list, tuple)) and not any(isinstance(v, dict) for v in values):
        return [(name, ", ".join(map(str, values)))]
    if isinstance(values, (list, tuple)):
        return [line for k, value in enumerate(values) for line in flat(value, f"{name}.{k}".lstrip("."))]
    return [(name, str(values))]


def _cautions(run: Mapping[str, Any], quality: FrameQuality) -> dict[str, list[str]]:
    """What was taken on trust, and what went less than well; each sentence once."""
    warned = [*run.get("warnings", ()), *quality.warnings]
    assumed = list(run["video"].get("assumed", ()))
    return {"assumed": assumed, "warnings": [w for w in dict.fromkeys(warned) if w not in assumed]}


def _fates(tree: nx.DiGraph, cells: list[int]) -> list[tuple[str, int]]:
    ends = Counter(tree.nodes[cell][CellKey.FATE].replace("_", " ") for cell in cells)
    return ends.most_common()


def _count_charts(
    tree: nx.DiGraph, detections: pd.DataFrame, mitoses: pd.DataFrame, quality: FrameQuality
) -> list[tuple[str, str]]:
    frame_h = tree.graph["minutes_per_frame"] / MINUTES_PER_HOUR
    n_frames = tree.graph["n_frames"]
    hours = n_frames * frame_h
    unusable = bands(quality.usable, frame_h)
    nuclei = np.bincount(detections["frame"].to_numpy(int), minlength=n_frames).astype(float)
    nuclei[~quality.usable] = np.nan
    found = [Series("nuclei", np.arange(n_frames) * frame_h, nuclei, INK)]
    so_far = []
    for name in CLASSES:
        times = mitoses.loc[mitoses["verdict"] == name, "time_min"].to_numpy(float) / MINUTES_PER_HOUR
        if len(times) or name != Decision.UNDECIDED:
            colour = COLOURS[Decision(name)]
            so_far.append(Series(name, *steps(times, hours), colour, end=f"{len(times)}"))
    return [
        ("Nuclei in each frame", line_chart(found, hours=hours, unusable=unusable, label="nuclei a frame")),
        ("Mitoses so far", line_chart(so_far, hours=hours, unusable=unusable, label="cumulative mitoses")),
    ]


def _quality_charts(tree: nx.DiGraph, quality: FrameQuality) -> list[tuple[str, str]]:
    frame_h = tree.graph["minutes_per_frame"] / MINUTES_PER_HOUR
    hours, table = tree.graph["n_frames"] * frame_h, quality.table
    at = table["frame"].to_numpy(float) * frame_h
    unusable = bands(quality.usable, frame_h)

    def chart(*lines: tuple[str, str, str | None], from_zero: bool, label: str) -> str:
        series = [Series(c, at, table[c].to_numpy(float), colour, dash) for c, colour, dash in lines]
        return line_chart(
            series,
            hours=hours,
            unusable=unusable,
            label=label,
            width=370.0,
            height=190.0,
            from_zero=from_zero,
        )

    return [
        ("Focus (higher is sharper)", chart(("focus", INK, None), from_zero=True, label="focus")),
        ("Mean intensity", chart(("mean_intensity", INK, None), from_zero=True, label="mean intensity")),
        (
            "Stage drift, px: y solid, x dashed",
            chart(
                ("drift_y_px", BLUE, None),
                ("drift_x_px", VERMILLION, "5 4"),
                from_zero=False,
                label="stage drift",
            ),
        ),
    ]
