"""From a time-lapse movie of nuclei to its annotated lineage.

    import lineage

    result = lineage.analyse("video.tif")          # all of it, as `python -m lineage.run video.tif`
    result.tree, result.events, result.cells, result.nuclei, result.labels
    result.save("video.lineage")

    movie = lineage.open("video.tif")              # or step by step
    nuclei = lineage.segment(movie)                # or lineage.from_masks(masks, movie=movie)
    tracks = lineage.track(nuclei, movie)

`lineage.load("video.lineage")` reads what a run wrote. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lineage.api import Nuclei, Result, Tracks, analyse, from_masks, load, open, segment, track
    from lineage.schema import InputError

__version__ = "0.2.0"
__all__ = [
    "InputError",
    "Nuclei",
    "Result",
    "Tracks",
    "analyse",
    "from_masks",
    "load",
    "open",
    "segment",
    "track",
]


def __getattr__(name: str) -> Any:
    if name == "InputError":
        from lineage.schema import InputError

        return InputError
    if name in __all__:
        from lineage import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
