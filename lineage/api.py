"""The toolkit from Python: open a movie, segment it, track it, or do all of it at once.

`import lineage` gives these functions; heavy libraries load when one of them is called.

>>> import lineage
>>> masks = "examples/demo.truth/TRA"             # one label image a frame, as any segmentation gives them
>>> nuclei = lineage.from_masks(masks, pixel_size_um=1.1518, minutes_per_frame=10.0, quiet=True)
>>> nuclei.table[["frame", "label", "area_um2"]].head(2).round(0)
   frame  label  area_um2
0      0      2     357.0
1      0      4     304.0
>>> tracks = lineage.track(nuclei, quiet=True)
>>> divisions = tracks.events.query("event_type == 'mitosis' and separated")
>>> len(divisions) > 15, max(life["generation"] for _, life in tracks.tree.nodes(data=True))
(True, 1)
"""

from __future__ import annotations

import shutil
import warnings
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, overload

from lineage.schema import InputError, LeftOut, Predictions, Video

if TYPE_CHECKING:
    import networkx as nx
    import numpy as np
    import pandas as pd

    from lineage.config import Config
    from lineage.io.labels import Labels
    from lineage.io.run_folder import RunFolder
    from lineage.nuclei.segment import Finder
    from lineage.nuclei.signals import Signals
    from lineage.progress import Screen
    from lineage.schema import FrameQuality, Geometry, Lineage


