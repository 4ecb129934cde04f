"""Frames of a movie -> grey PNGs of 8 bits, made when they are asked for, the last ones kept."""

from __future__ import annotations

from collections import OrderedDict
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineage.schema import Video

MAX_WIDTH = 4096  # pixels; wider frames are sent at half their size
PERCENTILES = (1.0, 99.8)  # what is black and what is white, unless somebody says otherwise
_PROBED_FRAMES, _PROBED_PIXELS = 5, 4  # frames, and every so many pixels of them
MADE_AT_ONCE = 2  # frames, or outlines: those of a large image take some 200 MB meanwhile
KEPT_BYTES = 192 * 2**20  # of all movies together


class Kept:
    """What was made last, up to so many bytes; asked from several threads.

    Args:
        max_bytes: of all together.
    """

    def __init__(self, max_bytes: int = KEPT_BYTES) -> None:
        self.max_bytes, self.n_bytes = max_bytes, 0
        self._lock, self._making = Lock(), BoundedSemaphore(MADE_AT_ONCE)
        self._known: OrderedDict[tuple, bytes] = OrderedDict()

    def get(self, key: tuple, make: Callable[[], bytes]) -> bytes:
        """What is kept under a key, made if it is not there."""
        known = self._find(key)
        if known is not None:
            return known
        with self._making:
            known = self._find(key)  # somebody else may have made it meanwhile
            made = make() if known is None else known
        with self._lock:
            if key not in self._known:
                self._known[key] = made
                self.n_bytes += len(made)
            while self.n_bytes > self.max_bytes and len(self._known) > 1:
                self.n_bytes -= len(self._known.popitem(last=False)[1])
        return made

    def _find(self, key: tuple) -> bytes | None:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)


class Frames:
    """The frames of one movie.

    Args:
        video: the movie.
        kept: where PNGs are kept.
        key: of this movie in it.
    """

    def __init__(self, video: Video, kept: Kept, key: int) -> None:
        self.video, self._kept, self._key = video, kept, key
        self._lock = Lock()  # readers of files know one thread
        self._levels: dict[int, tuple[float, float]] = {}
        self.step = 2 if video.shape[1] >= MAX_WIDTH else 1

    def read(self, t: int, channel: int) -> np.ndarray:
        """(Y, X), the movie's own numbers."""
        with self._lock:
            return self.video.frame(t, channel)

    def png(self, t: int, channel: int, low: float | None = None, high: float | None = None) -> bytes:
        """A frame as a PNG, every `step`-th pixel of it.

        Args:
            t: frame.
            channel: its number.
            low: the grey level that is black; the movie's own where left out.
            high: the one that is white, likewise.
        """
        of_movie = self.levels(channel)
        levels = (of_movie[0] if low is None else low, of_movie[1] if high is None else high)
        return self._kept.get((self._key, t, channel, *levels), lambda: self._made(t, channel, levels))

    def _made(self, t: int, channel: int, levels: tuple[float, float]) -> bytes:
        from imagecodecs import png_encode

        image = self.read(t, channel)[:: self.step, :: self.step]
        return bytes(png_encode(as_grey(image, *levels), level=1))

    def levels(self, channel: int) -> tuple[float, float]:
        """The grey levels that are black and white, the same for all frames."""
        if channel not in self._levels:
            n, every = self.video.n_frames, _PROBED_PIXELS
            frames = sorted({round(t) for t in np.linspace(0, n - 1, _PROBED_FRAMES)})
            pixels = np.concatenate([self.read(t, channel)[::every, ::every].ravel() for t in frames])
            seen = pixels[pixels != 0]  # frames that are missing read as zeros
            low, high = np.percentile(seen, PERCENTILES) if seen.size else (0.0, 1.0)
            self._levels[channel] = (float(low), float(max(high, low + 1e-6)))
        return self._levels[channel]


def as_grey(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Grey levels 0 to 255 from `low` to `high`.

    >>> as_grey(np.array([[0, 100, 150, 999]], np.uint16), 100, 200)
    array([[  0,   0, 127, 255]], dtype=uint8)
    """
    if image.dtype in (np.uint8, np.uint16):  # each level is worked out once, and looked up
        every = np.arange(np.iinfo(image.dtype).max + 1, dtype=np.float32)
        return _stretched(every, low, high)[image]
    return _stretched(image.astype(np.float32), low, high)


def _stretched(levels: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((levels - low) * (255 / max(high - low, 1e-9)), 0, 255).astype(np.uint8)
