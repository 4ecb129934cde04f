"""Numbers and names -> pieces of SVG."""

from __future__ import annotations

from html import escape

import numpy as np

BLUE, VERMILLION, GREY, PALE = "#0072B2", "#D55E00", "#8A9099", "#C9CED6"  # the first two: Okabe & Ito
INK, RULE = "#4A5361", "#E6E9EE"


def tag(name: str, content: str = "", **attributes: object) -> str:
    """One element. Underscores in names become hyphens; floats keep one decimal; None is left out.

    >>> tag("line", x1=0.123, stroke_width=2)
    '<line x1="0.1" stroke-width="2"/>'
    >>> tag("a", text("<b>", 0, 0), class_="m", href="#e")
    '<a class="m" href="#e"><text x="0" y="0">&lt;b&gt;</text></a>'
    """
    opening = " ".join(
        [name]
        + [
            f'{key.rstrip("_").replace("_", "-")}="{_value(value)}"'
            for key, value in attributes.items()
            if value is not None
        ]
    )
    return f"<{opening}>{content}</{name}>" if content else f"<{opening}/>"


def _value(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else escape(str(value))


def text(words: str, x: float, y: float, **attributes: object) -> str:
    """A line of text; markup in it is escaped.

    Args:
        words: the text.
        x: where it is anchored, SVG units.
        y: its baseline.
        **attributes: as in `tag`.

    Returns:
        One element.
    """
    return tag("text", escape(words), x=x, y=y, **attributes)


def hover(words: str) -> str:
    """What the browser shows when the mouse rests on the element that holds it."""
    return tag("title", escape(words))


def picture(content: str, width: float, height: float, label: str) -> str:
    """A complete drawing, which scales with the page.

    Args:
        content: SVG elements.
        width: of the drawing, SVG units.
        height: likewise.
        label: is read to those who cannot see it.

    Returns:
        An `svg` element.
    """
    box = f"0 0 {width:g} {height:g}"
    return tag(
        "svg", content, viewBox=box, width=f"{width:g}", height=f"{height:g}", role="img", aria_label=label
    )


def nice_step(span: float, max_pieces: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that cuts `span` into at most `max_pieces` pieces.

    >>> nice_step(721, 8), nice_step(0.3, 4), nice_step(0, 4)
    (100.0, 0.1, 1.0)
    """
    if not span > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(span / max_pieces))
    return next(float(f"{m * power:g}") for m in (1, 2, 5, 10) if span <= m * power * max_pieces * (1 + 1e-9))


def hour_step(span_h: float, max_pieces: int) -> float:
    """Hours between ticks: of the clock's own lengths, the first that gives at most `max_pieces` pieces.

    >>> hour_step(120, 10), hour_step(16.5, 6), hour_step(1e4, 8)
    (12, 3, 2000.0)
    """
    of_a_clock = (0.5, 1, 2, 3, 4, 6, 8, 12, 24, 48, 96)
    return next((h for h in of_a_clock if span_h / h <= max_pieces), nice_step(span_h, max_pieces))


def hatching(x: float, y: float, width: float, height: float, step: float) -> str:
    """Path of slanting lines that fill a rectangle; those of rectangles side by side meet.

    Args:
        x: left, SVG units.
        y: top.
        width: of the rectangle.
        height: of the rectangle.
        step: from one line to the next.

    Returns:
        For the attribute `d` of a path.

    >>> hatching(0, 0, 4, 4, 4)
    'M0.0 4.0L4.0 0.0'
    """
    sums = np.arange(np.floor((x + y) / step) + 1, np.ceil((x + y + width + height) / step)) * step
    left, right = np.maximum(x, sums - y - height), np.minimum(x + width, sums - y)
    return "".join(
        f"M{a:.1f} {s - a:.1f}L{b:.1f} {s - b:.1f}" for a, b, s in zip(left, right, sums, strict=True)
    )
