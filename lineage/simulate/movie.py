"""Settings -> OUT.tif, a two-channel OME-TIFF, and OUT.truth beside it, one frame at a time.

Lives and walks are drawn in order. Frames do not depend on each other and are drawn by several processes.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from imagecodecs import deflate_decode, deflate_encode

from lineage.processes import cores, in_order
from lineage.schema import InputError
from lineage.simulate import fucci
from lineage.simulate.dish import Positions, area_ratio
from lineage.simulate.microscope import set_up
from lineage.simulate.motion import move
from lineage.simulate.population import grow
from lineage.simulate.render import Scene
from lineage.simulate.truth import TruthWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from lineage.simulate.settings import Settings

CHANNELS = ("phase", "SiR-DNA")
DEFLATE_LEVEL = 3
MIN_PIXELS_FOR_PROCESSES = 2e7  # of a movie; below, starting them takes longer than they save


def truth_folder(movie: Path) -> Path:
    """Where a movie's truth lies.

    >>> from pathlib import Path
    >>> truth_folder(Path("4.5Gy.ome.tif")).name
    '4.5Gy.truth'
    """
    return movie.with_name(re.sub(r"(\.ome)?\.tiff?$", "", movie.name, flags=re.IGNORECASE) + ".truth")


def simulate(
    out: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Callable[[int], None] = lambda frame: None,
) -> Path:
    """Simulate a movie and write it with its truth.

    Args:
        out: the movie, `*.tif`; an earlier one is replaced only when all is written.
        settings: of the simulation.
        overwrite: replace an earlier movie and its truth.
        workers: processes that draw; all cores if None, and one where the movie is small. What they draw does
            not depend on their number.
        progress: called with each frame's number when it is done.

    Returns:
        The truth's folder.

    Raises:
        InputError: `out` is no `.tif`, its folder is not there, it exists and may not be replaced, or there
            would be more cells than the masks hold.
    """
    truth = truth_folder(out)
    _check_out(out, truth, overwrite=overwrite)
    if workers is None:
        workers = cores() if settings.frames * settings.size**2 > MIN_PIXELS_FOR_PROCESSES else 1
    partial, partial_truth = (path.with_name(path.name + ".partial") for path in (out, truth))
    shutil.rmtree(partial_truth, ignore_errors=True)
    lives, walk, light = (np.random.default_rng(s) for s in np.random.SeedSequence(settings.seed).spawn(3))
    founders = round(settings.founders * area_ratio(settings))
    cells = {cell.cell_id: cell for cell in grow(lives, settings, founders=founders)}
    scene = Scene(settings, cells, set_up(light, settings))
    try:
        records = TruthWriter(partial_truth, cells, settings, scene.microscope)
        drift_um = scene.microscope.drift_px * settings.pixel_size_um
        seen = enumerate(move(walk, list(cells.values()), drift_um, settings))
        views = in_order(_draw_in_worker, seen, workers=workers, begin=_set_scene, shared=(scene,))
        _write(partial, _pages(views, scene, records, progress), settings)
        records.finish(out.name)
    except BaseException:
        partial.unlink(missing_ok=True)
        shutil.rmtree(partial_truth, ignore_errors=True)
        raise
    # The old truth is removed before the new movie appears: a movie never lies beside another one's truth.
    shutil.rmtree(truth, ignore_errors=True)
    partial.replace(out)
    partial_truth.rename(truth)
    return truth


def _write(path: Path, pages: Iterator[bytes], settings: Settings) -> None:
    """Write compressed pages, the channels of each frame in turn, as an OME-TIFF."""
    channels = (*CHANNELS, *(fucci.CHANNELS if settings.fucci else ()))
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as tiff:
        tiff.write(
            pages,
            shape=(settings.frames, len(channels), settings.size, settings.size),
            dtype=np.uint8,
            compression="zlib",
            rowsperstrip=settings.size,
            metadata={
                "axes": "TCYX",
                "Channel": {"Name": list(channels)},
                "PhysicalSizeX": settings.pixel_size_um,
                "PhysicalSizeXUnit": "µm",
                "PhysicalSizeY": settings.pixel_size_um,
                "PhysicalSizeYUnit": "µm",
                "TimeIncrement": 60 * settings.minutes_per_frame,
                "TimeIncrementUnit": "s",
            },
        )


def _check_out(out: Path, truth: Path, *, overwrite: bool) -> None:
    if out.suffix.lower() not in {".tif", ".tiff"}:
        raise InputError(f"{out.name}: the movie is a TIFF; give it a name that ends in .tif")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder; make it first")
    for path in (out, truth):
        if path.exists() and not overwrite:
            raise InputError(f"{path} is already there; choose another name or add --overwrite")


@dataclass(frozen=True, eq=False)
class View:
    """One drawn frame."""

    positions: Positions
    pages: tuple[bytes, ...]  # phase, DNA and reporters, (Y, X) uint8, compressed
    masks: bytes  # (Y, X) uint16 of cell ids, compressed


def _draw(scene: Scene, frame: int, positions: Positions) -> View:
    phase, dna, masks = scene.frame(frame, positions)
    images = (phase, dna, *scene.reporters(frame, positions))
    *pages, of_masks = (bytes(deflate_encode(i.tobytes(), DEFLATE_LEVEL)) for i in (*images, masks))
    return View(positions, tuple(pages), of_masks)


_scene: Scene | None = None  # of a worker process


def _set_scene(scene: Scene) -> None:
    global _scene
    _scene = scene


def _draw_in_worker(frame: int, positions: Positions) -> View:
    assert _scene is not None
    return _draw(_scene, frame, positions)


def _pages(
    views: Iterable[View], scene: Scene, records: TruthWriter, progress: Callable[[int], None]
) -> Iterator[bytes]:
    """The channels of each frame; also records the truth."""
    for frame, view in enumerate(views):
        masks = np.frombuffer(deflate_decode(view.masks), np.uint16).reshape(scene.shape)
        records.add(frame, masks, view.positions)
        progress(frame)
        yield from view.pages
