"""A run folder -> another program's format: `python -m lineage.export ctc RUN_DIR OUT_DIR`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineage.console import one_line_errors
from lineage.io.files import read_table
from lineage.io.integrity import RECORD, RUN_AGAIN, check, read_record, reading
from lineage.io.run_folder import RunFolder
from lineage.schema import DETECTION_COLUMNS, EVENT_COLUMNS, TEXT_COLUMNS, TRACKLET_COLUMNS, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import networkx as nx

    from lineage.io.labels import Frames

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
REMEDY = f"delete it, {RUN_AGAIN}, and it is made anew"  # for a graph that lacks what a lineage has

RunDir = Annotated[Path, typer.Argument(help="The folder of a finished run, VIDEO.lineage.")]
OutDir = Annotated[Path, typer.Argument(help="Made if it is not there.")]
OutPath = Annotated[Path, typer.Argument(help="The file or folder to write.")]
ColourChoice = StrEnum("ColourChoice", ["LINEAGE", "VERDICT"])
ColourBy = Annotated[
    ColourChoice, typer.Option("--colour-by", help="One colour a founder, or that of each cell's verdict.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.command()
def ctc(run_dir: RunDir, out_dir: OutDir, overwrite: Overwrite = False, debug: Debug = False) -> None:
    """Cell Tracking Challenge: 01_RES/mask000.tif ... and res_track.txt."""
    from lineage.export import ctc

    with one_line_errors(debug=debug):
        refuse_existing(out_dir / ctc.RESULT, out_dir / ctc.KEY, overwrite=overwrite)
        remarks = ctc.write(tree_of(run_dir), labels_of(run_dir), out_dir)
        for remark in remarks:
            typer.echo(f"Note: {remark}; see {ctc.KEY}")
        typer.echo(f"Wrote {out_dir / ctc.RESULT}")


@app.command()
def graphml(
    run_dir: RunDir,
    out_file: OutPath,
    for_yed: Annotated[
        bool,
        typer.Option("--yed", help="Drawn for yEd: boxes over time, labels, the colours of verdicts."),
    ] = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """GraphML, for networkx, igraph, Gephi and Cytoscape; with --yed for yEd."""
    from lineage.export import graphml, yed

    with one_line_errors(debug=debug):
        refuse_existing(out_file, overwrite=overwrite)
        tree = tree_of(run_dir)
        with reading(RunFolder(run_dir).graphml, REMEDY):
            (yed if for_yed else graphml).write(tree, out_file)
        typer.echo(f"Wrote {out_file}")


@app.command()
def geff(
    run_dir: RunDir,
    out_dir: OutPath,
    binary: Annotated[
        bool,
        typer.Option(
            "--binary",
            help="For programs that know of two daughters and one parent at most, and of numbers only: what "
            "is left out is listed beside.",
        ),
    ] = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """GEFF, for napari, motile, traccuracy and others: one node for each nucleus in each frame."""
    from lineage.export import geff
    from lineage.io import labels

    with one_line_errors(debug=debug):
        if out_dir.suffix != ".geff":
            raise InputError(f"{out_dir} does not end in .geff, by which other programs know the format")
        beside = (geff.left_out_beside(out_dir),) if binary else ()
        refuse_existing(out_dir, *beside, overwrite=overwrite)
        run = RunFolder(run_dir)
        detections = read_table(found(run.detections, run_dir), columns=DETECTION_COLUMNS)
        events = read_table(found(run.events, run_dir), text=("verdict",), columns=EVENT_COLUMNS)
        tracked, tree = found(run.labels / labels.TRACKED, run_dir), tree_of(run_dir)
        with reading(run.graphml, REMEDY):
            geff.write(tree, detections, out_dir, labels=tracked, events=events, binary=binary)
        for table in beside:
            typer.echo(f"Note: relations left out: {len(read_table(table))}; see {table.name}")
        typer.echo(f"Wrote {out_dir}")


@app.command()
def trackmate(run_dir: RunDir, out_file: OutPath, overwrite: Overwrite = False, debug: Debug = False) -> None:
    """TrackMate's XML, for Fiji: nuclei with outlines, tracks with divisions and fusions, verdicts."""
    from lineage.export import trackmate
    from lineage.io import labels

    with one_line_errors(debug=debug):
        if out_file.suffix != trackmate.SUFFIX:
            raise InputError(f"{out_file} does not end in {trackmate.SUFFIX}, by which Fiji finds the format")
        refuse_existing(out_file, overwrite=overwrite)
        run = RunFolder(run_dir)
        detections = read_table(found(run.detections, run_dir), columns=DETECTION_COLUMNS)
        tracked = labels.open_array(found(run.labels / labels.TRACKED, run_dir).parent, labels.TRACKED)
        tree = tree_of(run_dir)
        with reading(run.graphml, REMEDY):
            remarks = trackmate.write(tree, detections, out_file, labels=tracked, movie=_movie(run_dir))
        _say(remarks, out_file)