class _Store:
    """A temporary folder that is deleted when nothing needs it any more."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="lineage-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class Nuclei:
    """The nuclei of a movie, outlined and measured."""

    table: pd.DataFrame  # NUCLEUS_COLUMNS and those of further channels, one row a nucleus
    labels: Labels  # (T, Y, X), read a frame at a time: `labels[t]`
    quality: FrameQuality  # which frames can be used, and the drift
    geometry: Geometry
    n_too_small: int = 0  # objects that were outlined and are not in the table
    warnings: tuple[str, ...] = ()
    _store: _Store | None = field(default=None, repr=False)  # holds the labels
    notes: tuple[str, ...] = ()  # how uneven the light was, how the stain bleached


@dataclass(frozen=True, eq=False)
class Tracks:
    """Cells, and who became whom."""

    tree: nx.DiGraph  # a node is one cell's life, an edge goes from mother to daughter
    nuclei: pd.DataFrame  # DETECTION_COLUMNS, one row a nucleus; `tracklet_id` is its cell, -1 for none
    events: pd.DataFrame  # EVENT_COLUMNS, one row a mitosis, fusion or death; verdicts without a classifier
    cells: pd.DataFrame  # TRACKLET_COLUMNS, one row a cell
    lineages: pd.DataFrame  # LINEAGE_COLUMNS, one row a founder
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Result:
    """All that is known of a movie, read from its run folder when it is asked for."""

    def __init__(self, folder: RunFolder, store: _Store | None = None) -> None:
        self._folder = folder
        self._store = store  # holds the folder until it is saved elsewhere

    def __repr__(self) -> str:
        video = self.record["video"]
        return f"<Result of {video['name']}: {len(self.cells)} cells, {len(self.events)} events>"

    @property
    def path(self) -> Path:
        """The run folder."""
        return self._folder.root

    @property
    def record(self) -> dict[str, Any]:
        """What `run.json` holds: settings, versions, timings, what was assumed."""
        return self._folder.record

    @property
    def warnings(self) -> list[str]:
        """Those of every stage, in order."""
        return self._folder.warnings

    @cached_property
    def tree(self) -> nx.DiGraph:
        """The annotated lineage: a node is one cell's life, an edge goes from mother to daughter."""
        from lineage.export import graphml

        return graphml.read(self._folder.graphml)

    @cached_property
    def events(self) -> pd.DataFrame:
        """EVENT_COLUMNS, one row a mitosis, fusion or death."""
        return self._read(self._folder.events, "daughter_ids", "verdict", "verdict_because", "flags")

    @cached_property
    def nuclei(self) -> pd.DataFrame:
        """DETECTION_COLUMNS, one row a nucleus; `tracklet_id` is its cell, -1 for none."""
        return self._read(self._folder.detections)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """TRACKLET_COLUMNS, one row a cell."""
        return self._read(self._folder.tracklets, "parent_ids", "daughter_ids")

    @cached_property
    def lineages(self) -> pd.DataFrame:
        """LINEAGE_COLUMNS, one row a founder."""
        return self._read(self._folder.lineages)

    @cached_property
    def signals(self) -> pd.DataFrame:
        """SIGNAL_COLUMNS, a row a cell, frame, further channel and alignment; empty if none was measured."""
        import pandas as pd

        from lineage.schema import SIGNAL_COLUMNS

        path = self._folder.signals
        return self._read(path, "channel") if path.exists() else pd.DataFrame(columns=list(SIGNAL_COLUMNS))

    @property
    def labels(self) -> Labels:
        """(T, Y, X) label images numbered by cell, read a frame at a time: `labels[t]`."""
        from lineage.io import labels

        return labels.open_array(self._folder.labels, labels.TRACKED)

    def crop(self, event_id: int) -> np.ndarray:
        """(12, 2, Y, X) what the classifier saw of a mitosis; channels are phase and DNA.

        Raises:
            InputError: there is no crop of this event.
        """
        import tifffile

        from lineage.mitosis import crops

        path = self._folder.crops / crops.name(event_id)
        if not path.is_file():
            raise InputError(f"there is no crop of event {event_id}: only mitoses of movies have one")
        return tifffile.imread(path)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Keep the run folder.

        Args:
            path: where, `video.lineage` by custom.
            overwrite: replace a run that lies there.

        Raises:
            InputError: something lies there already.
        """
        from lineage.io.files import atomic_write

        path = Path(path)
        if path.exists() and not overwrite:
            raise InputError(f"{path} is there already; give another path, or overwrite=True")
        with atomic_write(path) as part:
            shutil.copytree(self.path, part)
        self._folder = _run_of(path)._folder
        return path

    def _read(self, path: Path, *text: str) -> pd.DataFrame:
        from lineage.io.files import read_table

        return read_table(path, text=text)


def open(
    movie: str | Path | np.ndarray,
    *,
    position: str | int | None = None,
    well: str | None = None,
    z: str | int | None = None,
    axes: str | None = None,
    nucleus_channel: int | None = None,
    phase_channel: int | None = None,
    pixel_size_um: float | None = None,
    minutes_per_frame: float | None = None,
) -> Video:
    """Open a movie; frames are read when they are asked for.

    Args:
        movie: TIFF, OME-TIFF, a folder of TIFFs, OME-Zarr, ND2, CZI or LIF; or an array (T, Y, X)
            or (T, C, Y, X).
        position: which of several: its name, or its number as `python -m lineage.run FILE --list` gives it.
        well: the well of the position.
        z: of a z-stack: `"max"` or `"mean"` of its planes, the one in best `"focus"`, or one, from 0.
        axes: what the axes of a TIFF or Zarr are, as `"TCYX"`, where the file says it wrongly.
        nucleus_channel: the channel with the DNA stain, counted from 0.
        phase_channel: the channel with phase contrast, counted from 0.
        pixel_size_um: side of a pixel, micrometres; needed for an array.
        minutes_per_frame: time from one frame to the next; needed for an array.

    Returns:
        Video: `frame(t, channel)`, `n_frames`, `shape`, `channels`, `pixel_size_um`, `minutes_per_frame`;
        `assumed` says what neither the arguments nor the file settled.

    Raises:
        InputError: nothing that can be read as a movie, damage, or units that are not credible.
    """
    from lineage.video import open_array, open_video

    if isinstance(movie, (str, Path)):
        opened = partial(open_video, Path(movie), position=position, well=well, z=z, axes=axes)
    elif any(given is not None for given in (position, well, z, axes)):
        raise InputError("position, well, z and axes are for files; index the array instead")
    else:
        opened = partial(open_array, movie)
    return opened(
        nucleus_channel=nucleus_channel,
        phase_channel=phase_channel,
        pixel_size_um=pixel_size_um,
        minutes_per_frame=minutes_per_frame,
    )


def segment(
    movie: str | Path | Video,
    *,
    model: str = "sir-dna",
    nucleus_diameter_um: float | None = None,
    min_area: float = 0.08,
    measure: Sequence[str | int] | None = None,
    fucci: tuple[str | int, str | int] | None = None,
    correct_light: bool = True,
    workers: int | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> Nuclei:
    """Find and measure the nuclei of a movie.

    Args:
        movie: of `lineage.open`, or a path.
        model: StarDist model: the bundled one, a folder, or a name of StarDist's own.
        nucleus_diameter_um: of an interphase nucleus; estimated from the movie if left out.
        min_area: objects below this share of the median nucleus's area are left out.
        measure: further channels to measure, by name or number; all but transmitted light if left out.
        fucci: of these, the one that is bright in G1, and the one that is bright in S, G2 and M.
        correct_light: take uneven light and bleaching out of DNA mass and intensity, where they can be told.
        workers: processes; as many as pay if left out.
        device: where torch computes: `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`; a GPU, if there is one.
        quiet: show no progress.

    Raises:
        InputError: the movie, the model or a channel cannot be used.
    """
    from lineage.nuclei import segment, signals
    from lineage.nuclei.scale import estimate_scale

    video, screen = signals.without_assumed_phase(_opened(movie), measure), _screen(quiet)
    measured = signals.choose(video, measure, fucci)
    quality = _assess(video, screen)
    with screen.stage("scale"):
        scale = estimate_scale(video, quality, model=model, diameter_um=nucleus_diameter_um, device=device)
    find = segment.StarDistFinder(model, scale.zoom, device)
    warnings = (*video.warnings, *quality.warnings, *scale.warnings(video.pixel_size_um))
    return _measured(
        video,
        quality,
        find,
        screen,
        warnings,
        measured,
        min_area=min_area,
        correct_light=correct_light,
        workers=workers,
        device=device,
    )


def from_masks(
    masks: str | Path | np.ndarray,
    *,
    movie: str | Path | Video | None = None,
    pixel_size_um: float | None = None,
    minutes_per_frame: float | None = None,
    min_area: float = 0.08,
    measure: Sequence[str | int] | None = None,
    fucci: tuple[str | int, str | int] | None = None,
    correct_light: bool = True,
    device: str = "auto",
    quiet: bool = False,
) -> Nuclei:
    """Measure nuclei that another program outlined.

    Args:
        masks: (T, Y, X) whole numbers, 0 for background, as an array; or a TIFF stack, a folder of TIFFs, a
            Zarr.
        movie: gives the grey levels; without one areas stand for DNA.
        pixel_size_um: side of a pixel, micrometres; needed without a movie.
        minutes_per_frame: time from one frame to the next; needed without a movie.
        min_area: objects below this share of the median nucleus's area are left out.
        measure: further channels of the movie to measure, as in `segment`.
        fucci: likewise.
        correct_light: as in `segment`.
        device: as in `segment`.
        quiet: show no progress.

    Raises:
        InputError: no masks of instances, not of the movie's shape, or a channel that cannot be used.
    """
    from lineage.nuclei import segment, signals
    from lineage.nuclei.masks import as_video, open_masks

    source = Path(masks) if isinstance(masks, str) else masks
    if movie is None:
        video = as_video(source, pixel_size_um=pixel_size_um, minutes_per_frame=minutes_per_frame)
    else:
        video = signals.without_assumed_phase(_opened(movie), measure)
    screen, measured = _screen(quiet), signals.choose(video, measure, fucci)
    opened = open_masks(source, n_frames=video.n_frames, shape=video.shape)
    quality = _assess(video, screen)
    found = _measured(
        video,
        quality,
        segment.MaskFinder(opened),
        screen,
        (*video.warnings, *quality.warnings),
        measured,
        min_area=min_area,
        correct_light=correct_light,
        workers=1,
        device=device,
    )
    return replace(found, warnings=(*found.warnings, *opened.warnings_of(found.labels)))


def track(
    nuclei: Nuclei,
    movie: str | Path | Video | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Tracks:
    """Follow the cells, through divisions, fusions and deaths.

    Args:
        nuclei: of `segment` or `from_masks`.
        movie: the movie that they are of; given, micronuclei and bridges beside daughters are looked for.
        settings: of `lineage.tracking.track.track`, by name: `{"max_speed": 0.1}`.
        quiet: show no progress.

    Returns:
        Tracks. Nothing is classified: verdicts rest on what was seen, and are `undecided` where nothing
        abnormal was. For the classifier's verdicts use `analyse`.

    Raises:
        Unsolved: no lineage was found within the time limit.
    """
    from lineage.tracking.track import track

    screen = _screen(quiet)
    with screen.stage("track"):
        lineage = track(
            nuclei.table, usable=nuclei.quality.usable, geometry=nuclei.geometry, **settings or {}
        )
    return _tracks(lineage, nuclei, movie, screen)


def _tracks(lineage: Lineage, nuclei: Nuclei, movie: str | Path | Video | None, screen: Screen) -> Tracks:
    """A lineage, with its events and their verdicts as far as no classifier is needed."""
    import numpy as np

    from lineage import tables
    from lineage.mitosis import discarded
    from lineage.mitosis.event_table import event_table
    from lineage.mitosis.events import propose
    from lineage.mitosis.micronuclei import look_beside_daughters
    from lineage.mitosis.verdict import decide_all
    from lineage.tree import annotate

    quality, geometry = nuclei.quality, nuclei.geometry
    events, left_out = propose(lineage, geometry=geometry, last_frames=quality.last_frames, classified=False)
    if movie is not None:
        with screen.stage("events") as progress:
            events = look_beside_daughters(
                events, lineage, _opened(movie), quality, nuclei.labels.__getitem__, progress=progress
            )
    nothing = Predictions(np.zeros(0, np.int64), np.zeros((0, 2), np.float32), ("normal", "abnormal"))
    verdicts = decide_all(events, nothing)
    tree = annotate(
        lineage,
        events,
        verdicts,
        geometry=geometry,
        video_name="",
        last_frames=quality.last_frames,
    )
    table = event_table(events, verdicts, minutes_per_frame=geometry.minutes_per_frame)
    cells, lineages = tables.tables(tree, table)
    in_no_table = {LeftOut.DIVIDED_TOO_SOON: lineage.n_divided_too_soon, **left_out}
    notes = (*lineage.notes, *discarded.notes(in_no_table))
    return Tracks(tree, lineage.detections, table, cells, lineages, notes, lineage.warnings)


def analyse(
    movie: str | Path | Video,
    *,
    out: str | Path | None = None,
    masks: str | Path | None = None,
    dose_gy: float | None = None,
    device: str | None = None,
    settings: Config | str | Path | Mapping[str, Any] | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Result:
    """Take a movie all the way, as `python -m lineage.run` does.

    Args:
        movie: of `lineage.open`, or a path.
        out: the run folder; a run that was stopped there goes on. In a temporary folder if left out, which
            is gone with the result unless it is saved.
        masks: existing masks in place of a segmentation, a file or folder; an array goes to `from_masks`.
        dose_gy: dose the cells were given; carried into the results.
        device: as in `segment`.
        settings: a TOML file, or settings by dotted name: `{"segment.model": "2D_versatile_fluo"}`.
        overwrite: throw away an earlier run in `out`.
        quiet: show no progress.

    Raises:
        InputError: the movie, a setting or the folder cannot be used.
    """
    from lineage import config
    from lineage.run import run

    if masks is not None and not isinstance(masks, (str, Path)):
        raise InputError(
            f"masks are a {type(masks).__name__}; give a file or folder, or use `from_masks` and `track`"
        )
    arguments = {"dose_gy": dose_gy, "labels": None if masks is None else Path(masks), "device": device}
    given = {name: value for name, value in arguments.items() if value is not None}
    if isinstance(settings, config.Config):
        chosen = config.read(None, settings.model_dump() | given)
    else:
        file = Path(settings) if isinstance(settings, (str, Path)) else None
        chosen = config.read(file, (dict(settings) if isinstance(settings, Mapping) else {}) | given)
    source = Path(movie) if isinstance(movie, str) else movie
    if isinstance(source, Path) and source != chosen.labels:
        source = open(source, **chosen.video.model_dump())
    store = _Store() if out is None else None
    folder = store.path / "movie.lineage" if store else Path(str(out))
    done = run(source, folder, chosen, screen=_screen(quiet), overwrite=overwrite)
    return Result(done, store)


@overload
def load(path: str | Path) -> Result: ...


@overload
def load(
    path: str | Path,
    *,
    movie: str | Path | Video | None = None,
    masks: str | Path | np.ndarray | None = None,
    pixel_size_um: float | None = None,
    minutes_per_frame: float | None = None,
    quiet: bool = False,
) -> Any: ...


def load(
    path: str | Path,
    *,
    movie: str | Path | Video | None = None,
    masks: str | Path | np.ndarray | None = None,
    pixel_size_um: float | None = None,
    minutes_per_frame: float | None = None,
    quiet: bool = False,
) -> Result | Tracks:
    """Read a run folder, or tracks that another program made.

    Given tracks become cells with events and verdicts without a classifier, as of `track`. For the
    classifier's verdicts, a report and a dose report give them to a run:
    `analyse(movie, settings={"tracks": path})`.

    Args:
        path: what `python -m lineage.run`, `analyse` or `Result.save` wrote; or TrackMate's XML, a folder of
            the Cell Tracking Challenge, GEFF, btrack's HDF5 or CSV, napari's tracks as CSV or NPY.
        movie: of given tracks; its nuclei are segmented, and each spot is put on the nucleus it lies on.
        masks: of given tracks, in place of a segmentation. Those of the Challenge are in the folder. Without
            movie and masks nothing is known of the nuclei but where they are.
        pixel_size_um: of given tracks without a movie, where their file does not say it.
        minutes_per_frame: likewise.
        quiet: show no progress.

    Returns:
        Result of a run folder, Tracks of given tracks; their `notes` count what is not in the lineage.

    Raises:
        InputError: it is no run and no known format, its run has not ended, files were changed since it was
            written, or the tracks are not of this movie.
    """
    root = Path(path)
    if root.exists() and not _is_run(root):
        return _given_tracks(root, movie, masks, pixel_size_um, minutes_per_frame, quiet=quiet)
    if root.exists() and any(x is not None for x in (movie, masks, pixel_size_um, minutes_per_frame)):
        raise InputError(f"{root} is a run, which has its own movie: leave movie, masks and units out")
    return _run_of(root)


def _is_run(path: Path) -> bool:
    """Whether it is, or is meant to be, a run folder: what a folder holds is else a known format's."""
    from lineage.imports.read import is_known
    from lineage.io.integrity import RECORD

    return (path / RECORD).exists() or (path.is_dir() and not is_known(path))


