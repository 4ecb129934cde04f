"""What assess promises: bad frames and no others, and the drift of the stage but not that of cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from lineage.quality import assess, check_with_trackpy
from lineage.schema import FrameQuality, Video

N_FRAMES = 14
SIZE = 384
STILL = np.zeros((N_FRAMES, 2))
DRIFT = np.arange(N_FRAMES)[:, None] * np.array([0.6, -0.35])
JUMP = np.where(np.arange(N_FRAMES)[:, None] < 7, 0.0, [100.0, -63.0])


def field(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (N, 2), brightness and radius of nuclei, also around the field, where the stage may go."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-100, SIZE + 100, (90, 2))
    return places, rng.uniform(20, 60, len(places)), rng.uniform(5, 8, len(places))


def draw(places: np.ndarray, brightness: np.ndarray, radii: np.ndarray, seed: int) -> np.ndarray:
    """(Y, X) uint8: disks with soft edges on a noisy ground of 10."""
    image = np.random.default_rng(seed).normal(10, 1.5, (SIZE, SIZE))
    for (y, x), height, radius in zip(places, brightness, radii, strict=True):
        rows, cols = (np.arange(max(0, int(c) - 20), min(SIZE, max(0, int(c) + 20))) for c in (y, x))
        distance = np.hypot(rows[:, None] - y, cols[None] - x)
        image[np.ix_(rows, cols)] += height * np.clip((radius + 1 - distance) / 2, 0, 1)
    return image.clip(0, 255).astype(np.uint8)


def movie(drift: np.ndarray = STILL, walk_px: float = 0.0) -> list[np.ndarray]:
    """A field of nuclei on a stage that drifts, each of which walks by itself, under fresh noise."""
    places, brightness, radii = field()
    steps = np.random.default_rng(9).normal(0, walk_px, (len(drift), *places.shape))
    walks = np.cumsum(steps, axis=0) - steps[0]
    return [
        draw(places + d + w, brightness, radii, t) for t, (d, w) in enumerate(zip(drift, walks, strict=True))
    ]


def as_video(frames: list[np.ndarray], phase: list[np.ndarray] | None = None) -> Video:
    channels = [frames] if phase is None else [frames, phase]
    return Video(
        path=Path("movie.tif"),
        n_frames=len(frames),
        shape=frames[0].shape,
        dtype=frames[0].dtype,
        channels=("dna", "phase")[: len(channels)],
        nucleus=0,
        phase=None if phase is None else 1,
        pixel_size_um=1.0,
        minutes_per_frame=10.0,
        read=lambda t, c: channels[c][t],
    )


def reasons(quality: FrameQuality) -> dict[int, str]:
    return {t: r for t, r in enumerate(quality.table["reason"]) if r}


def test_a_movie_that_stands_still() -> None:
    quality = assess(as_video(movie()))
    assert quality.usable.all()
    assert (quality.drift_px == 0).all()
    assert quality.warnings == ()


def test_cells_that_walk_at_random_are_no_drift() -> None:
    quality = assess(as_video(movie(walk_px=2.0)))
    assert (quality.drift_px == 0).all()


@pytest.mark.parametrize(
    "dtype_and_gain", [(np.uint8, 1), (np.uint16, 200), (np.float32, 0.01)], ids=["uint8", "uint16", "float"]
)
def test_subpixel_drift(dtype_and_gain: tuple[Any, float]) -> None:
    dtype, gain = dtype_and_gain
    frames = [(f.astype(float) * gain).astype(dtype) for f in movie(DRIFT)]
    quality = assess(as_video(frames))
    np.testing.assert_allclose(quality.drift_px, DRIFT, atol=0.3)
    assert quality.usable.all()


def test_drift_under_walking_cells() -> None:
    drift = 4 * DRIFT
    quality = assess(as_video(movie(drift, walk_px=1.0)))
    np.testing.assert_allclose(quality.drift_px, drift, atol=1.5)


@pytest.mark.parametrize("blank", [(), (6,), (7,), (6, 7)])
def test_jump_across_blank_frames(blank: tuple[int, ...]) -> None:
    frames = movie(JUMP)
    for t in blank:
        frames[t] = np.zeros_like(frames[t])
    quality = assess(as_video(frames))
    assert reasons(quality) == dict.fromkeys(blank, "blank")
    good = quality.usable
    np.testing.assert_allclose(quality.drift_px[good], JUMP[good], atol=0.3)


def test_drift_is_told_from_phase_contrast_too() -> None:
    """Two nuclei are too few to tell; the texture of the phase contrast is not."""
    rng = np.random.default_rng(3)
    ground = gaussian_filter(rng.normal(0, 1, (SIZE + 20, SIZE + 20)), 3) * 300 + 120
    shift = np.where(np.arange(N_FRAMES) < 5, 0, 8)
    phase = [(ground[s : s + SIZE, :SIZE] + rng.normal(0, 2, (SIZE, SIZE))).astype(np.uint8) for s in shift]
    places = np.array([[150.0, 100.0], [220.0, 300.0]])
    dna = [draw(places - [s, 0], np.array([50, 50]), np.array([6, 6]), t) for t, s in enumerate(shift)]
    assert (assess(as_video(dna)).drift_px == 0).all()
    expected = np.stack([-shift, np.zeros(N_FRAMES)], axis=1)
    np.testing.assert_allclose(assess(as_video(dna, phase)).drift_px, expected, atol=0.3)


def test_one_loose_bright_cell_is_no_drift() -> None:
    places, brightness, radii = field()
    frames = [
        draw(np.vstack([places, [190.0, -20 + 40.0 * t]]), np.r_[brightness, 220], np.r_[radii, 12], t)
        for t in range(N_FRAMES)
    ]
    assert frames[3].max() > 2 * frames[0].max() - 20
    assert (assess(as_video(frames)).drift_px == 0).all()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (np.zeros_like, "blank"),
        (lambda f: np.full_like(f, 255), "blank"),
        (lambda f: draw(np.empty((0, 2)), np.empty(0), np.empty(0), 77), "blank"),
        (lambda f: (f.astype(int) * 12).clip(0, 255).astype(np.uint8), "saturated"),
        (lambda f: gaussian_filter(f.astype(float), 4).astype(np.uint8), "out_of_focus"),
    ],
    ids=["black", "white", "empty", "saturated", "blurred"],
)
def test_bad_frames_are_found_and_their_neighbours_are_not(spoil: Any, reason: str) -> None:
    frames = movie()
    for t in (0, 5, 6):
        frames[t] = spoil(frames[t])
    quality = assess(as_video(frames))
    assert reasons(quality) == dict.fromkeys((0, 5, 6), reason)
    assert (quality.drift_px == 0).all()


def test_twelve_bit_camera_is_saturated_at_its_own_ceiling() -> None:
    frames = [(f.astype(np.uint16) * 40).clip(0, 4095) for f in movie()]
    frames[4] = (frames[4] * 10).clip(0, 4095)
    quality = assess(as_video(frames))
    assert reasons(quality) == {4: "saturated"}
    assert quality.table["saturated_fraction"][4] > 0.1


def test_slow_bleaching_is_no_fault() -> None:
    frames = movie()
    bleached = [
        (10 + (f.astype(float) - 10) * 0.93**t).clip(0, 255).astype(np.uint8) for t, f in enumerate(frames)
    ]
    quality = assess(as_video(bleached))
    assert quality.usable.all()
    assert (quality.drift_px == 0).all()


def test_no_usable_frame_is_a_warning() -> None:
    quality = assess(as_video([np.zeros((64, 64), np.uint8)] * 12))
    assert not quality.usable.any()
    assert "no frame can be used (12 blank)" in quality.warnings[0]


def test_progress_ends_at_its_total() -> None:
    seen: list[tuple[int, int]] = []
    assess(as_video(movie()), progress=lambda done, total: seen.append((done, total)))
    assert [d for d, _ in seen] == list(range(1, seen[-1][1] + 1))


def nuclei(drift: np.ndarray, walk_px: float = 1.0) -> pd.DataFrame:
    """Detections of 50 walking nuclei on a stage that drifts."""
    rng = np.random.default_rng(5)
    walks = np.cumsum(rng.normal(0, walk_px, (len(drift), 50, 2)), axis=0)
    places = rng.uniform(0, 1000, (50, 2)) + walks + drift[:, None]
    frames = np.repeat(np.arange(len(drift)), 50)
    return pd.DataFrame({"frame": frames, "y_px": places[..., 0].ravel(), "x_px": places[..., 1].ravel()})


def quality_with(drift: np.ndarray, unusable: tuple[int, ...] = ()) -> FrameQuality:
    n = len(drift)
    usable = ~np.isin(np.arange(n), unusable)
    table = pd.DataFrame({"frame": np.arange(n), "time_min": np.arange(n) * 10.0, "usable": usable})
    return FrameQuality(
        table.assign(
            reason="",
            mean_intensity=0.0,
            saturated_fraction=0.0,
            focus=0.0,
            drift_y_px=drift[:, 0],
            drift_x_px=drift[:, 1],
        )
    )


@pytest.mark.parametrize("unusable", [(), (6, 7)])
def test_trackpy_agrees_with_the_right_drift(unusable: tuple[int, ...]) -> None:
    detections = nuclei(JUMP + DRIFT)
    detections = detections[~detections["frame"].isin(unusable)]
    assert check_with_trackpy(detections, quality_with(JUMP + DRIFT, unusable)) == ()


def test_trackpy_disagrees_with_a_missed_jump() -> None:
    missed = np.where(np.arange(N_FRAMES)[:, None] < 7, 0.0, [6.0, 6.0])
    (warning,) = check_with_trackpy(nuclei(missed), quality_with(STILL, unusable=(2,)))
    assert "first: 7" in warning


def test_trackpy_disagrees_with_missed_slow_drift() -> None:
    (warning,) = check_with_trackpy(nuclei(2 * DRIFT), quality_with(STILL))
    assert "over the movie" in warning


def test_trackpy_with_nothing_to_link() -> None:
    nothing = nuclei(STILL)[:0]
    assert check_with_trackpy(nothing, quality_with(STILL)) == ()
    assert check_with_trackpy(nuclei(STILL), quality_with(STILL, unusable=tuple(range(N_FRAMES)))) == ()


def test_trackpy_in_a_crowd() -> None:
    rng = np.random.default_rng(0)
    crowd = pd.DataFrame(
        {"frame": np.repeat([0, 1], 2000), "y_px": rng.uniform(0, 60, 4000), "x_px": rng.uniform(0, 60, 4000)}
    )
    warnings = check_with_trackpy(crowd, quality_with(STILL))
    assert all(isinstance(w, str) for w in warnings)
