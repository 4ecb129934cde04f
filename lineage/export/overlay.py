"""A frame, its labels and its mitoses -> a picture for talks, with outlines, rings, time and scale bar."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.export.colours import PLAIN, VERDICTS
from lineage.outlines import polygons
from lineage.schema import Decision, EventType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

BEFORE_MIN, AFTER_MIN = 30.0, 60.0  # a ring is drawn so long before, where the onset was not seen, and after
FINE = 2  # lines are drawn so many times larger and then made smaller, so that they are smooth
MARGIN = 0.022  # of the shorter side, as are the two below
TEXT, SMALL_TEXT = 0.036, 0.026
LINE = 0.0026
GAMMA = 0.7  # so that interphase is seen beside mitoses, which are many times as bright
LENGTHS_UM = (5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)  # of scale bars
BAR = 0.2  # of the width, at most
LEAST_RING_UM, ROOM_UM = 11.0, 4.0
_SMOOTH = np.array([1, 2, 3, 2, 1]) / 9


@dataclass(frozen=True)
class Ring:
    """A circle around a mitosis in one frame, in pixels of the movie."""

    y: float
    x: float
    radius: float
    verdict: str


@dataclass(frozen=True)
class Look:
    """What is the same in all pictures of a movie."""

    scale: float  # pixels of the picture for one of the movie
    pixel_size_um: float
    minutes_per_frame: float
    levels: tuple[float, float]  # grey levels that are black and white
    colours: Mapping[int, str]  # cell -> #RRGGBB
    legend: bool  # what the colours of verdicts mean


def rings(
    events: pd.DataFrame, detections: pd.DataFrame, *, pixel_size_um: float, minutes_per_frame: float
) -> dict[int, list[Ring]]:
    """Frame -> circles around the mitoses in it, from the onset until an hour after the separation.

    A circle holds the mother, from the separation on her daughters. Rejected proposals have none.

    Args:
        events: EVENT_COLUMNS; `daughter_ids` holds text.
        detections: DETECTION_COLUMNS.
        pixel_size_um: of the movie.
        minutes_per_frame: of the movie.
    """
    minutes = minutes_per_frame
    counted = events[(events["event_type"] == EventType.MITOSIS) & events["verdict"].isin(list(VERDICTS))]
    nuclei = dict(tuple(detections.groupby("tracklet_id")))
    found: dict[int, list[Ring]] = {}
    for event in counted.to_dict("records"):
        frame, mother = int(event["frame"]), int(event["mother_id"])
        onset = event["onset_min"] / minutes
        first = frame - BEFORE_MIN / minutes if np.isnan(onset) else onset
        cells = [int(d) for d in event["daughter_ids"].split()] or [mother]
        for t in range(max(0, round(first)), frame + round(AFTER_MIN / minutes) + 1):
            members = [nuclei[c] for c in (cells if t >= frame else [mother]) if c in nuclei]
            seen = [rows for n in members if len(rows := n[n["frame"] == t])]
            if seen:
                found.setdefault(t, []).append(_around(seen, event["verdict"], pixel_size_um))
    return found


def _around(seen: Sequence[pd.DataFrame], verdict: str, pixel_size_um: float) -> Ring:
    """The circle that holds these nuclei, with some room."""
    at = np.array([[n["y_px"].iloc[0], n["x_px"].iloc[0]] for n in seen])
    radii = np.sqrt([n["area_um2"].iloc[0] / np.pi for n in seen]) / pixel_size_um
    middle = (at.min(axis=0) + at.max(axis=0)) / 2
    reach = np.max(np.linalg.norm(at - middle, axis=1) + 1.2 * radii)
    radius = max(float(reach) + ROOM_UM / pixel_size_um, LEAST_RING_UM / pixel_size_um)
    return Ring(float(middle[0]), float(middle[1]), radius, verdict)


def picture(dna: np.ndarray, labels: np.ndarray, rings: Sequence[Ring], t: int, look: Look) -> np.ndarray:
    """One picture.

    Args:
        dna: (Y, X), the movie's own numbers.
        labels: (Y, X) cell ids, 0 for background.
        rings: in this frame.
        t: the frame, from 0.
        look: what is the same in all.

    Returns:
        (height, width, 3) uint8.
    """
    from PIL import Image

    size = size_of(labels.shape, look.scale)
    low, high = look.levels
    share = np.clip((dna.astype(np.float32) - low) / max(high - low, 1e-9), 0, 1)
    grey = (share**GAMMA * 255).astype(np.uint8)
    image = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGBA")
    layer = Image.new("RGBA", (size[0] * FINE, size[1] * FINE))
    pen = _Pen(layer, look.scale * FINE, min(size) * FINE)
    for cell, polygon in polygons(labels):
        pen.outline(_smooth(polygon), look.colours.get(cell, PLAIN))
    for ring in rings:
        pen.ring(ring)
    pen.caption(t, look)
    return np.asarray(Image.alpha_composite(image, layer.reduce(FINE)).convert("RGB"))


def size_of(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """(width, height) of the picture of a (Y, X) frame; both even, as films want them.

    >>> size_of((100, 151), 1.0)
    (152, 100)
    """
    height, width = (max(2, 2 * round(n * scale / 2)) for n in shape)
    return width, height


def clock(minutes: float) -> str:
    """A time as hours and minutes, with seconds where there are any.

    >>> clock(750), clock(0.5)
    ('12:30 h', '0:00:30 h')
    """
    seconds = round(minutes * 60)
    rest = f":{seconds % 60:02}" if seconds % 60 else ""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}{rest} h"


def bar_um(width_um: float) -> int:
    """The length of the scale bar of a field that is so wide.

    >>> bar_um(460.0), bar_um(3.0)
    (50, 5)
    """
    return max((n for n in LENGTHS_UM if n <= BAR * width_um), default=LENGTHS_UM[0])


def _smooth(polygon: np.ndarray) -> np.ndarray:
    """(N, 2) of a polygon along the edges of pixels, the stairs taken out."""
    sides = np.roll(polygon, -1, axis=0) - polygon
    lengths = np.abs(sides).sum(axis=1)
    of = np.repeat(np.arange(len(polygon)), lengths)
    along = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 0.5
    points = polygon[of] + sides[of] / lengths[of, None] * along[:, None]
    if len(points) < 16:
        return points
    around = np.concatenate([points[-2:], points, points[:2]])
    return np.stack([np.convolve(values, _SMOOTH, "valid") for values in around.T], axis=1)


class _Pen:
    """Draws on the layer that is laid over the grey image."""

    def __init__(self, layer: Any, scale: float, side: int) -> None:
        from PIL import ImageDraw

        self.scale, self.side, self.size = scale, side, layer.size
        self.draw = ImageDraw.Draw(layer)
        self.width = max(FINE, round(LINE * side))
        self.margin = round(MARGIN * side)
        self.taken: list[tuple[float, float, float, float]] = []  # left, top, right, bottom of labels

    def outline(self, polygon: np.ndarray, colour: str) -> None:
        closed = np.concatenate([polygon, polygon[:1]]) * self.scale
        self.draw.line([tuple(p) for p in closed.tolist()], colour, self.width, joint="curve")

    def ring(self, ring: Ring) -> None:
        """The circle, and its verdict above it, or below where there is no room."""
        # Positions count from the middle of pixel 0, outlines from its edge.
        y, x, r = (ring.y + 0.5) * self.scale, (ring.x + 0.5) * self.scale, ring.radius * self.scale
        colour = VERDICTS[Decision(ring.verdict)]
        for extra, ink in ((self.width, "#000000"), (0, colour)):
            box = (x - r - extra, y - r - extra, x + r + extra, y + r + extra)
            self.draw.ellipse(box, outline=ink, width=2 * self.width + 2 * extra)
        self.label(ring.verdict, x, (y - r - self.margin / 3, y + r + self.margin / 3), colour)

    def label(self, word: str, x: float, edges: tuple[float, float], colour: str) -> None:
        """A word above the first edge, or below the second where it would lie on another or outside."""
        half = self.draw.textlength(word, self.font(SMALL_TEXT)) / 2 + self.margin / 2
        x = float(np.clip(x, half, self.size[0] - half))
        high = SMALL_TEXT * self.side
        boxes = [
            (x - half, edges[0] - high, x + half, edges[0]),
            (x - half, edges[1], x + half, edges[1] + high),
        ]
        free = [all(_apart(box, other) for other in self.taken) and box[1] > 0 for box in boxes]
        k = 1 if free[1] and not free[0] else 0
        self.taken.append(boxes[k])
        self.text(word, x, edges[k], SMALL_TEXT, ("mb", "mt")[k], colour)

    def caption(self, t: int, look: Look) -> None:
        """The time at the top left, the scale bar at the bottom right, the legend at the bottom left."""
        (width, height), gap = self.size, self.margin
        self.text(clock(t * look.minutes_per_frame), gap, gap, TEXT, "lt")
        um = bar_um(width / self.scale * look.pixel_size_um)
        left = width - gap - um / look.pixel_size_um * self.scale
        bar = (left, height - gap - 3 * self.width, width - gap, height - gap)
        self.draw.rectangle(bar, "#ffffff", "#000000", max(1, self.width // 2))
        self.text(f"{um} µm", (left + width - gap) / 2, bar[1] - gap / 2, SMALL_TEXT, "mb")
        x = float(gap)
        for word, colour in VERDICTS.items() if look.legend else ():
            self.text(word, x, height - gap, SMALL_TEXT, "lb", colour)
            x += self.draw.textlength(word, self.font(SMALL_TEXT)) + gap

    def text(
        self, words: str, x: float, y: float, share: float, anchor: str, colour: str = "#ffffff"
    ) -> None:
        font, stroke = self.font(share), max(FINE, round(0.1 * share * self.side))
        self.draw.text((x, y), words, colour, font, anchor, stroke_width=stroke, stroke_fill="#000000")

    def font(self, share: float) -> Any:
        return _font(max(9 * FINE, round(share * self.side)))


def _apart(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two boxes (left, top, right, bottom) do not overlap."""
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@cache
def _font(size: int) -> Any:
    """The font that comes with matplotlib; that of Pillow has no µ."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
