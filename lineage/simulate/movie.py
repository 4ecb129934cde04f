"""Settings -> OUT.tif, a two-channel OME-TIFF, and OUT.truth beside it, one frame at a time."""

from __future__ import annotations

import shutil
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from lineage.schema import InputError
from lineage.simulate.motion import move
from lineage.simulate.population import grow
from lineage.simulate.render import Scene
from lineage.simulate.stage import drift_px
from lineage.simulate.truth import TruthWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lineage.simulate.population import Cell
    from lineage.simulate.settings import Settings

CHANNELS = ("phase", "SiR-DNA")


def truth_folder(movie: Path) -> Path:
    """Where a movie's truth lies.

    >>> from pathlib import Path
    >>> truth_folder(Path("demo.ome.tif")).name
    'demo.truth'
    """
    return movie.with_name(movie.name.split(".")[0] + ".truth")


def simulate(
    out: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda frame: None,
) -> Path:
    """Simulate a movie and write it with its truth.

    Args:
        out: the movie, `*.tif`; what it replaces is replaced when all is written.
        settings: of the simulation.
        overwrite: replace an earlier movie and its truth.
        progress: called with each frame's number when it is done.

    Returns:
        The truth's folder.

    Raises:
        InputError: `out` is no `.tif`, its folder is not there, or it exists and may not be replaced.
    """
    truth = truth_folder(out)
    _check_out(out, truth, overwrite=overwrite)
    rough, draft = out.with_name(out.name + ".partial"), truth.with_name(truth.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    lives, walk, stage = (np.random.default_rng(s) for s in np.random.SeedSequence(settings.seed).spawn(3))
    cells = {cell.cell_id: cell for cell in grow(lives, settings)}
    try:
        records = TruthWriter(draft, cells, settings)
        frames = _frames(settings, cells, walk, drift_px(stage, settings), records, progress)
        with tifffile.TiffWriter(rough, ome=True) as tiff:
            tiff.write(
                chain.from_iterable(frames),
                shape=(settings.frames, len(CHANNELS), settings.size, settings.size),
                dtype=np.uint8,
                compression="zlib",
                compressionargs={"level": 9},
                metadata={
                    "axes": "TCYX",
                    "Channel": {"Name": list(CHANNELS)},
                    "PhysicalSizeX": settings.pixel_size_um,
                    "PhysicalSizeXUnit": "µm",
                    "PhysicalSizeY": settings.pixel_size_um,
                    "PhysicalSizeYUnit": "µm",
                    "TimeIncrement": 60 * settings.minutes_per_frame,
                    "TimeIncrementUnit": "s",
                },
            )
        records.finish()
    except BaseException:
        rough.unlink(missing_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        raise
    shutil.rmtree(truth, ignore_errors=True)
    draft.rename(truth)
    rough.replace(out)
    return truth


def _check_out(out: Path, truth: Path, *, overwrite: bool) -> None:
    if out.suffix.lower() not in {".tif", ".tiff"}:
        raise InputError(f"{out.name}: the movie is a TIFF; give it a name that ends in .tif")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder; make it first")
    for path in (out, truth):
        if path.exists() and not overwrite:
            raise InputError(f"{path} is already there; choose another name or add --overwrite")


def _frames(
    settings: Settings,
    cells: Mapping[int, Cell],
    walk: np.random.Generator,
    drift: np.ndarray,
    records: TruthWriter,
    progress: Callable[[int], None],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(phase, DNA) of each frame, (Y, X) uint8; the truth is recorded in passing."""
    scene = Scene(settings, cells)
    for frame, places in enumerate(move(walk, list(cells.values()), settings)):
        phase, dna, masks = scene.frame(frame, places, drift[frame])
        records.add(frame, masks, places, drift[frame])
        progress(frame)
        yield phase, dna
