"""File or folder -> Video: TIFF in its dialects, folders of TIFFs, OME-Zarr, ND2, CZI, LIF; contents."""

from __future__ import annotations

from lineage.video.listing import list_contents
from lineage.video.movie import chosen_positions, open_array, open_video, positions

__all__ = ["chosen_positions", "list_contents", "open_array", "open_video", "positions"]
