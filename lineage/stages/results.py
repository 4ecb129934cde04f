"""All that is known of the cells -> what people take away: tree, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineage import tables
from lineage.export import graphml
from lineage.io import labels
from lineage.io.run_folder import read_table, write_table
from lineage.schema import EVENT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import networkx as nx
    import pandas as pd

    from lineage.schema import FrameQuality, Lineage, MitosisEvent, Predictions
    from lineage.stages.job import Job, Progress


def annotate(
    job: Job,
    quality: FrameQuality,
    lineage: Lineage,
    events: list[MitosisEvent],
    predictions: Predictions,
    persons: dict[int, str],
) -> nx.DiGraph:
    """The tree, and every table and graph that people take away."""
    from lineage.export import geff
    from lineage.tree import annotate

    folder, video, dose_gy = job.folder, job.video, job.config.dose_gy

    def do(_: Progress) -> Iterable[str]:
        tree = annotate(
            lineage,
            events,
            predictions,
            n_frames=video.n_frames,
            shape=video.shape,
            pixel_size_um=video.pixel_size_um,
            minutes_per_frame=video.minutes_per_frame,
            video_name=video.path.name,
            dose_gy=dose_gy,
            last_usable_frame=quality.last_usable_frame,
            persons=persons,
        )
        table = _event_table(job, events, predictions, persons)
        tracklets, lineages = tables.tables(tree, table)
        write_table(table, folder.events)
        write_table(tracklets, folder.tracklets)
        write_table(lineages, folder.lineages)
        geff.write(tree, lineage.detections, folder.geff, labels=folder.labels / labels.TRACKED)
        graphml.write(tree, folder.graphml)
        return ()

    files = (folder.events, folder.tracklets, folder.lineages, folder.geff, folder.graphml)
    told = [dose_gy, video.path.name, EVENT_COLUMNS]
    job.once("tree", do, after=("mend",), settings=told, files=files)
    return graphml.read(folder.graphml)


def _event_table(
    job: Job, events: list[MitosisEvent], predictions: Predictions, persons: dict[int, str]
) -> pd.DataFrame:
    squares = read_table(job.folder.squares, text=("flags",))
    return tables.event_table(
        events,
        predictions,
        minutes_per_frame=job.video.minutes_per_frame,
        side_um=dict(zip(squares["event_id"], squares["side_um"], strict=True)),
        flags=dict(zip(squares["event_id"], squares["flags"], strict=True)),
        persons=persons,
    )


def report(job: Job, quality: FrameQuality, tree: nx.DiGraph) -> None:
    """The page that people look at."""
    from lineage.report import write_report

    folder = job.folder

    def do(_: Progress) -> Iterable[str]:
        write_report(
            folder.report,
            tree=tree,
            detections=read_table(folder.detections),
            events=read_table(folder.events, text=("daughter_ids", "verdict_because", "flags")),
            quality=quality,
            crops_dir=folder.crops,
            run=folder.record | {"warnings": folder.warnings},
        )
        return ()

    job.once("report", do, after=("tree",), settings=None, files=(folder.report,))
