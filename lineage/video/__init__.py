"""File or folder -> Video: TIFF in its dialects, folders of TIFFs, OME-Zarr, Nikon ND2."""

from __future__ import annotations

from lineage.video.movie import open_array, open_video, positions
from lineage.video.parts import open_parts

__all__ = ["open_array", "open_parts", "open_video", "positions"]
