"""Frames as pictures, and labels as polygons."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import movies
import numpy as np
import pytest
from imagecodecs import png_decode
from skimage.draw import polygon2mask
from skimage.measure import regionprops

from lineage.outlines import outlines
from lineage.review.frames import Frames, Kept, as_grey


def area(polygon: list[float]) -> float:
    x, y = np.array(polygon).reshape(-1, 2).T
    return abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def field(seed: int = 0) -> np.ndarray:
    labels = np.zeros((120, 150), np.uint32)
    rng = np.random.default_rng(seed)
    for label in range(1, 40):
        y, x, radius = *rng.uniform(-3, 150, 2), rng.uniform(1, 9)
        labels[movies.disc(labels.shape, y, x, radius)] = label * 1000
    return labels


@pytest.mark.parametrize("seed", range(5))
def test_a_polygon_encloses_the_pixels_of_its_label(seed):
    labels = field(seed)
    found, polygons = outlines(labels)
    assert set(found) == set(np.unique(labels)) - {0}
    drawn = np.zeros_like(labels)
    for label, polygon in zip(found, polygons, strict=True):
        drawn[polygon2mask(labels.shape, np.array(polygon).reshape(-1, 2)[:, ::-1])] = label
    # Pixels of other labels may lie within, as holes; what is background stays background.
    assert (drawn[labels == 0] == 0).mean() > 0.99
    whole = [p for p in regionprops(labels) if p.euler_number == 1 and found.count(p.label) == 1]
    assert len(whole) > 10
    for region in whole:  # every corner is cut by an eighth of a pixel
        assert area(polygons[found.index(region.label)]) == pytest.approx(region.area, rel=0.15, abs=0.6)


def test_pieces_have_an_outline_each_and_holes_none():
    labels = np.zeros((9, 20), int)
    labels[1:4, 1:4] = labels[5:8, 10:15] = 3
    labels[2, 2] = 0
    found, polygons = outlines(labels)
    assert found == [3, 3]
    assert [area(p) for p in polygons] == [pytest.approx(8.5), pytest.approx(14.5)]


def test_a_label_at_the_edge_is_closed_there():
    found, (polygon,) = outlines(np.full((4, 6), 9))
    assert found == [9]
    assert area(polygon) == 4 * 6 - 4 / 8
    assert (min(polygon[::2]), max(polygon[::2]), max(polygon[1::2])) == (-0.5, 5.5, 3.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_grey_levels_are_the_same_for_every_kind_of_pixel(dtype):
    image = np.array([[0, 10, 60, 110, 127]], dtype)
    assert as_grey(image, 10, 110).tolist() == [[0, 0, 127, 255, 255]]


def test_a_wide_movie_is_sent_at_half_its_size():
    video = movies.movie(np.zeros((2, 1, 4, 4096), np.uint16), phase=False)
    frames = Frames(video, Kept(), 0)
    assert frames.step == 2
    assert png_decode(frames.png(0, 0)).shape == (2, 2048)


def test_black_and_white_are_those_of_the_whole_movie_and_missing_frames_do_not_count():
    pixels = np.tile(np.arange(100, 200, dtype=np.uint16), (10, 1, 8, 1))
    pixels[5:] = 0
    frames = Frames(movies.movie(pixels, phase=False), Kept(), 0)
    assert frames.levels(0) == pytest.approx((100, 196), abs=1)
    assert int(png_decode(frames.png(0, 0))[0, 50]) == pytest.approx(131, abs=3)
    assert not png_decode(frames.png(9, 0)).any()
    empty = Frames(movies.movie(np.zeros((3, 1, 8, 8), np.uint16), phase=False), Kept(), 0)
    assert not png_decode(empty.png(0, 0)).any()


def test_what_is_kept_has_a_limit_and_what_was_asked_for_last_stays():
    kept, made = Kept(max_bytes=30), []

    def make(name: str) -> bytes:
        made.append(name)
        return bytes(10)

    for name in ("a", "b", "c", "a", "d", "a", "b"):
        kept.get((name,), lambda name=name: make(name))
    assert made == ["a", "b", "c", "d", "b"]
    assert kept.n_bytes == 30
    kept.get(("large",), lambda: bytes(1000))  # more than all that may be kept: it alone
    assert kept.n_bytes == 1000


def test_no_more_than_two_are_made_at_a_time():
    """Outlines of a large image take hundreds of megabytes while they are made."""
    kept, both, under_way, most = Kept(), Barrier(2), [], []

    def make():
        under_way.append(1)
        most.append(len(under_way))
        both.wait(60)
        under_way.pop()
        return b""

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda k: kept.get((k,), make), range(8)))
    assert len(most) == 8
    assert max(most) <= 2


def test_a_reader_is_asked_by_one_thread_at_a_time():
    busy, most = [], []
    pixels = np.random.default_rng(0).integers(0, 999, (50, 1, 64, 64)).astype(np.uint16)

    def read(t: int, channel: int) -> np.ndarray:
        busy.append(t)
        most.append(len(busy))
        image = pixels[t, channel].copy()
        busy.remove(t)
        return image

    frames = Frames(replace(movies.movie(pixels, phase=False), read=read), Kept(), 0)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda t: frames.png(t, 0, 0, 999), range(50)))
    assert max(most) == 1
    for t, png in enumerate(found):
        assert np.abs(png_decode(png) - pixels[t, 0] / 999 * 255).max() <= 1