@app.command()
def csv(run_dir: RunDir, out_dir: OutDir, overwrite: Overwrite = False, debug: Debug = False) -> None:
    """The four tidy tables: detections, tracklets, events, lineages."""
    from lineage.export import csv

    with one_line_errors(debug=debug):
        refuse_existing(*(out_dir / name for name in csv.COLUMNS), overwrite=overwrite)
        for name in csv.COLUMNS:
            found(run_dir / name, run_dir)
        csv.copy(run_dir, out_dir)
        typer.echo(f"Wrote {', '.join(csv.COLUMNS)} in {out_dir}")


@app.command()
def newick(run_dir: RunDir, out_file: OutPath, overwrite: Overwrite = False, debug: Debug = False) -> None:
    """Newick, a line for each founder; branches in hours."""
    with one_line_errors(debug=debug):
        _trees(run_dir, out_file, annotated=False, overwrite=overwrite)


@app.command()
def nhx(run_dir: RunDir, out_file: OutPath, overwrite: Overwrite = False, debug: Debug = False) -> None:
    """NHX, for ete and others: Newick with the fate, verdict and measurements of each cell."""
    with one_line_errors(debug=debug):
        _trees(run_dir, out_file, annotated=True, overwrite=overwrite)


@app.command()
def parquet(run_dir: RunDir, out_dir: OutDir, overwrite: Overwrite = False, debug: Debug = False) -> None:
    """The tidy tables as Parquet, typed: for pandas, polars, DuckDB and R's arrow."""
    from lineage.export import csv, parquet

    with one_line_errors(debug=debug):
        tables = [name for name in (*csv.COLUMNS, *csv.WHERE_MEASURED) if (run_dir / name).exists()]
        refuse_existing(*(out_dir / parquet.name_of(name) for name in tables), overwrite=overwrite)
        for name in (*csv.COLUMNS, *tables):
            found(run_dir / name, run_dir)
        written = parquet.write(run_dir, out_dir)
        typer.echo(f"Wrote {', '.join(written)} in {out_dir}")


@app.command()
def anndata(run_dir: RunDir, out_file: OutPath, overwrite: Overwrite = False, debug: Debug = False) -> None:
    """AnnData (.h5ad), for scanpy and others: cells by measures, with who became whom."""
    from lineage.export import anndata

    with one_line_errors(debug=debug):
        wanted_suffix(out_file, ".h5ad")
        refuse_existing(out_file, overwrite=overwrite)
        run, tree = RunFolder(run_dir), tree_of(run_dir)
        detections = read_table(found(run.detections, run_dir), columns=DETECTION_COLUMNS)
        path = found(run.tracklets, run_dir)
        tracklets = read_table(path, text=TEXT_COLUMNS, columns=TRACKLET_COLUMNS)
        n_cells, n_measures = anndata.write(tree, detections, tracklets, out_file)
        typer.echo(f"Wrote {out_file}: {n_cells} cells, {n_measures} measures")


