"""File or folder -> Video: TIFF in its dialects, folders of TIFFs, OME-Zarr, ND2, CZI, LIF; contents."""

from __future__ import annotations

from lineage.video.formats import chosen_positions, files_of, positions
from lineage.video.listing import list_contents
from lineage.video.movie import open_array, open_video
from lineage.video.parts import open_parts

__all__ = [
    "chosen_positions",
    "files_of",
    "list_contents",
    "open_array",
    "open_parts",
    "open_video",
    "positions",
]