def _given_tracks(
    path: Path,
    movie: str | Path | Video | None,
    masks: str | Path | np.ndarray | None,
    pixel_size_um: float | None,
    minutes_per_frame: float | None,
    *,
    quiet: bool,
) -> Tracks:
    """Tracks that another program made, on the nuclei of a movie or of masks, or by themselves."""
    from lineage.imports import place, read_tracks
    from lineage.imports.alone import as_nuclei, geometry_of, lineage_alone

    given, screen = read_tracks(path), _screen(quiet)
    if movie is None and masks is None and given.spots["y"].notna().all():
        geometry, notes = geometry_of(given, pixel_size_um=pixel_size_um, minutes_per_frame=minutes_per_frame)
        alone = lineage_alone(given, geometry)
        table, quality = as_nuclei(alone, geometry)
        nothing: Any = None  # nobody looks at labels without a movie
        nuclei = Nuclei(table, nothing, quality, geometry)
        with warnings.catch_warnings():
            # Of what is not known there is no median.
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
            found = _tracks(alone.lineage, nuclei, None, screen)
        return replace(found, notes=(*found.notes, *notes))
    own = given.masks if movie is None and masks is None else masks
    if movie is not None:
        movie = _opened(movie)
        nuclei = segment(movie, quiet=quiet) if own is None else from_masks(own, movie=movie, quiet=quiet)
    elif own is None:
        raise InputError(f"{path} says of no spot where it is: give the movie or the masks")
    else:
        nuclei = from_masks(
            own,
            pixel_size_um=pixel_size_um or given.pixel_size_um,
            minutes_per_frame=minutes_per_frame or given.minutes_per_frame,
            quiet=quiet,
        )
    placed = place(
        given,
        nuclei.table,
        labels=nuclei.labels,
        geometry=nuclei.geometry,
        usable=nuclei.quality.usable,
        masks=Path(own) if isinstance(own, (str, Path)) else None,
    )
    found = _tracks(placed.lineage, nuclei, movie, screen)
    return replace(found, warnings=(*nuclei.warnings, *found.warnings))


