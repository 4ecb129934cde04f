"""Tree, tables, crops and the run's own notes -> report.html."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from lineage.io.files import atomic_write
from lineage.mitosis import discarded, verdict
from lineage.mitosis.counts import count, mitoses_of
from lineage.report.cards import cards
from lineage.report.forest import COLOURS, MINUTES_PER_HOUR, forest, lone_strip, mark, split
from lineage.report.heat_maps import heat_maps
from lineage.report.light_charts import light_charts
from lineage.report.methods import methods
from lineage.report.over_time import count_charts, quality_charts
from lineage.report.svg import picture
from lineage.report.words import confidence, kind, legend, limits
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
# Tables that a run folder holds beside the page, and what a row of each is.
TABLES = {
    "events.csv": "one row for each mitosis, fusion or death",
    "tracklets.csv": "one row for each cell",
    "lineages.csv": "one row for each founder",
    "detections.csv": "one row for each nucleus in each frame",
    "signals.csv": "one row for each cell, frame and further channel",
    "cell_signals.csv": "one row for each cell, its further channels",
}


def write_report(
    path: Path,
    *,
    tree: nx.DiGraph,
    detections: pd.DataFrame,
    events: pd.DataFrame,
    quality: FrameQuality,
    crops_dir: Path,
    run: Mapping[str, Any],
    signals: pd.DataFrame | None = None,
) -> None:
    """Write one page that is complete by itself; it links to the tables and crops that lie beside it.

    The file is written completely or not at all.

    Args:
        path: report.html; replaced if it is there.
        tree: annotated tree.
        detections: DETECTION_COLUMNS.
        events: EVENT_COLUMNS, rejected proposals, fusions and deaths included.
        quality: of every frame.
        crops_dir: holds `event_0007.tif`, (12, 2, H, W), channels (phase, dna); an event without a file is
            listed without its pictures.
        run: what run.json holds: `video`, `settings`, `versions`, `stages`, `warnings`, `dose_gy`,
            `discarded`, `corrections`; and `light` as `light_charts` takes it.
        signals: SIGNAL_COLUMNS; None where no further channel was measured.
    """
    check_columns(events, EVENT_COLUMNS, "events")
    mitoses = mitoses_of(events)
    weights = verdict.load()
    html = template("report.html.j2").render(
        video=run["video"],
        dose_gy=run.get("dose_gy"),
        cautions=_cautions(run, quality),
        tables=[(name, words) for name, words in TABLES.items() if (path.parent / name).exists()],
        facts=facts(tree),
        left_out=discarded.rows(run.get("discarded", {})),
        corrected=corrected(run.get("corrections", {}), events),
        n=count(mitoses),
        limits=limits(weights.get("held_out")),
        sign={name: picture(mark(name, 8, 8), 16, 16, name) for name in COLOURS},
        counts=count_charts(tree, detections, mitoses, quality),
        lineages=_lineages(tree, mitoses),
        signals=heat_maps(signals, events, minutes_per_frame=run["video"]["minutes_per_frame"]),
        cards=list(cards(mitoses, crops_dir, page_dir=path.parent)),
        legend=legend(mitoses.to_dict("records")),
        abnormal_kinds=abnormal_kinds(mitoses),
        all_kinds=_kinds(mitoses),
        others=_fusions_and_deaths(events),
        quality=[
            *quality_charts(tree, quality, run.get("settings", {}).get("quality", {})),
            *light_charts(run.get("light"), hours=facts(tree)["hours"]),
        ],
        light_notes=run.get("notes", {}).get("light", ()),
        unusable=quality.table.loc[~quality.usable, ["frame", "time_min", "reason"]].to_dict("records"),
        methods=methods(run, weights["limits"], classified=bool(mitoses["p_abnormal"].notna().any())),
        notes=[
            (title, flat(run[key]))
            for title, key in (("Settings", "settings"), ("Versions", "versions"), ("Stages", "stages"))
            if run.get(key)
        ],
        references=REFERENCES,
    )
    with atomic_write(path) as part:
        part.write_text(html, encoding="utf-8")


def corrected(held: Mapping[str, Any], events: pd.DataFrame) -> str:
    """What of these results a person says; empty where nobody said anything.

    Args:
        held: of run.json: how many corrections hold, and which are not applied.
        events: EVENT_COLUMNS.
    """
    if not held.get("n"):
        return ""
    n, failed = held["n"], len(held["not_applied"])
    verdicts = int((events["verdict_because"] == verdict.PERSON).sum())
    words = f"{n} correction{'s' * (n > 1)} by a person; {verdicts} of the verdicts are theirs."
    return words if not failed else f"{words} {failed} of {n} corrections are not applied."


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


def abnormal_kinds(mitoses: pd.DataFrame) -> list[tuple[str, int]]:
    """What the abnormal mitoses were seen to be, the most frequent first.

    Args:
        mitoses: of `counts.mitoses_of`.
    """
    subtypes = mitoses.loc[mitoses["verdict"] == Decision.ABNORMAL, "subtype"]
    seen = ABNORMAL_SUBTYPES - {Subtype.ABNORMAL}
    return Counter(kind(s) if s in seen else "unspecified" for s in subtypes).most_common()


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


def _kinds(mitoses: pd.DataFrame) -> list[tuple[str, int]]:
    """Subtypes and how many mitoses have each, rejected ones not counted; the most frequent first."""
    counts = (mitoses["verdict"] != Decision.NOT_A_MITOSIS).groupby(mitoses["subtype"]).sum()
    return sorted(((str(kind), int(n)) for kind, n in counts.items()), key=lambda pair: (-pair[1], pair[0]))


def _cautions(run: Mapping[str, Any], quality: FrameQuality) -> dict[str, list[str]]:
    """What was taken on trust, and what went less than well; each sentence once."""
    warned = [*run.get("warnings", ()), *quality.warnings]
    assumed = list(run["video"].get("assumed", ()))
    return {"assumed": assumed, "warnings": [w for w in dict.fromkeys(warned) if w not in assumed]}


def _lineages(tree: nx.DiGraph, mitoses: pd.DataFrame) -> dict[str, Any]:
    """The drawings of the lineages, those first that are not folded away, and of the cells alone."""
    families, lone = split(tree, mitoses.loc[mitoses["verdict"] != Decision.NOT_A_MITOSIS, "mother_id"])
    rows = forest(tree, mitoses)
    return {
        "n": len(families),
        "open": rows[:ROWS_OPEN],
        "folded": rows[ROWS_OPEN:],
        "n_lone": len(lone),
        "lone": lone_strip(tree, mitoses),
        "lone_fates": Counter(kind(tree.nodes[cell][CellKey.FATE]) for cell in lone).most_common(),
    }


def _fusions_and_deaths(events: pd.DataFrame) -> list[dict[str, Any]]:
    """The events that are no mitoses, as rows of a table."""
    others = events[events["event_type"] != EventType.MITOSIS]
    return [
        {
            **{str(name): value for name, value in event.items()},
            "kind": kind(event["subtype"]),
            "hours": event["time_min"] / MINUTES_PER_HOUR,
            "confidence": confidence(event["confidence"]),
        }
        for event in others.to_dict("records")
    ]
