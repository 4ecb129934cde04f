"""What may lie in a run folder under the name of a crop, and is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _cut_short(crop: Path) -> None:
    whole = crop.read_bytes()
    crop.write_bytes(whole[: len(whole) // 4])


def _stack(*shape: int) -> Callable[[Path], object]:
    return lambda crop: tifffile.imwrite(crop, np.ones(shape, np.uint16), photometric="minisblack")


# Name -> spoils a crop that is there.
DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut_short": _cut_short,
    "empty": lambda crop: crop.write_bytes(b""),
    "text": lambda crop: crop.write_text("no image\n", encoding="utf-8"),
    "eleven_frames": _stack(11, 2, 24, 24),
    "one_channel": _stack(12, 24, 24),
    "twice_as_many_frames": _stack(24, 24, 24),
    "one_image": _stack(24, 24),
}
