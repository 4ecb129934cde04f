"""Lineage, events and verdicts -> what people take away: tree, report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lineage import signal_courses, tables
from lineage.corrections.journal import OVERRULED
from lineage.export import graphml
from lineage.io import labels
from lineage.io.files import read_table, remove, write_table
from lineage.mitosis import discarded, verdict
from lineage.mitosis.event_table import event_table
from lineage.schema import EVENT_COLUMNS, signal_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import networkx as nx

    from lineage.nuclei.light import Light
    from lineage.schema import FrameQuality, Lineage, MitosisEvent
    from lineage.stages.job import Job, Progress

MAP = 12  # rows and columns of the field's map


def annotate(
    job: Job,
    quality: FrameQuality,
    lineage: Lineage,
    events: list[MitosisEvent],
    verdicts: Mapping[int, Mapping[str, Any]],
) -> nx.DiGraph:
    """Write the annotated tree, and every table and graph made from it."""
    from lineage.export import geff
    from lineage.tree import annotate

    folder, video, dose_gy = job.folder, job.video, job.config.dose_gy
    of_signals = {folder.signals: signal_courses.courses, folder.cell_signals: signal_courses.of_cells}
    if not signal_names(lineage.detections.columns):
        for path in of_signals:  # of an earlier run that measured some
            remove(path)
        of_signals = {}

    def work(_: Progress) -> Iterable[str]:
        tree = annotate(
            lineage,
            events,
            verdicts,
            geometry=video.geometry,
            video_name=video.path.name,
            dose_gy=dose_gy,
            last_frames=quality.last_frames,
        )
        windows = read_table(folder.crop_windows, text=("flags",))
        of_events = event_table(
            events,
            verdicts,
            minutes_per_frame=video.minutes_per_frame,
            side_um=dict(zip(windows["event_id"], windows["side_um"], strict=True)),
            flags=dict(zip(windows["event_id"], windows["flags"], strict=True)),
        )
        cells, lineages = tables.tables(tree, of_events)
        write_table(of_events, folder.events)
        write_table(cells, folder.tracklets)
        write_table(lineages, folder.lineages)
        for path, made in of_signals.items():
            write_table(made(lineage.detections, tree, of_events), path)
        tracked = folder.labels / labels.TRACKED
        geff.write(tree, lineage.detections, folder.geff, labels=tracked, events=of_events)
        graphml.write(tree, folder.graphml)
        return ()

    files = (folder.events, folder.tracklets, folder.lineages, *of_signals, folder.geff, folder.graphml)
    by_person = {e: v for e, v in verdicts.items() if v["verdict_because"] == verdict.PERSON}
    said = sorted((e, v["verdict"], v["subtype"]) for e, v in by_person.items())
    depends_on = [dose_gy, video.path.name, EVENT_COLUMNS, verdict.digest(), said]
    job.run_stage("tree", work, after=("reject", "classify"), depends_on=depends_on, files=files)
    return graphml.read(folder.graphml)


def record_discarded(job: Job, quality: FrameQuality, lineage: Lineage) -> None:
    """Record what of the frames, nuclei, events and crops is left out, and why."""
    folder = job.folder
    folder.record["discarded"] |= discarded.account(
        folder.record["discarded"],
        quality=quality.table,
        detections=lineage.detections,
        events=read_table(
            folder.events, text=("source", "verdict", "verdict_because", "flags", "event_type")
        ),
    )
    for row in discarded.rows(folder.record["discarded"]):
        if row.left_out and row.what != "nuclei":  # of which the stage track says it
            job.screen.log(
                f"{row.what}: {row.kept} of {row.found + row.added_by_person}; left out: {row.words}"
            )


def record_corrections(job: Job) -> None:
    """Record which corrections these results hold, and say which are not applied."""
    record, standing = job.folder.record, job.journal.corrections
    reasons = {i: why for of_stage in record.get("not_applied", {}).values() for i, why in of_stage.items()}
    reasons = {line.id: reasons[line.id] for line in standing if line.id in reasons}
    not_applied = {i: why for i, why in reasons.items() if why != OVERRULED}
    record["corrections"] = {
        "n": len(standing),
        "digest": job.journal.digest,
        "not_applied": not_applied,
        "overruled": [i for i in reasons if i not in not_applied],
        "unreadable": list(job.journal.unreadable),
    }
    if not (standing or job.journal.unreadable):
        del record["corrections"]
    job.folder.save()
    for line in standing:
        if line.id in not_applied:
            job.screen.log(
                f"warning: a correction is not applied ({line.what}, {line.who}): {not_applied[line.id]}",
                "yellow",
            )
    if len(standing) == len(not_applied) > 1:
        name = job.folder.corrections.name
        job.screen.log(f"warning: no correction is applied: is {name} of this movie?", "yellow")


def forget_report(job: Job) -> None:
    """Take away a page that shows earlier results; the next run writes it anew."""
    if job.folder.record["stages"].pop("report", None):
        job.folder.save()
    remove(job.folder.report)


def write_report(job: Job, quality: FrameQuality, light: Light, tree: nx.DiGraph) -> None:
    """Write the page that people look at."""
    from lineage import report

    folder = job.folder
    field = [] if light.is_even else light.map(MAP, MAP).tolist()
    seen = {"map": field, "bleaching": light.bleaching}

    def work(_: Progress) -> Iterable[str]:
        report.write_report(
            folder.report,
            tree=tree,
            detections=read_table(folder.detections),
            events=read_table(folder.events, text=("daughter_ids", "verdict_because", "flags")),
            quality=quality,
            crops_dir=folder.crops,
            signals=read_table(folder.signals) if folder.signals.exists() else None,
            run=folder.record | {"warnings": folder.warnings, "light": seen},
        )
        return ()

    job.run_stage(
        "report", work, after=("tree",), depends_on=folder.record.get("corrections"), files=(folder.report,)
    )