@app.command()
def rois(
    run_dir: RunDir,
    out_file: OutPath,
    colour_by: ColourBy = ColourChoice.LINEAGE,
    hyperstack: Annotated[
        bool | None,
        typer.Option(
            "--hyperstack/--stack",
            help="The movie, as ImageJ opens it, has channels or planes of z beside time, or has time alone; "
            "as the run found it, if left out.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """ImageJ ROIs in a ZIP, for the ROI Manager: the outline of each nucleus in each frame."""
    from lineage.export import rois

    with one_line_errors(debug=debug):
        wanted_suffix(out_file, ".zip")
        refuse_existing(out_file, overwrite=overwrite)
        tracked, tree = labels_of(run_dir), tree_of(run_dir)
        is_hyper = _is_hyperstack(run_dir) if hyperstack is None else hyperstack
        with reading(RunFolder(run_dir).graphml, REMEDY):
            n = rois.write(tree, tracked, out_file, colour_by=colour_by, hyperstack=is_hyper)
        typer.echo(f"Wrote {out_file}: {n} outlines, for a {'hyperstack' if is_hyper else 'plain stack'}")


@app.command()
def movie(
    run_dir: RunDir,
    out_file: OutPath,
    first: Annotated[int, typer.Option("--from", min=0, help="The first frame, counted from 0.")] = 0,
    last: Annotated[
        int | None, typer.Option("--to", min=0, help="The last frame; the movie's last, if left out.")
    ] = None,
    fps: Annotated[float, typer.Option(min=0.1, max=50, help="Frames a second.")] = 10.0,
    scale: Annotated[
        float | None,
        typer.Option(
            min=0.05,
            max=16,
            help="Pixels for one of the movie's; 600 (GIF) or 1080 pixels across, if left out.",
        ),
    ] = None,
    colour_by: ColourBy = ColourChoice.LINEAGE,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """A film to show, .gif or, if long, .mp4: DNA, outlined cells, ringed mitoses, time and scale bar."""
    from lineage.export import movie
    from lineage.run import reopen

    with one_line_errors(debug=debug):
        wanted_suffix(out_file, *movie.USUAL_SIDE)
        refuse_existing(out_file, overwrite=overwrite)
        run, tracked, tree = RunFolder(run_dir), labels_of(run_dir), tree_of(run_dir)
        words = ("daughter_ids", "verdict")
        events = read_table(found(run.events, run_dir), text=words, columns=EVENT_COLUMNS)
        detections = read_table(found(run.detections, run_dir), columns=DETECTION_COLUMNS)
        video, _ = reopen(run_dir, read_record(run_dir))
        frames = _frames(first, last, video.n_frames)
        with reading(run.graphml, REMEDY):
            width, height = movie.write(
                video, tracked, tree, events, detections, out_file,
                frames=frames, fps=fps, scale=scale, colour_by=colour_by,
            )  # fmt: skip
        typer.echo(f"Wrote {out_file}: {len(frames)} frames of {width} x {height} px")


def _frames(first: int, last: int | None, n_frames: int) -> range:
    """The frames from `first` to `last`, which is one of them. Raises InputError if the movie lacks them."""
    stop = n_frames if last is None else last + 1
    if not first < stop <= n_frames:
        raise InputError(f"frames {first} to {stop - 1} are not there: the movie has 0 to {n_frames - 1}")
    return range(first, stop)


def wanted_suffix(path: Path, *suffixes: str) -> None:
    """Raise InputError unless the path ends in one of the suffixes."""
    if path.suffix.lower() not in suffixes:
        raise InputError(f"{path} does not end in {' or '.join(suffixes)}, by which programs know the format")


def refuse_existing(*paths: Path, overwrite: bool) -> None:
    """Raise InputError if one of the paths is taken and may not be replaced."""
    if not overwrite and (taken := [p for p in paths if p.exists()]):
        raise InputError(f"{taken[0]} is there already; choose another name, or say --overwrite")


def found(result: Path, run_dir: Path) -> Path:
    """The path of one of a run's results. Raises InputError if it is not there, or not as it was written."""
    if not result.exists():
        raise InputError(f"there is no {result}; give the folder of a finished `python -m lineage.run`")
    if (run_dir / RECORD).exists():
        check(run_dir, read_record(run_dir), result)
    return result


def tree_of(run_dir: Path) -> nx.DiGraph:
    """The run's annotated tree."""
    from lineage.export import graphml

    return graphml.read(found(RunFolder(run_dir).graphml, run_dir))


def _is_hyperstack(run_dir: Path) -> bool:
    """Whether ImageJ opens the run's movie with further axes beside time; no, where nothing says so."""
    record = read_record(run_dir) if (run_dir / RECORD).exists() else {"video": {}}
    settings = record.get("settings", {}).get("video", {})
    return len(record["video"].get("channels", ())) > 1 or settings.get("z") not in (None, "")


def labels_of(run_dir: Path) -> Frames:
    """The run's labels, numbered by cell."""
    from lineage.io import labels

    path = found(RunFolder(run_dir).labels / labels.TRACKED, run_dir)
    return labels.open_array(path.parent, path.name)


def _trees(run_dir: Path, out_file: Path, *, annotated: bool, overwrite: bool) -> None:
    """Write the run's tree as Newick or NHX, and say what it cannot hold."""
    from lineage.export import newick

    refuse_existing(out_file, overwrite=overwrite)
    tree = tree_of(run_dir)
    with reading(RunFolder(run_dir).graphml, REMEDY):
        remarks = newick.write(tree, out_file, annotated=annotated)
    _say(remarks, out_file)


def _say(remarks: Sequence[str], out_file: Path) -> None:
    for remark in remarks:
        typer.echo(f"Note: {remark}")
    typer.echo(f"Wrote {out_file}")


def _movie(run_dir: Path) -> Path | None:
    """Where the run's movie is, or was; None of a folder without a record."""
    if not (run_dir / RECORD).exists():
        return None
    return Path(read_record(run_dir)["video"]["path"])


if __name__ == "__main__":
    app()
