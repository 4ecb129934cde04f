"""How uneven the light was, and how the stain bleached -> two small charts beside those of quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.report.charts import Series, line_chart
from lineage.report.svg import BLUE, picture, tag, text

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH, HEIGHT = 370.0, 190.0
_PALE, _DARK = (255, 255, 255), (58, 70, 89)  # as the map's brightest and darkest place


def light_charts(light: Mapping[str, Any] | None, *, hours: float) -> list[tuple[str, str, str]]:
    """A map of the field and a curve of the stain; nothing where nothing was corrected.

    Args:
        light: `map` (rows, columns) over its mean, empty where the light is taken for even; `bleaching` (T,),
            empty where the stain is taken not to bleach; None where a run has neither.
        hours: length of the movie.

    Returns:
        Title, SVG and caption of each.
    """
    if not light:
        return []
    found = []
    if light["map"]:
        found.append(
            (
                "Light over the field (1 is its mean)",
                _map(np.array(light["map"])),
                "How bright the same nucleus is in each place, as its movement shows; the numbers are "
                "those of the brightest and the darkest place. DNA mass and intensity are divided by it; no "
                "pixel is changed.",
            )
        )
    if light["bleaching"]:
        left = np.array(light["bleaching"])
        at = np.arange(len(left)) * hours / len(left)
        found.append(
            (
                "Light of the stain (share left)",
                line_chart(
                    [Series("light of the stain", at, left, BLUE)],
                    hours=hours,
                    label="light of the stain that is left",
                    width=WIDTH,
                    height=HEIGHT,
                ),
                "What nuclei that do not replicate their DNA lose. DNA mass and intensity are divided by it.",
            )
        )
    return found


def _map(field: np.ndarray) -> str:
    """Squares, the brighter the paler."""
    low, high = float(field.min()), float(field.max())
    rows, columns = field.shape
    side = min((WIDTH - 20) / columns, (HEIGHT - 20) / rows)
    left, top = (WIDTH - side * columns) / 2, (HEIGHT - side * rows) / 2
    drawn = []
    for (row, column), value in np.ndenumerate(field):
        share = (float(value) - low) / max(high - low, 1e-9)
        colour = "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(_DARK, _PALE, strict=True))
        place = {"x": left + side * column, "y": top + side * row}
        drawn.append(tag("rect", width=side + 0.2, height=side + 0.2, fill=colour, **place))
    for value, style in ((high, None), (low, "fill:#ffffff")):
        row, column = np.unravel_index((field == value).argmax(), field.shape)
        x = float(np.clip(left + side * (column + 0.5), left + 16, left + side * columns - 16))
        y = top + side * (row + 0.5) + 4
        drawn.append(text(f"{value:.2f}", x, float(y), text_anchor="middle", style=style))
    frame = tag(
        "rect", x=left, y=top, width=side * columns, height=side * rows, fill="none", stroke="#8A9099"
    )
    return picture("".join(drawn) + frame, WIDTH, HEIGHT, "light over the field")