def _run_of(root: Path) -> Result:
    from lineage.io.integrity import check, read_record
    from lineage.io.run_folder import RunFolder

    record = read_record(root)
    if "tree" not in record["stages"]:
        raise InputError(f"the run in {root} has not ended: give the same `python -m lineage.run` again")
    folder = RunFolder(root, record)
    check(root, record, folder.events, folder.detections, folder.tracklets, folder.lineages, folder.graphml)
    return Result(folder)


def _opened(movie: str | Path | Video) -> Video:
    return movie if isinstance(movie, Video) else open(movie)


def _screen(quiet: bool) -> Screen:
    from lineage.progress import Screen

    return Screen(quiet=quiet)


def _assess(video: Video, screen: Screen) -> FrameQuality:
    from lineage.quality import assess

    with screen.stage("quality") as progress:
        return assess(video, progress=progress)


def _measured(
    video: Video,
    quality: FrameQuality,
    find: Finder,
    screen: Screen,
    warnings: tuple[str, ...],
    measured: Signals,
    *,
    min_area: float,
    correct_light: bool,
    workers: int | None,
    device: str,
) -> Nuclei:
    """Labels in a temporary folder, so that memory does not grow with the movie, and their measurements."""
    from lineage.io import labels
    from lineage.nuclei import fucci, segment
    from lineage.nuclei.light import estimate_light
    from lineage.quality import check_with_trackpy

    store = _Store()
    path, journal = store.path / "labels.zarr", store.path / "journal"
    journal.mkdir()
    with screen.stage("segment") as progress:
        table, n_too_small = segment.segment(
            video,
            quality,
            find,
            labels=path,
            journal=journal,
            min_area=min_area,
            signals=measured,
            workers=workers or segment.workers_for(video, device=device),
            device=device,
            progress=progress,
        )
    shutil.rmtree(journal)
    array = labels.open_array(path, labels.RAW)
    table, _, unclear = fucci.with_phases(table, measured)
    light = estimate_light(table, video, correct=correct_light)
    warnings = (*warnings, *unclear, *check_with_trackpy(table, quality), *light.warnings)
    table = light.correct(table)
    return Nuclei(table, array, quality, video.geometry, n_too_small, warnings, store, light.notes)
