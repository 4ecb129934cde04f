"""What the names in a folder of images say: which file is which frame, channel and position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from lineage.schema import InputError
from lineage.video import open_video, positions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

N = 13
SIZE = (24, 20)


def image(t: int, channel: int = 0) -> np.ndarray:
    """Grey phase contrast, or a bright nucleus on black; the first pixel names the frame."""
    rng = np.random.default_rng(100 * channel + t)
    if channel == 0:
        pixels = rng.normal(120, 15, SIZE)
    else:
        pixels = rng.normal(10, 1, SIZE)
        pixels[5:9, 6:10] = 180
    pixels[0, 0] = t
    return pixels.clip(0, 255).astype(np.uint8)


def write(folder: Path, name: Callable[[int, int], str], channels: Iterable[int] = (1,), n: int = N) -> Path:
    """One TIFF a frame and channel, under the names of a microscope."""
    for t in range(n):
        for c in channels:
            path = folder / name(t, c)
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, image(t, c), photometric="minisblack", metadata=None)
    return folder


CONVENTIONS: dict[str, Callable[[int, int], str]] = {
    "incucyte": lambda t, c: f"VID123_{'PR'[c]}_B2_1_00d{t // 6:02d}h{t % 6 * 10:02d}m.tif",
    "incucyte, dates": lambda t, c: f"exp_{'PR'[c]}_B2_1_2026y03m05d_{t // 6:02d}h{t % 6 * 10:02d}m.tif",
    "metamorph": lambda t, c: f"exp_w{c + 1}{('Phase', 'Cy5')[c]}_s1_t{t + 1}.TIF",
    "imagexpress": lambda t, c: (
        f"TimePoint_{t + 1}/exp_B02_s1_w{c + 1}0A1B2C3D-0000-1111-2222-{t:06d}{c:06d}.tif"
    ),
    "micro-manager 1.4": lambda t, c: f"Pos0/img_{t:09d}_{('Phase', 'Cy5')[c]}_000.tif",
    "micro-manager 2": lambda t, c: f"img_channel{c:03d}_position000_time{t:09d}_z000.tif",
    "operetta": lambda t, c: f"r02c03f01p01-ch{c + 1}sk{t + 1}fk1fl1.tiff",
    "yokogawa": lambda t, c: f"plate_B03_T{t + 1:04d}F001L01A01Z01C{c + 1:02d}.tif",
    "in cell": lambda t, c: (
        f"B - 02(fld 3 wv {'BF' if c == 0 else 'Cy5'} time {t + 1} - {t * 600_000} ms).tif"
    ),
    "nikon": lambda t, c: f"exp_T{t:04d}_XY1_C{c + 1}.tif",
    "nikon, joined": lambda t, c: f"expt{t:03d}xy1c{c + 1}.tif",
    "imagej": lambda t, c: f"c{c + 1:04d}_t{t + 1:04d}.tif",
    "leica": lambda t, c: f"Series001_t{t:02d}_ch{c:02d}.tif",
    "by dye": lambda t, c: f"{('phase', 'SiR-DNA')[c]}_{t:03d}.tif",
}


@pytest.mark.parametrize("name", CONVENTIONS.values(), ids=CONVENTIONS)
def test_channels_are_channels_and_times_are_times(tmp_path: Path, name: Callable[[int, int], str]) -> None:
    video = open_video(write(tmp_path, name, (0, 1)))
    assert (video.n_frames, len(video.channels)) == (N, 2)
    for t in range(N):
        np.testing.assert_array_equal(video.frame(t, video.phase or 0), image(t, 0))
        np.testing.assert_array_equal(video.frame(t, video.nucleus), image(t, 1))
    assert len(positions(tmp_path)) == 1


@pytest.mark.parametrize(
    ("name", "minutes"),
    [
        (lambda t, _: f"VID_A1_1_{t * 2 // 24:02d}d{t * 2 % 24:02d}h00m.tif", 120),
        (lambda t, _: f"VID_A1_1_2026y03m{t + 5:02d}d_08h30m.tif", None),
        (lambda t, _: f"dna_20260305_{10 + t // 6:02d}{t % 6 * 10:02d}07.tif", 10),
        (lambda t, _: f"dna_{t * 15:04d}min.tif", 15),
        (lambda t, _: f"dna_t{t:03d}_{t * 300}s.tif", 5),
        (CONVENTIONS["in cell"], 10),
    ],
)
def test_names_that_hold_times_tell_the_interval(tmp_path: Path, name: Any, minutes: float | None) -> None:
    folder = write(tmp_path, name)
    if minutes is None:  # a day is no interval at which divisions can be followed
        with pytest.raises(InputError, match="not credible"):
            open_video(folder)
    else:
        assert open_video(folder).minutes_per_frame == pytest.approx(minutes)


def test_a_missing_scan_is_an_unusable_frame_in_its_place(tmp_path: Path) -> None:
    for name, gone in (("incucyte", "VID123_R_B2_1_00d00h50m.tif"), ("metamorph", "exp_w2Cy5_s1_t6.TIF")):
        folder = write(tmp_path / name, CONVENTIONS[name], (0, 1))
        (folder / gone).unlink()
        video = open_video(folder)
        assert (video.n_frames, video.missing) == (N, (5,))
        assert not video.frame(5, 1).any()
        np.testing.assert_array_equal(video.frame(6, 1), image(6, 1))
        assert "1 of 13 frames were not taken" in " ".join(video.warnings)


def test_several_positions_are_listed_and_one_is_chosen(tmp_path: Path) -> None:
    for well, c in (("A1", 0), ("A2", 1)):
        write(tmp_path, lambda t, _, well=well: f"VID_{well}_1_00d{t // 6:02d}h{t % 6 * 10:02d}m.tif", (c,))
    with pytest.raises(InputError, match=r"2 positions \(A1, A2\); choose one with --position A1") as refused:
        open_video(tmp_path)
    assert "\n" not in str(refused.value)
    for well, c in (("A1", 0), ("a2", 1)):
        np.testing.assert_array_equal(open_video(tmp_path, position=well).frame(3, 0), image(3, c))
    with pytest.raises(InputError, match="--position B7 is not there"):
        open_video(tmp_path, position="B7")
    assert [(p.well, p.position) for p in positions(tmp_path)] == [("A1", "1"), ("A2", "1")]


@pytest.mark.parametrize("beside", ["AVG_t.tif", "MAX_exp.tif", "t0_thumb.tif", "._t0.tif"])
def test_what_is_no_frame_is_left_out_and_said(tmp_path: Path, beside: str) -> None:
    write(tmp_path, lambda t, _: f"t{t}.tif")
    tifffile.imwrite(tmp_path / beside, image(0, 1))
    video = open_video(tmp_path)
    assert video.n_frames == N
    assert beside in " ".join(video.warnings)


def test_projections_alone_are_the_frames(tmp_path: Path) -> None:
    assert open_video(write(tmp_path, lambda t, _: f"MAX_t{t}.tif")).n_frames == N


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([f"t{t}.tif" for t in range(N)] + ["background.tif"], "named unlike the others: background.tif"),
        ([f"cell{c}_{t}.tif" for t in range(5) for c in range(3)], "count several things"),
        ([f"t{t}_z{z}.tif" for t in range(5) for z in range(3)], "3 planes of z"),
        ([f"t{t}.tif" for t in (0, 1, 2, 500)], "497 of 501 frames are not there"),
        ([f"x_{m}min.tif" for m in (0, 10, 20, 34, 44)], "not evenly spaced"),
        (["one.tif", "two.tif", "three.tif"], "3 positions"),
        (["t3.tif", "t03.tif"] + [f"t{t}.tif" for t in range(4, 9)], "do not distinguish the frames"),
    ],
)
def test_names_that_do_not_tell_are_refused_in_one_line(tmp_path: Path, names: list[str], words: str) -> None:
    for name in names:
        tifffile.imwrite(tmp_path / name, image(0, 1))
    with pytest.raises(InputError, match=words) as refused:
        open_video(tmp_path)
    assert "\n" not in str(refused.value)


def test_channels_of_other_number_types_stay_what_they_are(tmp_path: Path) -> None:
    for t in range(N):
        tifffile.imwrite(tmp_path / f"c1_t{t}.tif", image(t, 0))
        tifffile.imwrite(tmp_path / f"c2_t{t}.tif", image(t, 1).astype(np.uint16) * 200)
    video = open_video(tmp_path)
    assert (video.nucleus, video.dtype) == (1, np.uint16)
    assert video.frame(0, 0).dtype == np.uint8
    assert video.frame(0, 1).max() == 36_000


def test_a_stack_for_each_channel(tmp_path: Path) -> None:
    for c, name in enumerate(("exp_w1Phase.tif", "exp_w2Cy5.tif")):
        tifffile.imwrite(tmp_path / name, np.stack([image(t, c) for t in range(N)]), photometric="minisblack")
    video = open_video(tmp_path)
    assert (video.n_frames, video.channels, video.nucleus) == (N, ("Phase", "Cy5"), 1)
    np.testing.assert_array_equal(video.frame(4, 1), image(4, 1))


def test_micro_managers_own_notes_tell_the_units(tmp_path: Path) -> None:
    write(tmp_path, CONVENTIONS["micro-manager 2"])
    frames = ", ".join(f'"FrameKey-{t}-0-0": {{"ElapsedTime-ms": {t * 300_000 + 40}}}' for t in range(N))
    (tmp_path / "metadata.txt").write_text(
        f'{{"Summary": {{"PixelSize_um": 0.65, "Interval_ms": 0}}, {frames}}}'
    )
    video = open_video(tmp_path)
    assert (video.pixel_size_um, video.minutes_per_frame) == pytest.approx((0.65, 5.0))
