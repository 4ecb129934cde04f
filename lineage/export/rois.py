"""Tracked labels + annotated tree -> a ZIP of ImageJ ROIs, one polygon for each nucleus in each frame.

Opened in ImageJ's ROI Manager over the movie, each shows in its frame. Polygons run along the edges of
pixels, as ImageJ's wand draws them, so that areas and intensities measured in them are those of the pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from lineage.export.colours import colours
from lineage.io.files import atomic_write
from lineage.outlines import polygons
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import networkx as nx


def write(
    tree: nx.DiGraph,
    tracked: Any,
    path: Path,
    *,
    colour_by: str = "lineage",
    hyperstack: bool,
) -> int:
    """Write the ROIs a frame at a time; the file is written completely or not at all.

    A ROI is named `cell7_0012`, the cell and its frame from 0; further pieces of a nucleus in pieces are
    `cell7_0012_2` and so on. Holes in a nucleus are filled.

    Args:
        tree: annotated tree.
        tracked: (T, Y, X) array of cell ids, 0 for background; read a frame at a time.
        path: a file `*.zip`; replaced if it is there.
        colour_by: one of `colours.COLOUR_BY`.
        hyperstack: the movie, as ImageJ opens it, has channels or planes of z beside time; else it is a plain
            stack. ImageJ counts them differently.

    Returns:
        How many ROIs were written.

    Raises:
        InputError: roifile is not installed, or labels and tree are not of the same run.
    """
    roi_of = _roi_maker(hyperstack=hyperstack)
    colour = colours(tree, colour_by)
    written = 0
    with atomic_write(path) as part, ZipFile(part, "w", ZIP_DEFLATED) as archive:
        for t in range(tracked.shape[0]):
            pieces: dict[int, int] = {}
            for cell, polygon in polygons(np.asarray(tracked[t])):
                if cell not in colour:
                    raise InputError(
                        f"cell {cell} has labels but is not in the tree: labels.zarr and lineage.graphml are "
                        "not of one run; run the movie again"
                    )
                pieces[cell] = pieces.get(cell, 0) + 1
                name = f"cell{cell}_{t:04}" + (f"_{pieces[cell]}" if pieces[cell] > 1 else "")
                archive.writestr(f"{name}.roi", roi_of(polygon, name, t, colour[cell]))
                written += 1
    return written


def _roi_maker(*, hyperstack: bool) -> Callable[[np.ndarray, str, int, str], bytes]:
    """(corners, name, frame, colour) -> the bytes of a ROI."""
    try:
        from roifile import ROI_TYPE, ImagejRoi
    except ImportError as error:
        raise InputError("ImageJ ROIs need roifile: pip install 'mitosis-lineage[exports]'") from error

    def roi_of(polygon: np.ndarray, name: str, t: int, colour: str) -> bytes:
        at = {"t": t} if hyperstack else {"position": t}
        roi = ImagejRoi.frompoints(polygon, name=name, **at)
        roi.roitype = ROI_TYPE.POLYGON
        roi.stroke_color = b"\xff" + bytes.fromhex(colour[1:])
        return roi.tobytes()

    return roi_of
