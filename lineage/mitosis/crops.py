"""Video + events -> a crop of each event: 12 frames, two channels."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lineage.io.files import atomic_write
from lineage.schema import CROP_FRAMES, CROP_INTERVAL_MIN, IMAGE_BOXES, SEPARATION_INDEX, Crops, Flag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from lineage.schema import FrameQuality, MitosisEvent, Video


@dataclass(frozen=True)
class CropWindow:
    """What a crop is cut from: a square, in drift-corrected micrometres, and frames."""

    event_id: int
    y_um: float  # centre
    x_um: float
    side_um: float
    frames: tuple[int, ...]  # CROP_FRAMES of them
    flags: tuple[str, ...]
    outside: tuple[int, ...] = ()  # indices of those that stand for frames before or after the movie


def frames_of(frame: int, minutes_per_frame: float) -> tuple[int, ...]:
    """The frames that show an event: 12 of them, ten minutes apart, the separation at index 3.

    Frames outside the movie are listed too; where the interval is longer than ten minutes, frames repeat.

    >>> frames_of(1, 10.0)
    (-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    >>> frames_of(10, 15.0)
    (8, 9, 9, 10, 11, 11, 12, 13, 13, 14, 15, 15)
    """
    offsets = (np.arange(CROP_FRAMES) - SEPARATION_INDEX) * CROP_INTERVAL_MIN / minutes_per_frame
    # Halves go down, so that the frame before the separation is never taken for it.
    return tuple(int(frame + np.ceil(o - 0.5)) for o in offsets)


def warnings(minutes_per_frame: float, has_phase: bool, max_interval_min: float) -> list[str]:
    """What makes predictions on a movie less sure than on those that the classifier learned from.

    Args:
        minutes_per_frame: of the movie.
        has_phase: whether it has a phase channel.
        max_interval_min: above it nothing is classified.

    >>> warnings(10.0, True, 20.0)
    []
    """
    found = []
    if minutes_per_frame > max_interval_min:
        found.append(
            f"at {minutes_per_frame:g} min a frame no mitosis is classified: "
            f"above {max_interval_min:g} min too few frames show it"
        )
    elif abs(minutes_per_frame - CROP_INTERVAL_MIN) > 0.1 * CROP_INTERVAL_MIN:
        found.append(
            f"the classifier learned from clips at {CROP_INTERVAL_MIN:g} min a frame; this movie has one "
            f"every {minutes_per_frame:g} min and shows it the nearest: its predictions are less sure"
        )
    if not has_phase:
        found.append("no phase contrast: whether cells round up is not seen")
    return found


def select_windows(
    events: list[MitosisEvent],
    detections: pd.DataFrame,
    quality: FrameQuality,
    *,
    minutes_per_frame: float,
    has_phase: bool,
    min_side_um: float = 58.0,
    max_side_um: float = 190.0,
    margin_um: float = 12.0,
    max_interval_min: float = 20.0,
) -> list[CropWindow]:
    """Choose what each event's crop is cut from.

    Args:
        events: in frames of the movie.
        detections: DETECTION_COLUMNS.
        quality: unusable frames are replaced by the nearest usable one.
        minutes_per_frame: of the movie.
        has_phase: whether there is a phase channel.
        min_side_um: micrometres; the paper's smallest clips.
        max_side_um: micrometres; its largest.
        margin_um: around the outermost nuclei: a rounded cell is wider than its chromatin.
        max_interval_min: above it an event is flagged so.

    Returns:
        One an event, in their order.
    """
    usable = np.flatnonzero(quality.usable)
    general = [] if has_phase else [Flag.NO_PHASE]
    if abs(minutes_per_frame - CROP_INTERVAL_MIN) > 0.1 * CROP_INTERVAL_MIN:
        general.append(Flag.RESAMPLED)
    if minutes_per_frame > max_interval_min:
        general.append(Flag.INTERVAL_TOO_LONG)
    by_cell = _boxes(detections)
    windows = []
    for event in events:
        wanted = frames_of(event.frame, minutes_per_frame)
        inside = np.clip(wanted, 0, len(quality.table) - 1)
        frames = tuple(int(usable[np.abs(usable - t).argmin()]) for t in inside)
        flags = list(general)
        if tuple(inside) != wanted:
            flags.append(Flag.WINDOW_PADDED)
        if frames != tuple(inside):
            flags.append(Flag.FRAME_REPLACED)
        family = [by_cell[c] for c in (event.mother, *event.daughters)]
        y, x, side = _around(family, wanted, min_um=min_side_um, max_um=max_side_um, margin_um=margin_um)
        outside = tuple(i for i, (w, t) in enumerate(zip(wanted, inside, strict=True)) if w != t)
        windows.append(CropWindow(event.event_id, y, x, side, frames, tuple(flags), outside))
    return windows


def _boxes(detections: pd.DataFrame) -> dict[int, np.ndarray]:
    """Of each cell (N, 4): frame, y and x, radius in micrometres."""
    ordered = detections.sort_values("tracklet_id", kind="stable")
    radius = np.sqrt(ordered["area_um2"].to_numpy(float) / np.pi)
    rows = np.column_stack([ordered[["frame", "y_um", "x_um"]].to_numpy(float), radius])
    cells, starts = np.unique(ordered["tracklet_id"].to_numpy(), return_index=True)
    ends = [*starts[1:], len(rows)][: len(starts)]  # none, of no cells
    return {cell: rows[a:b] for cell, a, b in zip(cells.tolist(), starts, ends, strict=True)}


def _around(
    family: list[np.ndarray], frames: tuple[int, ...], *, min_um: float, max_um: float, margin_um: float
) -> tuple[float, float, float]:
    """Centre and side of the square that covers mother and daughters, by their `_boxes`, during `frames`."""
    boxes = []
    for cell in family:
        seen = cell[(cell[:, 0] >= frames[0]) & (cell[:, 0] <= frames[-1])]
        position, radius = seen[:, 1:3], seen[:, 3:]
        boxes += [position - radius, position + radius]
    corners = np.concatenate(boxes)
    low, high = corners.min(axis=0), corners.max(axis=0)
    y, x = (low + high) / 2
    return float(y), float(x), float(np.clip((high - low).max() + 2 * margin_um, min_um, max_um))


def cut(
    video: Video, quality: FrameQuality, windows: list[CropWindow], *, size_px: int = 96, batch: int = 32
) -> Iterator[Crops]:
    """Cut the crops, a batch at a time; every frame is read about once, and few are held.

    Args:
        video: raw intensities; 8 and 16 bit stay what they are, anything else becomes float32.
        quality: its drift is followed.
        windows: sorted by first frame, or reading goes back and forth.
        size_px: each crop is resampled to this many pixels a side.
        batch: events cut together.

    Yields:
        Crops, pixels (n, 12, 2, size_px, size_px), n at most `batch`.
    """
    for start in range(0, len(windows), batch):
        yield _cut_batch(video, quality, windows[start : start + batch], size_px)


def _cut_batch(video: Video, quality: FrameQuality, windows: list[CropWindow], size_px: int) -> Crops:
    kept = video.dtype if video.dtype in (np.uint8, np.uint16) else np.float32  # what ImageJ reads
    pixels = np.zeros((len(windows), CROP_FRAMES, 2, size_px, size_px), kept)
    shown: dict[int, list[tuple[int, int]]] = {}
    for n, window in enumerate(windows):
        for i, t in enumerate(window.frames):
            shown.setdefault(t, []).append((n, i))
    for t in sorted(shown):
        for c, channel in enumerate((video.phase, video.nucleus)):
            if channel is None:
                continue
            image = video.frame(t, channel)
            for n, i in shown[t]:
                corner, side = _in_pixels(windows[n], quality.drift_px[t], video.pixel_size_um)
                cropped = resample(image, corner, side, size_px)
                pixels[n, i, c] = np.round(cropped) if pixels.dtype.kind == "u" else cropped
    flags = tuple(
        " ".join((*s.flags, Flag.SQUARE_PADDED) if _is_padded(s, quality, video, size_px) else s.flags)
        for s in windows
    )
    ids = np.array([s.event_id for s in windows], np.int64)
    return Crops(ids, pixels, np.array([s.side_um for s in windows], float), flags)


def image_boxes(window: CropWindow, quality: FrameQuality, video: Video, size_px: int) -> np.ndarray:
    """What of each frame of a crop lies within image and movie; the rest repeats what is nearest.

    Args:
        window: what the crop is cut from.
        quality: its drift is followed.
        video: the movie.
        size_px: side of the crop as saved.

    Returns:
        (12, 4) int: first row, end, first column, end, half-open, in pixels of the crop; zeros for a frame
        before or after the movie.
    """
    boxes = []
    for i, t in enumerate(window.frames):
        if i in window.outside:
            boxes.append(np.zeros(4))
            continue
        corner, side = _in_pixels(window, quality.drift_px[t], video.pixel_size_um)
        step = side / size_px
        # A pixel is where its centre is: the centre of pixel k lies (k + 0.5) steps from the corner.
        first = np.ceil(-corner / step - 0.5)
        end = np.floor((np.array(video.shape) - corner) / step - 0.5) + 1
        boxes.append(np.clip(np.stack([first, end], axis=1), 0, size_px).ravel())
    return np.array(boxes).astype(int)


def _is_padded(window: CropWindow, quality: FrameQuality, video: Video, size_px: int) -> bool:
    boxes = image_boxes(replace(window, outside=()), quality, video, size_px)
    return bool((boxes != [0, size_px, 0, size_px]).any())


def _in_pixels(window: CropWindow, drift_px: np.ndarray, pixel_size_um: float) -> tuple[np.ndarray, float]:
    """Upper left corner (y, x) and side, in pixels of the frame whose drift is given."""
    side = window.side_um / pixel_size_um
    centre = np.array([window.y_um, window.x_um]) / pixel_size_um + drift_px
    return centre - side / 2 + 0.5, side


def resample(image: np.ndarray, corner: np.ndarray, side: float, size_px: int) -> np.ndarray:
    """The square at `corner` (pixel edges), `side` pixels wide, as (size_px, size_px) float32.

    Linear interpolation; what lies outside the image repeats its edge. Smoothed first where pixels merge.

    Args:
        image: (Y, X).
        corner: (2,) y, x of the upper left corner, pixels.
        side: of the square, pixels.
        size_px: side of the result.
    """
    from scipy.ndimage import gaussian_filter

    step = side / size_px
    low = np.floor(corner).astype(int) - 4
    high = np.ceil(corner + side).astype(int) + 4
    rows, columns = (
        np.clip(np.arange(a, b), 0, n - 1) for a, b, n in zip(low, high, image.shape, strict=True)
    )
    patch = image[np.ix_(rows, columns)].astype(np.float32)
    if step > 1:
        patch = gaussian_filter(patch, 0.5 * (step - 1), mode="nearest")
    for c, o in zip(corner, low, strict=True):  # rows, then columns, which become rows
        at = c - o + (np.arange(size_px) + 0.5) * step - 0.5
        before = at.astype(int)
        share = (at - before)[:, None]
        patch = (patch[before] * (1 - share) + patch[before + 1] * share).T
    return patch.astype(np.float32)


def write(
    video: Video,
    quality: FrameQuality,
    windows: list[CropWindow],
    folder: Path,
    *,
    size_px: int = 96,
    pixels: str = "",
    earlier: pd.DataFrame | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Write each crop as an ImageJ stack, `event_0007.tif` (T, C, Y, X); the folder is made anew.

    Those that reach over the image's edge have IMAGE_BOXES in their metadata. What was cut out of the same
    window before is copied.

    Args:
        video: the movie.
        quality: its drift is followed.
        windows: what each crop is cut from.
        folder: where the files go.
        size_px: side of a crop as saved.
        pixels: what stands for the movie's pixels and its drift: other pixels, another text.
        earlier: what this returned for the crops that lie in the folder.
        progress: called with (done, total) crops.

    Returns:
        `event_id, side_um, flags, window`, one row an event; `window` is the same for the same pixels.
    """
    import pandas as pd
    import tifffile

    rows: list[tuple[int, float, str, str]] = []
    by_id = {s.event_id: s for s in windows}
    of = {s.event_id: digest(s, pixels, size_px) for s in windows}
    known = {} if earlier is None else {row["window"]: row for row in earlier.to_dict("records")}
    with atomic_write(folder) as part:
        part.mkdir()
        for window in windows:
            if row := known.get(of[window.event_id]):
                shutil.copyfile(folder / name(row["event_id"]), part / name(window.event_id))
                rows.append((window.event_id, float(row["side_um"]), row["flags"], row["window"]))
        new = [s for s in windows if of[s.event_id] not in known]
        for crops in cut(video, quality, new, size_px=size_px):
            for event_id, pixels, side, flags in zip(
                crops.event_ids, crops.pixels, crops.side_um, crops.flags, strict=True
            ):
                metadata = {"axes": "TCYX", "unit": "um", "finterval": CROP_INTERVAL_MIN * 60}
                if Flag.SQUARE_PADDED in flags or Flag.WINDOW_PADDED in flags:
                    boxes = image_boxes(by_id[int(event_id)], quality, video, size_px)
                    metadata[IMAGE_BOXES] = json.dumps(boxes.tolist())
                tifffile.imwrite(
                    part / name(event_id), pixels, imagej=True, resolution=(size_px / side, size_px / side),
                    metadata=metadata,
                )  # fmt: skip
                rows.append((int(event_id), float(side), flags, of[int(event_id)]))
            progress(len(rows), len(windows))
    order = {s.event_id: i for i, s in enumerate(windows)}
    rows.sort(key=lambda row: order[row[0]])
    return pd.DataFrame(rows, columns=["event_id", "side_um", "flags", "window"])


def digest(window: CropWindow, pixels: str, size_px: int) -> str:
    """The same for crops of the same pixels, whatever their events are numbered.

    Args:
        window: what the crop is cut from.
        pixels: what stands for the movie's pixels and its drift.
        size_px: side of the crop as saved.
    """
    text = json.dumps([pixels, size_px, asdict(replace(window, event_id=0))])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read(folder: Path, rows: pd.DataFrame) -> Crops:
    """Read the crops of some events.

    Args:
        folder: that `write` wrote to.
        rows: some of those that it returned.
    """
    import tifffile

    ids = rows["event_id"].to_numpy(np.int64)
    pixels = np.stack([tifffile.imread(folder / name(i)) for i in ids])
    return Crops(ids, pixels, rows["side_um"].to_numpy(float), tuple(rows["flags"]))


def name(event_id: int) -> str:
    """The file name of an event's crop."""
    return f"event_{event_id:04d}.tif"
