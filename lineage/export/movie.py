"""A run and its movie -> a GIF or an MP4 to show: DNA with outlined cells and their mitoses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.export.colours import FOUNDERS, PLAIN, VERDICTS, colours
from lineage.export.overlay import Look, picture, rings, size_of
from lineage.io.files import atomic_write
from lineage.schema import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import networkx as nx
    import pandas as pd

    from lineage.schema import Video

USUAL_SIDE = {".gif": 600, ".mp4": 1080}  # pixels, the longer side of a picture, where no scale is given
LARGEST_SCALE = 4.0
LARGEST_SIDE = 8192
PERCENTILES = (25.0, 99.95)  # what is black and what is white
_PROBED = 9  # frames for these
_SHADES, _GREYS = (
    12,
    40,
)  # of each colour in a GIF; more greys would show noise, and take several times the space


def write(
    video: Video,
    tracked: Any,
    tree: nx.DiGraph,
    events: pd.DataFrame,
    detections: pd.DataFrame,
    path: Path,
    *,
    frames: range,
    fps: float = 10.0,
    scale: float | None = None,
    colour_by: str = "lineage",
) -> tuple[int, int]:
    """Write the film a frame at a time; the file is written completely or not at all.

    Args:
        video: the movie.
        tracked: (T, Y, X) array of cell ids, 0 for background; read a frame at a time.
        tree: annotated tree.
        events: EVENT_COLUMNS; `daughter_ids` holds text.
        detections: DETECTION_COLUMNS.
        path: `*.gif`, or `*.mp4`, for which imageio-ffmpeg is needed; replaced if it is there.
        frames: those that are shown.
        fps: frames a second.
        scale: pixels of the film for one of the movie; the longer side is USUAL_SIDE if left out.
        colour_by: one of `colours.COLOUR_BY`.

    Returns:
        (width, height) of the film.

    Raises:
        InputError: labels and movie are not of the same size, the film would be too large, or imageio-ffmpeg
            is not installed.
    """
    shape = tuple(tracked.shape)
    if shape != (video.n_frames, *video.shape):
        raise InputError(f"labels of {shape} are not those of a movie of {(video.n_frames, *video.shape)}")
    if scale is None:
        scale = min(LARGEST_SCALE, USUAL_SIDE[path.suffix.lower()] / max(video.shape))
    size = size_of(video.shape, scale)
    if max(size) > LARGEST_SIDE:
        raise InputError(f"a film of {size[0]} x {size[1]} px is too large; give a lower --scale")
    look = Look(
        scale=scale,
        pixel_size_um=video.pixel_size_um,
        minutes_per_frame=video.minutes_per_frame,
        levels=_levels(video, frames),
        colours=colours(tree, colour_by),
        legend=colour_by == "verdict",
    )
    ringed = rings(
        events, detections, pixel_size_um=video.pixel_size_um, minutes_per_frame=video.minutes_per_frame
    )
    pictures = (picture(_dna(video, t), np.asarray(tracked[t]), ringed.get(t, []), t, look) for t in frames)
    with atomic_write(path) as part:
        (_write_gif if path.suffix.lower() == ".gif" else _write_mp4)(pictures, part, size, fps)
    return size


def _dna(video: Video, t: int) -> np.ndarray:
    """(Y, X); where there are masks alone, nothing."""
    return video.frame(t, video.nucleus) if video.intensities else np.zeros(video.shape, np.uint8)


def _levels(video: Video, frames: range) -> tuple[float, float]:
    """The grey levels that are black and white, the same for all frames; zeros are missing frames."""
    probed = sorted({frames[round(k)] for k in np.linspace(0, len(frames) - 1, _PROBED)})
    pixels = np.concatenate([_dna(video, t)[::2, ::2].ravel() for t in probed])
    seen = pixels[pixels != 0]
    low, high = np.percentile(seen, PERCENTILES) if seen.size else (0.0, 1.0)
    return float(low), float(max(high, low + 1e-6))


def _write_gif(pictures: Iterable[np.ndarray], part: Path, size: tuple[int, int], fps: float) -> None:
    """One palette for all frames, without dither: else colours flicker, and the file is many times larger."""
    from PIL import Image

    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette().ravel().tolist())
    images = (Image.fromarray(p).quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures)
    first = next(images)
    # Whole hundredths of a second are all that a GIF knows.
    hundredths = max(2, round(100 / fps))
    first.save(
        part, format="GIF", save_all=True, append_images=images, duration=10 * hundredths, loop=0, disposal=1
    )


def _palette() -> np.ndarray:
    """(N, 3) uint8: greys, and shades of each colour that is drawn, from near black."""
    drawn = dict.fromkeys([*FOUNDERS, *VERDICTS.values(), PLAIN])
    pure = np.array([list(bytes.fromhex(c[1:])) for c in drawn], float)
    shades = np.linspace(1, 0, _SHADES, endpoint=False)
    coloured = (pure[:, None] * shades[:, None]).reshape(-1, 3)
    greys = np.linspace(0, 255, _GREYS)[:, None].repeat(3, axis=1)
    return np.round(np.concatenate([greys, coloured])).astype(np.uint8)


def _write_mp4(pictures: Iterable[np.ndarray], part: Path, size: tuple[int, int], fps: float) -> None:
    """H.264 of a kind that PowerPoint, Keynote and browsers play."""
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:  # the latter where its wheel has no ffmpeg
        raise InputError(
            "MP4 needs imageio-ffmpeg: pip install 'mitosis-lineage[exports]'; or name a .gif"
        ) from error
    film = imageio_ffmpeg.write_frames(
        str(part),
        size,
        fps=fps,
        codec="libx264",
        pix_fmt_out="yuv420p",
        macro_block_size=2,
        output_params=["-crf", "18", "-movflags", "+faststart", "-f", "mp4"],
        quality=None,
        ffmpeg_log_level="error",
    )
    film.send(None)
    try:
        for image in pictures:
            film.send(np.ascontiguousarray(image))
    finally:
        film.close()
